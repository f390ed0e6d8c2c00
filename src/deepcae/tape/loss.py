"""Losses of a tape: each with its gradient in one pass over the memory, in the forward half."""

from __future__ import annotations

from torch import Tensor

from ..kernels import calls
from ..layers.base import canonical_axis
from ..layers.loss import (
    GREATEST_LOG_LOSS,
    EuclideanLoss,
    SigmoidCrossEntropyLoss,
    SoftmaxWithLoss,
    labels_of,
    normalizer,
)
from .op import Gradients, Op, Sheet, writes


class CrossEntropy(Op):
    """SigmoidCrossEntropyLoss, without targets to ignore."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (x, target), (loss,) = bottoms, self.new_tops()
        share = 1 / float(normalizer(self.layer.normalization, self.sheet.batch, x.numel(), None))
        self.gradient = self.sheet.borrow(x) if self.wanted[0] else None
        weight = self.step.loss_weights[0]
        self.sheet.write(calls.cross_entropy(share, weight, x, target, self.gradient, loss))
        return [loss]

    def backward(self, tops: Gradients) -> Gradients:
        return [self.gradient, None]


@writes(SigmoidCrossEntropyLoss)
def _cross_entropy(sheet: Sheet, index: int) -> CrossEntropy | None:
    op = CrossEntropy(sheet, index)
    return op if op.layer.ignored is None and op.ends else None


class Squares(Op):
    """EuclideanLoss."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (a, b), (loss,) = bottoms, self.new_tops()
        self.gradients: Gradients = [
            self.sheet.borrow(x) if wanted else None for x, wanted in zip(bottoms, self.wanted, strict=True)
        ]
        weight, (da, db) = self.step.loss_weights[0], self.gradients
        self.sheet.write(calls.squares(1 / self.sheet.batch, weight, a, b, da, db, loss))
        return [loss]

    def backward(self, tops: Gradients) -> Gradients:
        return self.gradients


@writes(EuclideanLoss)
def _squares(sheet: Sheet, index: int) -> Squares | None:
    op = Squares(sheet, index)
    return op if op.ends else None


class SoftmaxLoss(Op):
    """SoftmaxWithLoss over the channels, without labels to ignore."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        (x, labels), (loss,) = bottoms, self.new_tops()
        classes = len(x)
        share = 1 / float(normalizer(self.layer.normalization, self.sheet.batch, x.numel() // classes, None))
        self.gradient = self.sheet.borrow(x) if self.wanted[0] else None
        flat = None if self.gradient is None else self.gradient.view(classes, -1)
        self.sheet.write(lambda: labels_of(labels, classes, None))
        self.sheet.write(
            calls.softmax_loss(
                share, self.step.loss_weights[0], GREATEST_LOG_LOSS, x.view(classes, -1), labels.view(-1), flat, loss
            )
        )
        return [loss]

    def backward(self, tops: Gradients) -> Gradients:
        return [self.gradient, None]


@writes(SoftmaxWithLoss)
def _softmax_loss(sheet: Sheet, index: int) -> SoftmaxLoss | None:
    op = SoftmaxLoss(sheet, index)
    axis = canonical_axis(op.layer.param.softmax_param.axis, sheet.planned(op.step.bottoms[0]))
    return op if op.layer.ignored is None and op.ends and axis == 1 else None
