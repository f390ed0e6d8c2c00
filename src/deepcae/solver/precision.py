"""The precision of a training's products. Weights, updates, losses and tests are always float32.

| name | products of the passes | where |
|---|---|---|
| `fp32` | float32, in full | everywhere |
| `tf32` | operands rounded to 11 bits, sums in float32 | NVIDIA GPUs |
| `bf16` | operands and results rounded to 8 bits (torch.autocast), all but those of the losses | CPU, NVIDIA GPUs |

*Differs from torch:* there, convolutions on an NVIDIA GPU take tf32 unless they are told not to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from ..errors import SpecError
from ..kernels import choice
from ..layers.base import Context
from ..net.execute import execute
from ..net.net import Net
from ..net.rounded import rounded
from .passes import FedNet

Precision = Literal["fp32", "tf32", "bf16"]
NAMES: tuple[Precision, ...] = get_args(Precision)


def check_precision(name: str, device: torch.device) -> Precision:
    """`name`, if the device can. SpecError otherwise."""
    if name not in NAMES:
        raise SpecError(f"precision '{name}' is unknown; it may be {', '.join(NAMES)}")
    if name == "tf32" and device.type != "cuda":
        raise SpecError(f"precision tf32 is for NVIDIA GPUs, and this run is on a {device.type}; give fp32 or bf16")
    if name == "bf16" and device.type not in ("cpu", "cuda"):
        raise SpecError(f"precision bf16 is for CPUs and NVIDIA GPUs, and this run is on a {device.type}; give fp32")
    return name


@contextmanager
def multiplying(precision: Precision, device: torch.device) -> Iterator[None]:
    """Inside, products are rounded as `precision` says, as far as switches of the process decide it.

    On a GPU float32 products take tf32 or not; on a CPU bf16 needs torch's own convolutions, unless the environment
    names other kernels: the compiled ones are for float32.
    """
    if device.type == "cuda":
        with _tf32(precision == "tf32"):
            yield
    elif precision == "bf16" and not choice.is_forced():
        with choice.using("torch"):
            yield
    else:
        yield


@contextmanager
def _tf32(allowed: bool) -> Iterator[None]:
    switches: tuple[Any, Any] = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [switch.allow_tf32 for switch in switches]
    for switch in switches:
        switch.allow_tf32 = allowed
    try:
        yield
    finally:
        for switch, was in zip(switches, before, strict=True):
            switch.allow_tf32 = was


def first_error(
    net: Net, inputs: Mapping[str, Tensor], generator: torch.Generator, precision: Precision
) -> tuple[float, float]:
    """The error that `precision` makes on one batch: |loss - loss'|/|loss| and the same of the gradient's norm.

    Without a prime: in fp32. Nothing is changed: neither the generator, nor statistics that a layer keeps.
    """
    state = generator.get_state()
    leaves = [tensor for tensor in net.tensors if tensor.requires_grad]
    found = []
    for one in (precision, "fp32"):
        generator.set_state(state)
        with multiplying(one, net.device):
            blobs = dict(inputs)
            execute(rounded(net.inner, net.device) if one == "bf16" else net.inner, blobs, Context(generator))
            loss = net.loss(blobs)
            reached = loss.requires_grad and leaves
            gradients = torch.autograd.grad(loss, leaves, allow_unused=True) if reached else ()
        norms = [torch.linalg.vector_norm(g.double()) for g in gradients if g is not None]
        found.append((loss.item(), torch.stack(norms).norm().item() if norms else 0.0))
    generator.set_state(state)
    (loss_, norm_), (exact, exact_norm) = found
    return _relative(loss_, exact), _relative(norm_, exact_norm)


def error_note(fed: FedNet, generator: torch.Generator, precision: Precision) -> str:
    """What the precision costs on the batch that is next, in a sentence; the batch stays the next."""
    inputs = fed.next_inputs()
    fed.position -= 1
    loss, norm = first_error(fed.net, inputs, generator, precision)
    return (
        f"precision {precision}: on the first batch the loss differs from fp32's by {loss:.2g} of it, "
        f"the gradient's norm by {norm:.2g}"
    )


def _relative(value: float, exact: float) -> float:
    return abs(value - exact) / abs(exact) if exact else abs(value)
