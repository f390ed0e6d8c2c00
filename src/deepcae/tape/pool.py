"""Pooling and unpooling of a tape, by the compiled kernels.

Unpooling is the gradient of pooling maxima, and its gradient looks up what lies where the maxima stood.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from ..errors import DataError
from ..kernels import calls
from ..layers.pool import AVE, MAX, STOCHASTIC, Pooling
from ..layers.unpool import Unpooling, Upsample
from .op import Gradients, Op, Sheet, Unsuited, writes


class Pool(Op):
    """Pooling: maxima, their mask where the text asks for it, and means."""

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        layer, (x,), (y, *masks) = self.layer, bottoms, self.new_tops()
        kernel = layer.kernel or (x.shape[1], x.shape[2])
        mean = layer.method == AVE
        self.sizes = calls.pooling_sizes(x, y, kernel, layer.stride, layer.pad, mean)
        self.x, self.place = x, None if mean else torch.empty(y.shape, dtype=torch.int32)
        self.sheet.write(calls.pool(self.sizes, x, y, self.place))
        if self.place is not None:
            for mask in masks:
                self.sheet.write(partial(mask.copy_, self.place))
        return [y, *masks]

    def backward(self, tops: Gradients) -> Gradients:
        dy, *of_mask = tops
        for unused in of_mask:
            self.sheet.free(unused)
        if dy is None:
            return [None]
        dx = self.sheet.borrow(self.x)
        self.sheet.write(calls.pool_back(self.sizes, dy, self.place, dx))
        self.sheet.free(dy)
        return [dx]


@writes(Pooling)
def _pool(sheet: Sheet, index: int) -> Pool:
    op = Pool(sheet, index)
    if op.layer.method == STOCHASTIC:
        raise Unsuited
    return op


@writes(Unpooling, Upsample)
class Unpool(Op):
    """Unpooling of maxima in cells that do not overlap: y[place] = x, elsewhere 0; dx = dy[place].

    `place`: where the Pooling that made the mask found them; without a mask, each cell's top left corner.
    """

    def __init__(self, sheet: Sheet, index: int) -> None:
        super().__init__(sheet, index)
        layer = self.layer
        if layer.method != MAX or any(k > s for k, s in zip(layer.kernel, layer.stride, strict=True)):
            raise Unsuited

    def forward(self, bottoms: list[Tensor]) -> list[Tensor]:
        layer, self.x, (y,) = self.layer, bottoms[0], self.new_tops()
        self.place = self._found(layer, y) if len(bottoms) == 2 else self._corners(layer, y)
        sizes = calls.pooling_sizes(y, self.x, layer.kernel, layer.stride, (0, 0), False)
        self.sheet.write(calls.pool_back(sizes, self.x, self.place, y))
        return [y]

    def backward(self, tops: Gradients) -> Gradients:
        (dy,) = tops
        others: Gradients = [None] * (len(self.step.bottoms) - 1)
        if dy is None or not self.wanted[0]:
            return [None, *others]
        dx = self.sheet.borrow(self.x)
        planes, place, into = dy.flatten(1, 2), self.place.flatten(1, 2), dx.flatten(1, 2)  # (C, hw, N)

        def call() -> None:
            torch.gather(planes, 1, place.long(), out=into)

        self.sheet.write(call)
        self.sheet.free(dy)
        return [dx, *others]

    def _found(self, layer: Unpooling, y: Tensor) -> Tensor:
        """The places that a Pooling with the same cells wrote into the mask. Unsuited where it is another's."""
        maker = self.sheet.makers.get(self.step.bottoms[1])
        if not isinstance(maker, Pool) or maker.place is None:
            raise Unsuited
        pooling, place = maker.layer, maker.place
        cells = (pooling.kernel, pooling.stride, pooling.pad, maker.x.shape[1:3])
        if cells != (layer.kernel, layer.stride, (0, 0), y.shape[1:3]):
            raise Unsuited

        def check() -> None:
            if int(place.amin()) < 0:
                raise DataError("the mask holds -1: there was no number in a window of the pooling")

        self.sheet.write(check)
        return place

    def _corners(self, layer: Unpooling, y: Tensor) -> Tensor:
        """(C, h, w, N). Unsuited where a cell begins outside the plane: the layer then takes the nearest place."""
        rows, columns = (
            torch.arange(self.x.shape[axis + 1], dtype=torch.int32) * layer.stride[axis] for axis in (0, 1)
        )
        if rows[-1] >= y.shape[1] or columns[-1] >= y.shape[2]:
            raise Unsuited
        corners = rows[:, None] * y.shape[2] + columns
        return corners[None, :, :, None].expand(self.x.shape).contiguous()
