"""How exactly a training's passes multiply. Weights, updates, losses and tests are float32 in all of them.

| name | products of the passes | where |
|---|---|---|
| `fp32` | float32, in full | everywhere |
| `tf32` | operands rounded to 11 bits, sums in float32 | NVIDIA GPUs |
| `bf16` | operands and results rounded to 8 bits (torch.autocast), all but those of the losses | CPU, NVIDIA GPUs |

*Differs from torch:* there, convolutions on an NVIDIA GPU take tf32 unless they are told not to.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args

import torch

from ..errors import SpecError
from ..kernels import choice

Precision = Literal["fp32", "tf32", "bf16"]
NAMES: tuple[Precision, ...] = get_args(Precision)


def check(name: str, device: torch.device) -> Precision:
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
        with kernels("torch"):
            yield
    else:
        yield


@contextmanager
def kernels(rule: choice.Preference) -> Iterator[None]:
    """Inside, convolutions are computed by another rule."""
    before = choice.preference()
    choice.prefer(rule)
    try:
        yield
    finally:
        choice.prefer(before)


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
