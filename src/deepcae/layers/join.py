"""Layers that make one blob of several: Concat, Eltwise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from ..lazy import torch
from .base import Arity, Context, Gives, Layer, Shape
from .shape import axis_or_legacy

if TYPE_CHECKING:
    from torch import Tensor

PROD, SUM, MAX = 0, 1, 2


class Concat(Layer):
    """The bottoms one behind the other along `axis`; all other axes must agree. Source: Caffe concat_layer.cpp."""

    type: ClassVar[str] = "Concat"
    gives: ClassVar[Gives] = "selected"
    bottoms: ClassVar[Arity] = (1, None)

    def _axis(self, shape: Shape) -> int:
        return axis_or_legacy(self.param.concat_param, "concat_dim", shape, "concat_param")

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        first, axis = bottoms[0], self._axis(bottoms[0])
        for index, shape in enumerate(bottoms):
            if len(shape) != len(first) or (*shape[:axis], *shape[axis + 1 :]) != (*first[:axis], *first[axis + 1 :]):
                raise LayerError(
                    f"bottoms may differ in axis {axis} only, but bottom 0 is {list(first)} and "
                    f"bottom {index} is {list(shape)}",
                    f"bottom.{index}",
                )
        return [(*first[:axis], sum(shape[axis] for shape in bottoms), *first[axis + 1 :])]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return [torch.cat(list(bottoms), self._axis(tuple(bottoms[0].shape)))]


class Eltwise(Layer):
    """SUM: y = sum of coeff[i]·x[i] (coeff 1); PROD: y = product of x[i]; MAX: y = greatest x[i]; equal shapes.

    Differs from torch: MAX hands the gradient of a tie to one bottom only: of 0 and 1 to 1; a later one must exceed.
    With `stable_prod_grad: false` the gradient of PROD is y / x[i], as in Caffe: not a number where a bottom is 0.
    Source: Caffe eltwise_layer.cpp.
    """

    type: ClassVar[str] = "Eltwise"
    bottoms: ClassVar[Arity] = (2, None)

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.operation = param.eltwise_param.operation
        self.coefficients = list(param.eltwise_param.coeff)
        at = "eltwise_param.coeff"
        if self.coefficients and len(self.coefficients) != len(param.bottom):
            raise LayerError(
                f"give one coeff per bottom: {len(param.bottom)} bottoms, but {len(self.coefficients)} coeff", at
            )
        if self.coefficients and self.operation != SUM:
            raise LayerError("coeff goes with operation SUM only", at)
        self.forgets_top = self.operation == SUM
        self.keeps_state = self.operation == MAX
        self.reads_top = self.operation == PROD and not param.eltwise_param.stable_prod_grad

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        for index, shape in enumerate(bottoms):
            if shape != bottoms[0]:
                raise LayerError(
                    f"all bottoms must have one shape, but bottom 0 is {list(bottoms[0])} and "
                    f"bottom {index} is {list(shape)}",
                    f"bottom.{index}",
                )
        return [bottoms[0]]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        first, *others = bottoms
        if self.coefficients:
            top = first * self.coefficients[0]
            for bottom, coefficient in zip(others, self.coefficients[1:], strict=True):
                top = torch.add(top, bottom, alpha=coefficient)
            return [top]
        if self.operation == PROD and not self.param.eltwise_param.stable_prod_grad:
            from ..kernels.gradients import product_by_division

            return [product_by_division(*bottoms)]
        top = first
        for index, bottom in enumerate(others):
            if self.operation == SUM:
                top = top + bottom
            elif self.operation == PROD:
                top = top * bottom
            elif index == 0:
                top = torch.where(first > bottom, first, bottom)
            else:
                top = torch.where(bottom > top, bottom, top)
        return [top]
