"""Layers of a tape that compute nothing: their tops are their bottom, or there are none."""

from __future__ import annotations

from torch import Tensor

from ..kernels import calls
from ..layers.shape import Flatten, Reshape, Silence, Split
from .op import Gradients, Op, writes


@writes(Split, Flatten, Reshape)
class Shared(Op):
    """The tops are the bottom's memory. The gradients of several tops are added."""

    keeps_top = True
    kernel = ""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        self.shape = bottoms[0].shape
        return [bottoms[0].reshape(self.sheet.shape(name)) for name in self.step.tops]

    def backward(self, tops: Gradients) -> Gradients:
        there = [top.reshape(self.shape) for top in tops if top is not None]
        for other in there[1:]:
            self.sheet.write(calls.add(other, there[0]))
            self.sheet.free(other)
        return [there[0] if there else None]


@writes(Silence)
class Silent(Op):
    """Nothing."""

    kernel = ""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        return []

    def backward(self, tops: Gradients) -> Gradients:
        return [None] * len(self.step.bottoms)
