"""Layers that have no op of their own: autograd computes them within the tape, or the whole net without one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ..layers.norm import BatchNorm
from ..layers.pool import SPP
from ..layers.python import Python
from ..layers.select import Filter
from .op import Gradients, Op, Sheet, Unsuited, batch_first, writes


class Recorded(Op):
    """Any layer: its own `forward`, its gradient by autograd."""

    kernel = "autograd"
    steady = False

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        self.tops = self.new_tops()
        self.given = [batch_first(x) for x in bottoms]
        self.sheet.write(self.run)
        return self.tops

    def run(self) -> None:
        self.leaves = [x.detach().requires_grad_(flag) for x, flag in zip(self.given, self.wanted, strict=True)]
        with torch.set_grad_enabled(self.step.needs_backward and self.sheet.backward):
            self.made = self.layer.forward(self.leaves, self.params, self.sheet.context)
        for top, made in zip(self.tops, self.made, strict=True):
            batch_first(top).copy_(made.detach())

    def backward(self, tops: Gradients) -> Gradients:
        weights = self.step.loss_weights or (0.0,) * len(self.tops)
        self.upper = [
            torch.tensor(weight) if weight else None if dy is None else batch_first(dy)
            for dy, weight in zip(tops, weights, strict=True)
        ]
        if not self.step.needs_backward or all(dy is None for dy in self.upper):
            return [None] * len(self.given)
        into: Gradients = [
            self.sheet.borrow(x.movedim(0, -1) if x.dim() else x) if flag else None
            for x, flag in zip(self.given, self.wanted, strict=True)
        ]
        learned = [self.sheet.gradient(self.index, k) for k in range(len(self.params))]
        self.sheet.write(lambda: self.run_back([None if dx is None else batch_first(dx) for dx in into], learned))
        for dy in tops:
            self.sheet.free(dy)
        return into

    def run_back(self, bottoms: Gradients, learned: Gradients) -> None:
        pairs = [(made, dy) for made, dy in zip(self.made, self.upper, strict=True) if dy is not None]
        pairs = [(made, dy) for made, dy in pairs if made.requires_grad]
        sources = [(leaf, into) for leaf, into in zip(self.leaves, bottoms, strict=True) if into is not None]
        sources += [(param, into) for param, into in zip(self.params, learned, strict=True) if into is not None]
        made, upper = [made for made, _ in pairs], [dy for _, dy in pairs]
        found: Sequence[Tensor | None] = [None] * len(sources)
        if made and sources:
            found = torch.autograd.grad(made, [leaf for leaf, _ in sources], upper, allow_unused=True)
        for gradient, (_, into) in zip(found, sources, strict=True):
            if gradient is None:
                into.zero_()
            else:
                into.copy_(gradient)


@writes(BatchNorm, SPP, Python, Filter)
def _unsuited(sheet: Sheet, index: int) -> Op | None:
    """PyTorch's BatchNorm and SPP are faster, Python code sees (N, ...), Filter's data tell how many samples go on."""
    raise Unsuited
