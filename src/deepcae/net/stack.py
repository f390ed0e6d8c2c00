"""K nets of one text as one net: each learned blob is (K, ...), each blob (K, N, ...), each loss (K)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from ..errors import DeepcaeError
from ..kernels.choice import using
from ..layers.base import Context
from .execute import Blobs, Hook, bind, execute
from .net import LearnedBlob, Net
from .rounded import rounded


class Unbatchable(DeepcaeError):
    """The layers of these nets cannot be run for several nets at once; says which and why."""


class Stack:
    """K nets of one plan as one: each learned blob (K, ...), each blob (K, N, ...), each loss (K).

    `tensors`: the learned blobs in the plan's order, copies of the nets'; `learnable`: those that a solver moves.
    Unbatchable where a layer keeps statistics, writes over gradients, or does what vmap cannot (random numbers,
    results that depend on the data in other ways than by arithmetic, Python code).
    """

    def __init__(self, nets: Sequence[Net], rounds: bool = False) -> None:
        """`rounds`: whether products are bf16's, see `rounded`."""
        first = nets[0]
        if first.overwritten:
            raise Unbatchable(f"net '{first.name}': a layer writes over gradients")
        self.nets, self.overwritten = nets, list[Tensor]()
        self._rounds = rounds
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
        self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None, hook: Hook | None = None
    ) -> Blobs:
        """All blobs (K, N, ...) from inputs (K, N, ...), with their graph."""
        with using("torch"):  # the others do not know vmap
            blobs: Blobs = torch.vmap(self._alone)(self.tensors, dict(inputs))
        return blobs

    def _alone(self, tensors: Sequence[Tensor], inputs: Mapping[str, Tensor]) -> Blobs:
        first, blobs, context = self.nets[0], dict(inputs), Context()
        steps = [each for each in bind(first.plan, tensors) if not each.step.is_source]
        execute(rounded(steps, first.device) if self._rounds else steps, blobs, context)
        if context.updates:
            raise Unbatchable(f"net '{first.name}': a layer keeps statistics of what it sees")
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
