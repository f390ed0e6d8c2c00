"""Losses that compare scores with labels, beside SoftmaxWithLoss: HingeLoss, MultinomialLogisticLoss, InfogainLoss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError, SnapshotError
from ..lazy import torch
from ..proto.binary import blob_shape, read_blob
from ..proto.lookup import resolve
from .base import Arity, Context, Shape, canonical_axis, count, require_axes
from .loss import VALID, LabelledLoss, check_labels, labels_of, normalization, normalizer

if TYPE_CHECKING:
    from torch import Tensor

L2 = 2
LEAST_PROBABILITY = 1e-20  # Caffe takes the logarithm of max(p, 1e-20)


class HingeLoss(LabelledLoss):
    """L = sum of m/N (norm L1) or of m²/N (L2), m = max(0, 1 + s·x), s = -1 for the labelled class, else +1.

    x (N, C), its further axes flattened into C; labels (N). Source: Caffe hinge_loss_layer.cpp.
    """

    type: ClassVar[str] = "HingeLoss"
    no_gradient: frozenset[int] = frozenset({1})
    labels: frozenset[int] = frozenset({1})

    def check(self, first: Shape, second: Shape) -> None:
        _check_one_label_each(first, second)

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0].flatten(1) if bottoms[0].dim() > 1 else bottoms[0][:, None]
        labels = labels_of(bottoms[1], x.shape[1], None)
        sign = torch.ones_like(x).scatter_(1, labels[:, None], -1)
        margins = torch.relu(1 + sign * x)
        if self.param.hinge_loss_param.norm == L2:
            margins = margins.square()
        return [margins.sum() / x.shape[0]]


class MultinomialLogisticLoss(LabelledLoss):
    """L = -sum of log(max(p[label], 1e-20))/N, p given as probabilities (SoftmaxWithLoss makes them itself).

    p (N, C), its further axes flattened into C; labels (N).
    Differs from torch: below 1e-20 the value is capped, but the gradient goes on as -1/(N·1e-20).
    Source: Caffe multinomial_logistic_loss_layer.cpp.
    """

    type: ClassVar[str] = "MultinomialLogisticLoss"
    needs_probabilities: ClassVar[bool] = True
    no_gradient: frozenset[int] = frozenset({1})
    labels: frozenset[int] = frozenset({1})

    def check(self, first: Shape, second: Shape) -> None:
        _check_one_label_each(first, second)

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        from ..kernels.gradients import at_least

        p = bottoms[0].flatten(1) if bottoms[0].dim() > 1 else bottoms[0][:, None]
        labels = labels_of(bottoms[1], p.shape[1], None)
        return [-at_least(p.gather(1, labels[:, None]), LEAST_PROBABILITY).log().sum() / p.shape[0]]


def _check_one_label_each(scores: Shape, labels: Shape) -> None:
    require_axes(scores, 1, 4, "bottom 0")
    if count(labels) != labels[0]:
        raise LayerError(f"bottom 1 must hold one label per sample ({scores[0]}), but is {list(labels)}", "bottom.1")


class InfogainLoss(LabelledLoss):
    """L = -sum over l of H[label, l]·log(max(p[l], 1e-20)), p = softmax(x) over `axis`, divided by the normaliser.

    x (N, C, ...), labels one per place outside the class axis, H (C, C) from bottom 2, else from the file `source` (a
    BlobProto, looked up in the working directory, then beside the text). The normaliser is that of
    SoftmaxWithLoss, VALID by default. Top 1, if named: p; it takes no gradient.
    Gradient (p·sum of H[label] - H[label])/normaliser, 0 where ignored; the same where p < 1e-20.
    Source: Caffe infogain_loss_layer.cpp.
    """

    type: ClassVar[str] = "InfogainLoss"
    applies: ClassVar[str] = "softmax"
    bottoms: ClassVar[Arity] = (2, 3)
    tops: ClassVar[Arity] = (1, 2)
    no_gradient: frozenset[int] = frozenset({1, 2})
    labels: frozenset[int] = frozenset({1, 2})

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        if param.loss_param.HasField("normalize"):
            raise LayerError("normalize is refused here, as in Caffe; use normalization", "loss_param.normalize")
        if len(param.top) == 2 and len(param.loss_weight) != 2:
            raise LayerError("with two tops give loss_weight twice, such as 1 and 0", "loss_weight")
        self.source = param.infogain_loss_param.source
        if len(param.bottom) == 2 and not self.source:
            raise LayerError("needs its matrix: as a third bottom, or source names its file", "infogain_loss_param")
        self.normalization = normalization(param, VALID)
        self.ignored = param.loss_param.ignore_label if param.loss_param.HasField("ignore_label") else None
        self._values: list[float] | None = None  # of the file
        self._tensor: Tensor | None = None

    def _axis(self, shape: Shape) -> int:
        return canonical_axis(self.param.infogain_loss_param.axis, shape, "infogain_loss_param.axis")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        super().shapes(bottoms)
        scores = bottoms[0]
        axis = self._axis(scores)
        check_labels(scores, bottoms[1], axis)
        if len(bottoms) == 3:
            _check_matrix(bottoms[2], scores[axis], "bottom 2", "bottom.2")
        return [(), scores][: self.num_tops]

    def read_files(self, bottoms: Sequence[Shape | None], folders: Sequence[str | Path]) -> None:
        if len(bottoms) == 3:
            return
        at = "infogain_loss_param.source"
        try:
            blob = read_blob(resolve(self.source, *folders))
        except SnapshotError as error:
            raise LayerError(f"its matrix: {error}", at) from error
        if bottoms[0] is not None:
            _check_matrix(blob_shape(blob), bottoms[0][self._axis(bottoms[0])], self.source, at)
        self._values = list(blob.double_data or blob.data)

    def _matrix(self, bottoms: Sequence[Tensor], classes: int) -> Tensor:
        x = bottoms[0]
        if len(bottoms) == 3:
            return bottoms[2].detach().reshape(classes, classes)
        if self._values is None:  # used without a plan
            self.read_files([tuple(bottom.shape) for bottom in bottoms], ())
        if self._tensor is None or (self._tensor.device, self._tensor.dtype) != (x.device, x.dtype):
            self._tensor = torch.tensor(self._values, dtype=x.dtype, device=x.device).reshape(classes, classes)
        return self._tensor

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        from ..kernels.gradients import at_least

        x = bottoms[0]
        axis = self._axis(tuple(x.shape))
        classes = x.shape[axis]
        labels = labels_of(bottoms[1], classes, self.ignored)
        weights = self._matrix(bottoms, classes)[labels.clamp(0, classes - 1)]  # (places, C)
        valid = None
        if self.ignored is not None:
            valid = (labels != self.ignored).to(x.dtype)
            weights = weights.masked_fill(labels[:, None] == self.ignored, 0)
        logs = torch.log_softmax(x, axis)
        rows = at_least(logs, math.log(LEAST_PROBABILITY)).movedim(axis, -1).reshape(-1, classes)
        outer = math.prod(x.shape[:axis])
        loss = -(weights * rows).sum() / normalizer(self.normalization, outer, labels.numel(), valid)
        return [loss, logs.detach().exp()][: self.num_tops]


def _check_matrix(shape: Shape, classes: int, what: str, at: str) -> None:
    if count(shape) != classes * classes:
        raise LayerError(
            f"the matrix of {classes} classes has {classes}x{classes} numbers; {what} is {list(shape)}", at
        )
