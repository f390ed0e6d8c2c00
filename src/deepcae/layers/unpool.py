"""Layers that grow a pooled plane back: the 2015 fork's Unpooling and SegNet's Upsample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from ..kernels.unpooling import unpool_average, unpool_max, unpool_tile
from .base import Arity, Context, Layer, Shape, require_axes
from .pool import MAX, Pair, at_least, height_and_width

if TYPE_CHECKING:
    from torch import Tensor

AVE, TILE = 1, 2


class Unpooling(Layer):
    """The reverse of Pooling: (N, C, h, w) → (N, C, H, W) of the size in `unpool_size` (or unpool_h and unpool_w).

    With a mask and without a size: of the size that the mask's Pooling read.

    MAX: x at the place that the mask (bottom 1) names, or at the top left corner of its cell; 0 elsewhere; the last of
    several wins, each receives the full gradient. AVE: x / window area, added over its window. TILE: x, added over its
    window; its gradient is the window's *mean*, not the sum: the fork's, kept so that its networks train as they did.

    Differs from the fork: a mask index outside the plane is an error, not a write out of bounds; AVE and TILE clear the
    top first on every device. Source: HyeonwooNoh/caffe unpooling_layer.cpp.
    """

    type: ClassVar[str] = "Unpooling"
    bottoms: ClassVar[Arity] = (1, 2)
    no_gradient: frozenset[int] = frozenset({1})

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings, here = param.unpooling_param, "unpooling_param"
        self.method = settings.unpool
        if len(param.bottom) == 2 and self.method != MAX:
            raise LayerError("only unpool: MAX takes a mask as second bottom", "bottom.1")
        self.kernel = at_least(height_and_width(settings, here, "kernel_size", "kernel", None), 1, "kernel_size", here)
        self.stride = at_least(height_and_width(settings, here, "stride", "stride", 1), 1, "stride", here)
        if any(height_and_width(settings, here, "pad", "pad", 0)):
            raise LayerError(
                "pad must be 0: Unpooling has no padding", f"{here}.pad" if settings.HasField("pad") else here
            )
        self.size: Pair | None = None  # as the text gives it
        if any(settings.HasField(name) for name in ("unpool_size", "unpool_h", "unpool_w")) or len(param.bottom) < 2:
            self.size = at_least(
                height_and_width(settings, here, "unpool_size", "unpool", None), 1, "unpool_size", here
            )

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_axes(bottoms[0], 4, 4)
        if len(bottoms) == 2 and bottoms[1] != bottoms[0]:
            raise LayerError(
                f"the mask must have the data's shape {list(bottoms[0])}, but has {list(bottoms[1])}", "bottom.1"
            )
        return [(*bottoms[0][:2], *self.out_hw(bottoms[0]))]

    def out_hw(self, bottom: Sequence[int]) -> Pair:
        """Height and width of the top."""
        if self.size is not None:
            return self.size
        if self.pooled is None or len(self.pooled) != 4:
            raise LayerError(
                "unpool_size is missing (or unpool_h and unpool_w), and the mask is not made by a Pooling whose "
                "bottom's size could be taken",
                "unpooling_param",
            )
        return self.pooled[2], self.pooled[3]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        out_hw = self.out_hw(bottoms[0].shape)
        if self.method == AVE:
            return [unpool_average(bottoms[0], self.kernel, self.stride, out_hw)]
        if self.method == TILE:
            return [unpool_tile(bottoms[0], self.kernel, self.stride, out_hw)]
        return [unpool_max(bottoms[0], bottoms[1] if len(bottoms) == 2 else None, self.stride, out_hw)]


class Upsample(Unpooling):
    """SegNet's unpooling with switches: x at the place that the mask (bottom 1) names, 0 elsewhere.

    (N, C, h, w) → (N, C, upsample_h, upsample_w), or s·h - 1 if pad_out_h, else s·h, with s = scale_h, else scale; the
    width likewise. pad_out goes with scale 2. The rest as in Unpooling's MAX.
    Source: alexgkendall/caffe-segnet upsample_layer.cpp.
    """

    type: ClassVar[str] = "Upsample"
    bottoms: ClassVar[Arity] = (2, 2)

    def __init__(self, param: Any, phase: int) -> None:
        Layer.__init__(self, param, phase)
        self.settings, self.method = param.upsample_param, MAX
        here, settings = "upsample_param", param.upsample_param
        self.size = None
        if settings.HasField("upsample_h") or settings.HasField("upsample_w"):
            pair = height_and_width(settings, here, "", "upsample", None)
            self.size = at_least(pair, 2, "upsample_h and upsample_w", f"{here}.upsample_h")
            self.kernel = self.stride = (settings.scale_h or settings.scale, settings.scale_w or settings.scale)
        else:
            self.kernel = self.stride = at_least(
                height_and_width(settings, here, "scale", "scale", 2), 2, "scale", f"{here}.scale"
            )
        for axis, side in enumerate("hw"):
            if getattr(settings, f"pad_out_{side}") and self.size is None and self.stride[axis] != 2:
                raise LayerError(
                    f"pad_out_{side} goes with scale 2, not {self.stride[axis]}; give upsample_h and upsample_w",
                    f"{here}.pad_out_{side}",
                )

    def out_hw(self, bottom: Sequence[int]) -> Pair:
        if self.size is not None:
            return self.size
        height = bottom[2] * self.stride[0] - self.settings.pad_out_h
        width = bottom[3] * self.stride[1] - self.settings.pad_out_w
        return height, width
