"""Activations of a tape, in one pass over the memory with the bias of the layer before them."""

from __future__ import annotations

from torch import Tensor

from ..kernels import calls
from ..layers.activation import ELU, ReLU, Sigmoid, TanH
from .affine import Affine
from .op import Gradients, Op, Sheet, writes


class Activation(Op):
    """What the core computes, with the bias of the layer before it where that is `Affine`."""

    keeps_top = True
    saved = 2.5

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        self.kind, self.slope = self.layer.activation
        if self.kind == "relu":
            self.saved = 0.3  # which autograd computes in place
        maker = self.sheet.makers.get(self.step.bottoms[0])
        self.affine = maker if isinstance(maker, Affine) and maker.followed else None
        (x,) = bottoms
        (self.y,) = self.over(x)
        bias = self.affine.bias if self.affine is not None and not self.affine.adds_bias else None
        self.sheet.write(calls.activate(self.kind, self.slope, bias, x, self.y))
        return [self.y]

    def backward(self, tops: Gradients) -> Gradients:
        (dy,) = tops
        if dy is None:
            return [None]
        db = self.affine.bias_gradient() if self.affine is not None else None
        self.sheet.write(calls.activate_back(self.kind, self.slope, self.y, dy, db))
        return [dy]


@writes(ReLU, Sigmoid, TanH, ELU)
def _activation(sheet: Sheet, index: int) -> Activation | None:
    op = Activation(sheet, index)
    return op if op.layer.activation is not None and sheet.planned(op.step.bottoms[0]) else None
