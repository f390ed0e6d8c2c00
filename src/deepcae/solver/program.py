"""A training net's layers as a function of its learned blobs, for passes that `Net.forward` has no words for.

`Program` rounds products (bf16); `Stack` runs K nets of one text, each with its own learned blobs, as one net whose
blobs have K as their first axis. Both have what a training pass asks of a net: `forward`, `loss`, `overwritten`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor

from ..errors import DeepcaeError
from ..layers.base import Context
from ..net.backward import lost_gradients
from ..net.net import LearnedBlob, Net, Watch
from ..net.step import Step
from .passes import FedNet
from .precision import Precision, kernels, multiplying

Blobs = Mapping[str, Tensor]


class Unbatchable(DeepcaeError):
    """The layers of these nets cannot be run for several nets at once; says which and why."""


class Trainable(Protocol):
    """What a training pass asks of a net."""

    overwritten: list[Tensor]

    def forward(
        self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None, watch: Watch | None = None
    ) -> dict[str, Tensor]: ...

    def loss(self, blobs: Mapping[str, Tensor]) -> Tensor: ...


class Program:
    """The net's pass with products of `precision`; what is not a product, and the losses, are in float32."""

    def __init__(self, net: Net, precision: Precision) -> None:
        self.net, self.precision = net, precision
        self.overwritten = net.overwritten
        self.loss = net.loss
        lost = lost_gradients(net.plan)
        self._deaf = [frozenset(i for i in lost if k in lost[i]) for k in range(len(net.plan.steps))]

    def forward(
        self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None, watch: Watch | None = None
    ) -> dict[str, Tensor]:
        """All blobs, from those fed from outside, with their graph: as `Net.forward`."""
        context = Context(generator)
        blobs = self.run(self.net.tensors, inputs, context, watch)
        with torch.no_grad():
            for tensor, value in context.updates:
                tensor.copy_(value)
        return blobs

    def run(
        self, tensors: Sequence[Tensor], inputs: Mapping[str, Tensor], context: Context, watch: Watch | None = None
    ) -> dict[str, Tensor]:
        """All blobs with `tensors` as the learned blobs, in the plan's order; what the pass would write is left to
        the caller, in `context.updates`.
        """
        blobs = dict(inputs)
        for step, deaf in zip(self.net.plan.steps, self._deaf, strict=True):
            assert step.layer is not None
            if step.layer.is_source:
                continue
            bottoms = [blobs[name] for name in step.bottoms]
            for i, flag in enumerate(step.node.param.propagate_down):
                bottoms[i] = bottoms[i] if flag else bottoms[i].detach()
            params = [self._param(tensors, index, deaf) for index in step.params]
            with self._rounding(step, bottoms):
                tops = step.layer.forward(bottoms, params, context)
            tops = [top.float() if top.dtype == torch.bfloat16 else top for top in tops]
            if watch is not None:
                watch(step, bottoms, tops)
            blobs.update(zip(step.tops, tops, strict=True))
        return blobs

    def _param(self, tensors: Sequence[Tensor], index: int, deaf: frozenset[int]) -> Tensor:
        owner = self.net.plan.owner(index)
        tensor = tensors[owner].detach() if owner in deaf else tensors[owner]
        shape = self.net.plan.params[index].shape or ()
        return tensor if tuple(tensor.shape) == shape else tensor.reshape(shape)

    def _rounding(self, step: Step, bottoms: Sequence[Tensor]) -> torch.autocast | nullcontext[None]:
        if self.precision != "bf16" or step.layer is None or step.layer.is_loss:
            return nullcontext()
        return torch.autocast(self.net.device.type, torch.bfloat16, cache_enabled=False)


class Stack:
    """K nets of one plan as one: each learned blob (K, ...), each blob (K, N, ...), each loss (K).

    `tensors`: the learned blobs in the plan's order, copies of the nets'; `learnable`: those that a solver moves.
    Unbatchable where a layer keeps statistics, writes over gradients, or does what vmap cannot (random numbers,
    results that depend on the data in other ways than by arithmetic, Python code).
    """

    def __init__(self, nets: Sequence[Net], precision: Precision = "fp32") -> None:
        first = nets[0]
        if first.overwritten:
            raise Unbatchable(f"net '{first.name}': a layer writes over gradients")
        self.nets, self.overwritten = nets, list[Tensor]()
        self._program = Program(first, precision)
        self.tensors: list[Tensor] = []
        for i, param in enumerate(first.plan.params):
            if param.owner is not None:
                self.tensors.append(self.tensors[param.owner])
                continue
            stacked = torch.stack([net.tensors[i].detach() for net in nets])
            self.tensors.append(stacked.requires_grad_(first.tensors[i].requires_grad))
        owners = [i for i, param in enumerate(first.plan.params) if param.owner is None]
        self.learnable = [
            LearnedBlob(blob.name, self.tensors[i], blob.lr_mult, blob.decay_mult)
            for i, blob in zip(owners, first.learnable, strict=True)
        ]

    def forward(
        self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None, watch: Watch | None = None
    ) -> dict[str, Tensor]:
        """All blobs (K, N, ...) from inputs (K, N, ...), with their graph."""
        with kernels("torch"):  # the others do not know vmap
            blobs: dict[str, Tensor] = torch.vmap(self._alone)(self.tensors, dict(inputs))
        return blobs

    def _alone(self, tensors: Sequence[Tensor], inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        context = Context(None)
        blobs = self._program.run(tensors, inputs, context)
        if context.updates:
            raise Unbatchable(f"net '{self.nets[0].name}': a layer keeps statistics of what it sees")
        return blobs

    def loss(self, blobs: Mapping[str, Tensor]) -> Tensor:
        """Each net's objective, (K)."""
        losses: Tensor = torch.vmap(self.nets[0].loss)(dict(blobs))
        return losses

    def try_out(self, inputs: Mapping[str, Tensor]) -> None:
        """One pass there and back that changes nothing. Unbatchable where it fails."""
        tensors = [tensor for tensor in self.tensors if tensor.requires_grad]
        try:
            loss = self.loss(self.forward(inputs)).sum()
            if loss.requires_grad:
                torch.autograd.grad(loss, tensors, allow_unused=True)
        except (RuntimeError, NotImplementedError, TypeError, ValueError) as error:
            raise Unbatchable(f"net '{self.nets[0].name}': {str(error).splitlines()[0]}") from error

    @torch.no_grad()
    def upload(self) -> None:
        """The nets' learned blobs into the stacked ones."""
        for i, stacked in enumerate(self.tensors):
            torch.stack([net.tensors[i].detach() for net in self.nets], out=stacked.detach())

    @torch.no_grad()
    def download(self, which: Iterable[int]) -> None:
        """The stacked learned blobs into those of the nets of these numbers."""
        for k in which:
            tensors = [tensor.detach() for tensor in self.nets[k].tensors]
            torch._foreach_copy_(tensors, [stacked[k] for stacked in self.tensors])


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
            loss = net.loss(Program(net, one).run(net.tensors, inputs, Context(generator)))
            reached = loss.requires_grad and leaves
            gradients = torch.autograd.grad(loss, leaves, allow_unused=True) if reached else ()
        norms = [torch.linalg.vector_norm(g.double()) for g in gradients if g is not None]
        found.append((loss.item(), torch.stack(norms).norm().item() if norms else 0.0))
    generator.set_state(state)
    (loss_, norm_), (exact, exact_norm) = found
    return _relative(loss_, exact), _relative(norm_, exact_norm)


def told_error(fed: FedNet, generator: torch.Generator, precision: Precision) -> str:
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
