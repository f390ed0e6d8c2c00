"""Losses and the layers beside them: scalars (shape ()) that training lowers. The net applies the loss weights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DataError, LayerError
from ..lazy import torch
from .base import Arity, Context, Gives, Layer, Shape, canonical_axis, count

if TYPE_CHECKING:
    from torch import Tensor

FULL, VALID, BATCH_SIZE, NONE = 0, 1, 2, 3
GREATEST_LOG_LOSS = -math.log(1.17549435e-38)  # Caffe takes the logarithm of max(p, FLT_MIN)


class LabelledLoss(Layer):
    """Two bottoms whose first axes agree, one scalar top."""

    bottoms: ClassVar[Arity] = (2, 2)
    is_loss: ClassVar[bool] = True
    keeps_state: bool = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        first, second = bottoms[0], bottoms[1]
        if not first or not second or first[0] != second[0]:
            raise LayerError(
                f"the bottoms must agree in axis 0 (the batch), but bottom 0 is {list(first)} and "
                f"bottom 1 is {list(second)}",
                "bottom.1",
            )
        self.check(first, second)
        return [()]

    def check(self, first: Shape, second: Shape) -> None:
        """LayerError unless the two bottoms fit."""


def normalization(param: Any, default: int) -> int:
    """loss_param's `normalization`, else its older boolean `normalize`, else the layer's own default."""
    settings = param.loss_param
    if settings.HasField("normalization"):
        return settings.normalization
    if settings.HasField("normalize"):
        return VALID if settings.normalize else BATCH_SIZE
    return default


class EuclideanLoss(LabelledLoss):
    """L = sum of (a - b)² / (2N), N = the size of axis 0; both bottoms receive gradients.

    a, b of equal size per sample, whatever their shapes. Source: Caffe euclidean_loss_layer.cpp.
    """

    type: ClassVar[str] = "EuclideanLoss"
    compares: ClassVar[bool] = True

    def check(self, first: Shape, second: Shape) -> None:
        if count(first, 1) != count(second, 1):
            raise LayerError(
                f"the bottoms must have equally many elements per sample, but bottom 0 {list(first)} has "
                f"{count(first, 1)} and bottom 1 {list(second)} has {count(second, 1)}",
                "bottom.1",
            )

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        from ..kernels import losses

        a, b = bottoms[0], bottoms[1].reshape(bottoms[0].shape)
        loss = losses.squares(a, b, 1 / a.shape[0])
        if loss is None:
            loss = torch.nn.functional.mse_loss(a, b, reduction="sum") / (2 * a.shape[0])
        return [loss]


class SigmoidCrossEntropyLoss(LabelledLoss):
    """L = sum of max(x, 0) - x·t + log(1 + exp(-|x|)), divided by the normaliser; t any real number.

    x (N, ...) logits, t targets of the same count. The normaliser is N unless loss_param says otherwise (FULL: all
    elements, VALID: those not ignored, NONE: 1). `ignore_label` compares with t truncated to an integer, as in Caffe.
    Source: Caffe sigmoid_cross_entropy_loss_layer.cpp.
    """

    type: ClassVar[str] = "SigmoidCrossEntropyLoss"
    applies: ClassVar[str] = "sigmoid"
    compares: ClassVar[bool] = True
    no_gradient: frozenset[int] = frozenset({1})
    labels: frozenset[int] = frozenset({1})

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.normalization = normalization(param, BATCH_SIZE)
        self.ignored = param.loss_param.ignore_label if param.loss_param.HasField("ignore_label") else None
        self.unit_targets = self.ignored is None

    def check(self, first: Shape, second: Shape) -> None:
        if count(first) != count(second):
            raise LayerError(
                f"the bottoms must have equally many elements, but bottom 0 {list(first)} has {count(first)} and "
                f"bottom 1 {list(second)} has {count(second)}",
                "bottom.1",
            )

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0]
        target = bottoms[1].detach().reshape(x.shape)
        if self.ignored is None:
            from ..kernels import losses

            share = 1 / float(normalizer(self.normalization, x.shape[0], x.numel(), None))
            loss = losses.cross_entropy(x, target, share)
            if loss is not None:
                return [loss]
        valid = None if self.ignored is None else (target.trunc() != self.ignored).to(x.dtype)
        total = torch.nn.functional.binary_cross_entropy_with_logits(x, target, weight=valid, reduction="sum")
        return [total / normalizer(self.normalization, x.shape[0], x.numel(), valid)]


def normalizer(mode: int, outer: int, total: int, valid: Tensor | None) -> Tensor | float:
    """What a summed loss is divided by; never less than 1. `valid`: 1 for each counted element, None if all are."""
    if mode == VALID and valid is not None:
        return valid.sum().clamp(min=1)
    return float(max(1, {FULL: total, VALID: total, BATCH_SIZE: outer, NONE: 1}[mode]))


def labels_of(bottom: Tensor, num_classes: int, ignored: int | None) -> Tensor:
    """Labels as integers (truncated, as in Caffe). DataError for one outside the classes, save the ignored one."""
    labels = bottom.detach().reshape(-1).to(torch.int64)
    wrong = (labels < 0) | (labels >= num_classes)
    if ignored is not None:
        wrong &= labels != ignored
    if bool(wrong.any()):
        raise DataError(f"label {int(labels[wrong][0])} is outside the {num_classes} classes 0 to {num_classes - 1}")
    return labels


def check_labels(scores: Shape, labels: Shape, axis: int) -> None:
    """LayerError unless there is one label for each place outside the class axis."""
    wanted = count(scores) // scores[axis]
    if count(labels) != wanted:
        raise LayerError(
            f"bottom 0 {list(scores)} with its classes on axis {axis} needs {wanted} labels, but bottom 1 "
            f"{list(labels)} has {count(labels)}",
            "bottom.1",
        )


class SoftmaxWithLoss(LabelledLoss):
    """L = -sum of log(max(p[label], FLT_MIN)), p = softmax(x) over `axis`, divided by the normaliser (default VALID).

    x (N, C, ...), labels one per place outside the class axis. Gradient (p - onehot)/normaliser, 0 where ignored.
    Differs from Caffe: a label outside the classes is an error, not a read out of bounds.
    Source: Caffe softmax_loss_layer.cpp.
    """

    type: ClassVar[str] = "SoftmaxWithLoss"
    applies: ClassVar[str] = "softmax"
    tops: ClassVar[Arity] = (1, 2)  # two are refused below, with advice
    no_gradient: frozenset[int] = frozenset({1})
    labels: frozenset[int] = frozenset({1})

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        if len(param.top) == 2:
            raise LayerError(
                "a second top for the probabilities is refused, as in Caffe; add a Softmax layer for them", "top.1"
            )
        self.normalization = normalization(param, VALID)
        self.ignored = param.loss_param.ignore_label if param.loss_param.HasField("ignore_label") else None

    def _axis(self, shape: Shape) -> int:
        return canonical_axis(self.param.softmax_param.axis, shape, "softmax_param.axis")

    def check(self, first: Shape, second: Shape) -> None:
        check_labels(first, second, self._axis(first))

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0]
        axis = self._axis(tuple(x.shape))
        outer = math.prod(x.shape[:axis])
        labels = labels_of(bottoms[1], x.shape[axis], self.ignored)
        valid = None if self.ignored is None else (labels != self.ignored).to(x.dtype)
        if self.ignored is not None:
            labels = labels.masked_fill(labels == self.ignored, 0)
        logs = torch.log_softmax(x, axis).movedim(axis, -1).reshape(-1, x.shape[axis])  # (places, C)
        losses = -logs.gather(1, labels[:, None])[:, 0]
        losses = losses - (losses.detach() - GREATEST_LOG_LOSS).clamp(min=0)  # the value is capped, the gradient is not
        total = losses.sum() if valid is None else torch.where(valid > 0, losses, torch.zeros_like(losses)).sum()
        return [total / normalizer(self.normalization, outer, labels.numel(), valid)]


class ContrastiveLoss(Layer):
    """L = 1/(2N)·sum over pairs of d² if similar, else max(margin - d, 0)², d² = |a - b|²; legacy: max(margin - d², 0).

    a, b (N, C) or (N, C, 1, 1); y (N): non-zero (after truncation) means similar. Differs from torch: the gradient of a
    dissimilar pair divides by d + 1e-4, not by d. Source: Caffe contrastive_loss_layer.cpp.
    """

    type: ClassVar[str] = "ContrastiveLoss"
    bottoms: ClassVar[Arity] = (3, 3)
    is_loss: ClassVar[bool] = True
    keeps_state: bool = True
    no_gradient: frozenset[int] = frozenset({2})

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        a, b, y = bottoms
        for index, shape in ((0, a), (1, b)):
            if not 1 <= len(shape) <= 4 or count(shape, 2) != 1:
                raise LayerError(
                    f"bottom {index} must be (N, C) or (N, C, 1, 1), but is {list(shape)}", f"bottom.{index}"
                )
        if a[:2] != b[:2]:
            raise LayerError(f"the compared bottoms must have one shape, but are {list(a)} and {list(b)}", "bottom.1")
        if not y or y[0] != a[0] or count(y) != a[0]:
            raise LayerError(f"bottom 2 must hold one number per pair ({a[0]}), but is {list(y)}", "bottom.2")
        return [()]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        from ..kernels.gradients import contrast

        a, b, y = bottoms
        settings = self.param.contrastive_loss_param
        similar = y.detach().reshape(-1).trunc() != 0
        rows = a.shape[0]
        return [contrast(a.reshape(rows, -1), b.reshape(rows, -1), similar, settings.margin, settings.legacy_version)]


class Softmax(Layer):
    """y = exp(x - max)/sum of exp(x - max) over `axis`. Source: Caffe softmax_layer.cpp."""

    type: ClassVar[str] = "Softmax"
    gives: ClassVar[Gives] = "squashed"
    reads_top: bool = True
    in_place: ClassVar[bool] = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        canonical_axis(self.param.softmax_param.axis, bottoms[0], "softmax_param.axis")
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return [torch.softmax(bottoms[0], self.param.softmax_param.axis)]


class Accuracy(Layer):
    """The share of samples whose label is among the top_k scores; a tie counts against the sample.

    Top 1, if named: the share per class (C). Ignored labels do not count; nothing to count gives 0. No gradient.
    Source: Caffe accuracy_layer.cpp.
    """

    type: ClassVar[str] = "Accuracy"
    measures: ClassVar[bool] = True
    bottoms: ClassVar[Arity] = (2, 2)
    tops: ClassVar[Arity] = (1, 2)
    no_gradient: frozenset[int] = frozenset({1})
    differentiable: ClassVar[bool] = False

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = param.accuracy_param
        self.top_k = settings.top_k
        self.ignored = settings.ignore_label if settings.HasField("ignore_label") else None
        if self.top_k < 1:
            raise LayerError("top_k must be at least 1", "accuracy_param.top_k")

    def _axis(self, shape: Shape) -> int:
        return canonical_axis(self.param.accuracy_param.axis, shape, "accuracy_param.axis")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis = self._axis(bottoms[0])
        check_labels(bottoms[0], bottoms[1], axis)
        if self.top_k > bottoms[0][axis]:
            raise LayerError(f"top_k {self.top_k} is more than the {bottoms[0][axis]} classes", "accuracy_param.top_k")
        return [(), (bottoms[0][axis],)][: self.num_tops]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0].detach()
        axis = self._axis(tuple(x.shape))
        scores = x.movedim(axis, -1).reshape(-1, x.shape[axis])  # (places, C)
        labels = labels_of(bottoms[1], scores.shape[1], self.ignored)
        if self.ignored is not None:
            counted = labels != self.ignored
            scores, labels = scores[counted], labels[counted]
        rivals = (scores >= scores.gather(1, labels[:, None])).sum(1) - 1
        right = (rivals < self.top_k).to(x.dtype)
        tops = [right.sum() / max(1, labels.numel())]
        if self.num_tops == 2:
            per_class = x.new_zeros(2, scores.shape[1]).index_add_(
                1, labels, torch.stack([right, torch.ones_like(right)])
            )
            tops.append(per_class[0] / per_class[1].clamp(min=1))
        return tops
