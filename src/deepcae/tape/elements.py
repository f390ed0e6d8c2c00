"""Layers of a tape that go through their blobs element by element: shifts, factors, sums, products, maxima."""

from __future__ import annotations

import math

from torch import Tensor

from ..kernels import calls
from ..layers.base import canonical_axis
from ..layers.join import MAX, PROD, SUM, Eltwise
from ..layers.neuron import Power
from ..layers.norm import Bias
from .op import Gradients, Op, Sheet, writes


class Shift(Op):
    """Bias with a learned blob: y = x + b of its row, where rows are all that a b is added to."""

    saved = 1.0

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (x,), (self.y,) = bottoms, self.over(bottoms[0])
        b = self.params[0].detach()
        self.rows = b.numel()
        self.sheet.write(calls.scale(1.0, 0.0, b, x.view(self.rows, -1), self.y.view(self.rows, -1)))
        return [self.y]

    def backward(self, tops: Gradients) -> Gradients:
        (dy,) = tops
        if dy is None:
            return [None]
        if (db := self.sheet.gradient(self.index, 0)) is not None:
            sums = dy.view(self.rows, -1)
            self.sheet.write(calls.activate_back("identity", 0.0, sums, sums, db))
        if self.wanted[0]:
            return [dy]
        self.sheet.free(dy)
        return [None]


@writes(Bias)
def _shift(sheet: Sheet, index: int) -> Shift | None:
    """None where b is another layer's top, differs within a sample's rows, or between samples."""
    step, x = sheet.net.plan.steps[index], sheet.planned(sheet.net.plan.steps[index].bottoms[0])
    if len(step.bottoms) != 1 or not x:
        return None
    b = sheet.net.bound[index].params[0].shape
    axis = canonical_axis(step.layer.settings.axis, x) if b else 1  # type: ignore[union-attr]  # a Bias
    return Shift(sheet, index) if axis >= 1 and math.prod(x[1:axis]) == 1 else None


class Line(Op):
    """Power of exponent 1: y = scale·x + shift."""

    saved = 1.0

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (x,), (y,) = bottoms, self.over(bottoms[0])
        self.sheet.write(calls.scale(self.layer.scale, self.layer.shift, None, x, y))
        return [y]

    def backward(self, tops: Gradients) -> Gradients:
        (dy,) = tops
        if dy is not None and self.layer.scale != 1:
            self.sheet.write(calls.scale(self.layer.scale, 0.0, None, dy, dy))
        return [dy]


@writes(Power)
def _line(sheet: Sheet, index: int) -> Line | None:
    op = Line(sheet, index)
    return op if op.layer.power == 1 and op.layer.constant is None and sheet.planned(op.step.bottoms[0]) else None


class Sum(Op):
    """Eltwise: y = Σ coeff[i]·x[i]."""

    saved = 1.0

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        self.factors = self.layer.coefficients or [1.0] * len(bottoms)
        (first, second, *others), (p, q, *factors), (y,) = bottoms, self.factors, self.new_tops()
        self.sheet.write(calls.join(SUM, p, q, first, second, y))
        for x, factor in zip(others, factors, strict=True):
            self.sheet.write(calls.join(SUM, 1.0, factor, y, x, y))
        return [y]

    def backward(self, tops: Gradients) -> Gradients:
        """The bottom that is written last has the memory of dy: one with the factor 1, for which nothing is done."""
        (dy,) = tops
        made: Gradients = [None] * len(self.step.bottoms)
        wanted = sorted((i for i, flag in enumerate(self.wanted) if flag), key=lambda i: self.factors[i] == 1)
        if dy is None or not wanted:
            self.sheet.free(dy)
            return made
        for i in wanted:
            made[i] = into = dy if i == wanted[-1] else self.sheet.borrow(dy)
            if into is not dy or self.factors[i] != 1:
                self.sheet.write(calls.scale(self.factors[i], 0.0, None, dy, into))
        return made


class Pair(Op):
    """Eltwise of two: y = a·b, or the greater one."""

    saved = 1.0

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (self.a, self.b), (y,) = bottoms, self.new_tops()
        self.sheet.write(calls.join(self.layer.operation, 1.0, 1.0, self.a, self.b, y))
        return [y]

    def backward(self, tops: Gradients) -> Gradients:
        (dy,) = tops
        if dy is None or not any(self.wanted):
            self.sheet.free(dy)
            return [None, None]
        da = None if not self.wanted[0] else self.sheet.borrow(dy) if self.wanted[1] else dy
        db = dy if self.wanted[1] else None
        self.sheet.write(calls.join_back(self.layer.operation, self.a, self.b, dy, da, db))
        return [da, db]


@writes(Eltwise)
def _eltwise(sheet: Sheet, index: int) -> Op | None:
    """None for blobs of one number, for products and maxima of more than two, and for the gradient y / x[i]."""
    step = sheet.net.plan.steps[index]
    layer = step.layer
    assert isinstance(layer, Eltwise)
    if not sheet.planned(step.bottoms[0]):
        return None
    if layer.operation == SUM:
        return Sum(sheet, index)
    known = layer.operation == MAX or (layer.operation == PROD and not layer.reads_top)
    return Pair(sheet, index) if known and len(step.bottoms) == 2 else None
