"""Layers that make few numbers of many: Reduction, ArgMax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from ..lazy import torch
from .base import Context, Layer, Shape, canonical_axis, count, require_axes

if TYPE_CHECKING:
    from torch import Tensor

SUM, ASUM, SUMSQ, MEAN = 1, 2, 3, 4


class Reduction(Layer):
    """y = coeff · sum of x (SUM), |x| (ASUM), x² (SUMSQ), or coeff · mean of x (MEAN), over all axes from `axis` on.

    (N, C, H, W) with axis 1 → (N); with axis 0, the default, → a scalar. Source: Caffe reduction_layer.cpp.
    """

    type: ClassVar[str] = "Reduction"

    def _axis(self, shape: Shape) -> int:
        return canonical_axis(self.param.reduction_param.axis, shape, "reduction_param.axis")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0][: self._axis(bottoms[0])]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x, settings = bottoms[0], self.param.reduction_param
        axes = tuple(range(self._axis(tuple(x.shape)), x.dim()))
        if settings.operation == ASUM:
            y = x.abs().sum(axes)
        elif settings.operation == SUMSQ:
            y = x.square().sum(axes)
        else:
            y = x.mean(axes) if settings.operation == MEAN else x.sum(axes)
        return [y if settings.coeff == 1 else y * settings.coeff]


class ArgMax(Layer):
    """y = the indices of the top_k greatest values, greatest first; of equals the greater index first. No gradient.

    With `axis`: along it, the bottom's shape with top_k there; `out_max_val` gives the values instead.
    Without: over all axes behind 0, (N, 1, top_k), or with `out_max_val` (N, 2, top_k): indices, then values; ones
    follow until the top has as many axes as the bottom.
    Differs from torch: there the order of equal values is not fixed. Source: Caffe argmax_layer.cpp.
    """

    type: ClassVar[str] = "ArgMax"
    differentiable: ClassVar[bool] = False

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.settings = param.argmax_param
        if self.settings.top_k < 1:
            raise LayerError("top_k must be at least 1", "argmax_param.top_k")

    def _axis(self, shape: Shape) -> int | None:
        if not self.settings.HasField("axis"):
            return None
        return canonical_axis(self.settings.axis, shape, "argmax_param.axis")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape, top_k = bottoms[0], self.settings.top_k
        require_axes(shape, 1, None)
        axis = self._axis(shape)
        choice = count(shape, 1) if axis is None else shape[axis]
        if top_k > choice:
            raise LayerError(f"top_k {top_k} is more than the {choice} values to choose from", "argmax_param.top_k")
        if axis is None:
            return [(shape[0], 2 if self.settings.out_max_val else 1, top_k, *[1] * (len(shape) - 3))]
        return [(*shape[:axis], top_k, *shape[axis + 1 :])]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0].detach()
        shape = tuple(x.shape)
        axis = self._axis(shape)
        rows = x.reshape(shape[0], -1) if axis is None else x.movedim(axis, -1)
        values, order = rows.flip(-1).sort(dim=-1, descending=True, stable=True)
        values = values[..., : self.settings.top_k]
        indices = (rows.shape[-1] - 1 - order[..., : self.settings.top_k]).to(x.dtype)
        if axis is not None:
            return [(values if self.settings.out_max_val else indices).movedim(-1, axis).contiguous()]
        both = torch.stack([indices, values], 1) if self.settings.out_max_val else indices
        return [both.reshape(self.shapes([shape])[0])]
