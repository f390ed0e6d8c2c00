"""Layers that move elements without changing them: Reshape, Flatten, Slice, Split, Silence, Crop, Tile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from .base import Arity, Context, Gives, Layer, Shape, canonical_axis, count

if TYPE_CHECKING:
    from torch import Tensor


class Reshape(Layer):
    """The same elements under another shape: dims of `shape` replace axes [axis, axis + num_axes).

    dim 0 copies the bottom's size at the same place, -1 (once) is inferred from the rest. A negative axis counts from
    behind the last one, so -1 appends. Not in place. Source: Caffe reshape_layer.cpp.
    """

    type: ClassVar[str] = "Reshape"
    gives: ClassVar[Gives] = "selected"
    is_view: ClassVar[bool] = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.dims = tuple(param.reshape_param.shape.dim)
        at = "reshape_param.shape.dim"
        if self.dims.count(-1) > 1:
            raise LayerError(f"at most one dim can be -1 (inferred), but shape is {list(self.dims)}", at)
        if min(self.dims, default=0) < -1:
            raise LayerError(f"a dim is a size, 0 (copy) or -1 (infer), but shape is {list(self.dims)}", at)
        if param.reshape_param.num_axes < -1:
            raise LayerError(
                f"num_axes must be at least -1, but is {param.reshape_param.num_axes}", "reshape_param.num_axes"
            )

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, settings = bottoms[0], self.param.reshape_param
        start = settings.axis if settings.axis >= 0 else len(bottom) + settings.axis + 1
        if not 0 <= start <= len(bottom):
            raise LayerError(
                f"axis {settings.axis} is outside a blob of {len(bottom)} axes {list(bottom)}", "reshape_param.axis"
            )
        end = len(bottom) if settings.num_axes == -1 else start + settings.num_axes
        if end > len(bottom):
            raise LayerError(
                f"axis {settings.axis} and num_axes {settings.num_axes} go beyond the bottom's axes {list(bottom)}",
                "reshape_param.num_axes",
            )
        middle = [self._copied(bottom, start, index) if dim == 0 else dim for index, dim in enumerate(self.dims)]
        if -1 in middle:
            known = count(bottom[:start]) * -count(tuple(middle)) * count(bottom[end:])
            if known == 0 or count(bottom) % known:
                raise LayerError(
                    f"cannot infer -1 in {list(self.dims)}: the bottom {list(bottom)} has {count(bottom)} elements, "
                    f"not a multiple of {known}",
                    "reshape_param.shape.dim",
                )
            middle[middle.index(-1)] = count(bottom) // known
        top = (*bottom[:start], *middle, *bottom[end:])
        if count(top) != count(bottom):
            raise LayerError(
                f"the shape {list(top)} has {count(top)} elements, but the bottom {list(bottom)} has {count(bottom)}",
                "reshape_param.shape",
            )
        return [top]

    def _copied(self, bottom: Shape, start: int, index: int) -> int:
        if start + index >= len(bottom):
            raise LayerError(
                f"dim {index} is 0 (copy), but the bottom {list(bottom)} has no axis {start + index}",
                f"reshape_param.shape.dim.{index}",
            )
        return bottom[start + index]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return [bottoms[0].reshape(self.shapes([tuple(bottoms[0].shape)])[0])]


class Flatten(Layer):
    """Axes `axis` to `end_axis` become one: (N, C, H, W) → (N, CHW). Not in place. Source: Caffe flatten_layer.cpp."""

    type: ClassVar[str] = "Flatten"
    gives: ClassVar[Gives] = "selected"
    is_view: ClassVar[bool] = True

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        bottom, settings = bottoms[0], self.param.flatten_param
        start = canonical_axis(settings.axis, bottom, "flatten_param.axis")
        end = canonical_axis(settings.end_axis, bottom, "flatten_param.end_axis") + 1
        if start > end:
            raise LayerError(f"axis {settings.axis} lies behind end_axis {settings.end_axis}", "flatten_param.axis")
        return [(*bottom[:start], count(bottom, start, end), *bottom[end:])]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return [bottoms[0].reshape(self.shapes([tuple(bottoms[0].shape)])[0])]


def axis_or_legacy(settings: Any, legacy: str, shape: Shape, at: str) -> int:
    """`axis`, or the older unsigned spelling of it (`slice_dim`, `concat_dim`)."""
    if settings.HasField(legacy):
        if settings.HasField("axis"):
            raise LayerError(f"give axis or {legacy} (its old name), not both", f"{at}.{legacy}")
        return canonical_axis(getattr(settings, legacy), shape, f"{at}.{legacy}")
    return canonical_axis(settings.axis, shape, f"{at}.axis")


class Slice(Layer):
    """Pieces of the bottom along `axis`, cut at the slice_points or evenly. Source: Caffe slice_layer.cpp."""

    type: ClassVar[str] = "Slice"
    gives: ClassVar[Gives] = "selected"
    tops: ClassVar[Arity] = (1, None)

    def _cut(self, bottom: Shape) -> tuple[int, list[int]]:
        """The axis and the sizes along it."""
        settings, num_tops = self.param.slice_param, self.num_tops
        axis = axis_or_legacy(settings, "slice_dim", bottom, "slice_param")
        points, size = list(settings.slice_point), bottom[axis]
        if not points:
            if size % num_tops:
                raise LayerError(
                    f"axis {axis} of size {size} cannot be cut evenly into {num_tops} tops; give slice_point",
                    "slice_param",
                )
            return axis, [size // num_tops] * num_tops
        if len(points) != num_tops - 1:
            raise LayerError(
                f"{num_tops} tops need {num_tops - 1} slice_point(s), but {len(points)} are given",
                "slice_param.slice_point",
            )
        edges = [0, *points, size]
        sizes = [after - before for before, after in pairwise(edges)]
        if min(sizes) < 1:
            raise LayerError(
                f"slice points {points} must increase and lie inside axis {axis} of size {size}",
                "slice_param.slice_point",
            )
        return axis, sizes

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        axis, sizes = self._cut(bottoms[0])
        return [(*bottoms[0][:axis], size, *bottoms[0][axis + 1 :]) for size in sizes]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> Sequence[Tensor]:
        axis, sizes = self._cut(tuple(bottoms[0].shape))
        return bottoms[0].split(sizes, axis)


class Split(Layer):
    """Every top is the bottom; its gradient is the sum of theirs. Source: Caffe split_layer.cpp."""

    type: ClassVar[str] = "Split"
    gives: ClassVar[Gives] = "selected"
    copies: ClassVar[bool] = True
    is_view: ClassVar[bool] = True
    tops: ClassVar[Arity] = (1, None)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [bottoms[0]] * self.num_tops

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        if context.reuse:
            return [bottoms[0]] * self.num_tops
        return [bottoms[0].view_as(bottoms[0]) for _ in range(self.num_tops)]  # one tensor each, so one gradient each


class Silence(Layer):
    """Swallows its bottoms, so that they are no outputs of the net; their gradient is 0.

    Source: Caffe silence_layer.cpp.
    """

    type: ClassVar[str] = "Silence"
    bottoms: ClassVar[Arity] = (1, None)
    tops: ClassVar[Arity] = (0, 0)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return []

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return []


class Crop(Layer):
    """The part of bottom 0 that has bottom 1's size in all axes from `axis` on, beginning at `offset`.

    Source: Caffe crop_layer.cpp.
    """

    type: ClassVar[str] = "Crop"
    gives: ClassVar[Gives] = "selected"
    bottoms: ClassVar[Arity] = (2, 2)
    no_gradient: frozenset[int] = frozenset({1})

    def _window(self, whole: Shape, reference: Shape) -> list[tuple[int, int, int]]:
        """(axis, offset, size) of each cropped axis."""
        offsets = list(self.param.crop_param.offset)
        first = canonical_axis(self.param.crop_param.axis, whole, "crop_param.axis")
        axes = range(first, len(whole))
        if len(offsets) > 1 and len(offsets) != len(axes):
            raise LayerError(
                f"give offset once, or once per cropped axis ({len(axes)} here), not {len(offsets)} times",
                "crop_param.offset",
            )
        if len(reference) < len(whole):
            raise LayerError(f"bottom 1 {list(reference)} has fewer axes than bottom 0 {list(whole)}", "bottom.1")
        window = []
        for axis in axes:
            offset = (offsets[axis - first] if len(offsets) > 1 else offsets[0]) if offsets else 0
            if offset + reference[axis] > whole[axis]:
                raise LayerError(
                    f"a crop of {reference[axis]} at offset {offset} goes beyond axis {axis} of bottom 0, "
                    f"which is {whole[axis]} long",
                    "crop_param.offset" if offset else "bottom.1",
                )
            window.append((axis, offset, reference[axis]))
        return window

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        window = self._window(bottoms[0], bottoms[1])
        return [(*bottoms[0][: len(bottoms[0]) - len(window)], *(size for _, _, size in window))]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        top = bottoms[0]
        for axis, offset, size in self._window(tuple(bottoms[0].shape), tuple(bottoms[1].shape)):
            top = top.narrow(axis, offset, size)
        return [top]


class Tile(Layer):
    """The bottom repeated `tiles` times along `axis`. Source: Caffe tile_layer.cpp."""

    type: ClassVar[str] = "Tile"
    gives: ClassVar[Gives] = "selected"

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.tiles = param.tile_param.tiles
        if self.tiles < 1:
            raise LayerError(f"tiles must be given and at least 1, but is {self.tiles}", "tile_param.tiles")

    def _repeats(self, shape: Shape) -> list[int]:
        axis = canonical_axis(self.param.tile_param.axis, shape, "tile_param.axis")
        return [self.tiles if index == axis else 1 for index in range(len(shape))]

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [tuple(size * times for size, times in zip(bottoms[0], self._repeats(bottoms[0]), strict=True))]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return [bottoms[0].repeat(self._repeats(tuple(bottoms[0].shape)))]
