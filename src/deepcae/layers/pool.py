"""Layers that shrink a plane: Pooling and SPP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from ..kernels.pooling import average_pool, max_pool, stochastic_pool
from ..lazy import torch
from ..proto.schema import TRAIN, LayerParameter
from .base import Arity, Context, Layer, Shape, count, require_axes

if TYPE_CHECKING:
    from torch import Tensor

Pair = tuple[int, int]
MAX, AVE, STOCHASTIC = 0, 1, 2
CEIL = 0
GREATEST_PLANE = 2**24  # beyond it a float mask cannot hold every index


def height_and_width(settings: Any, message: str, name: str, stem: str, default: int | None) -> Pair:
    """A size given once (`name`) or as `stem`_h and `stem`_w; one of the two forms, unless there is a default."""
    sides = (f"{stem}_h", f"{stem}_w")
    given = [side for side in sides if settings.HasField(side)]
    if name and settings.HasField(name):
        if given:
            raise LayerError(f"give {name}, or {sides[0]} and {sides[1]}, not both", f"{message}.{given[0]}")
        value = getattr(settings, name)
        return value, value
    if len(given) == 1:
        missing = sides[1] if given == [sides[0]] else sides[0]
        instead = f" (or give {name} for both)" if name else ""
        raise LayerError(f"{given[0]} needs {missing} beside it{instead}", f"{message}.{given[0]}")
    if not given:
        if default is None:
            raise LayerError(f"{name} is missing (or {sides[0]} and {sides[1]})", message)
        return default, default
    return getattr(settings, sides[0]), getattr(settings, sides[1])


def at_least(pair: Pair, least: int, name: str, at: str) -> Pair:
    """The pair. LayerError, at field `at`, where one of both is less."""
    if min(pair) < least:
        raise LayerError(
            f"{name} must be at least {least}, but is {pair[0]}" + (f"x{pair[1]}" if pair[0] != pair[1] else ""), at
        )
    return pair


class Pooling(Layer):
    """MAX: y = greatest x in the window; AVE: y = sum of x in the window / its area (padding counts, overhang not).

    STOCHASTIC, for x ≥ 0: y = one x of the window, drawn with probability x / Σx (TRAIN), or Σx² / Σx (TEST).

    (N, C, H, W) → (N, C, H', W'), H' = ceil((H + 2p - k)/s) + 1, or floor with `round_mode: FLOOR`; with any padding,
    less 1 if the last window would begin behind the image and its left padding. Window i begins at i·s - p. MAX can
    have a second top, the mask: where each maximum stood, h·W + w in its own plane, the first of equals; it takes no
    gradient.

    Differs from torch: without padding a last window outside the image is kept (-FLT_MAX and mask -1, or 0); MAX steps
    over NaN, a window of nothing else counting as empty.
    Differs from Caffe: STOCHASTIC runs on every device, not on GPUs only. Source: Caffe pooling_layer.cpp and .cu.
    """

    type: ClassVar[str] = "Pooling"
    sees_images: ClassVar[bool] = True
    keeps_state: bool = True
    tops: ClassVar[Arity] = (1, 2)

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.settings = settings = param.pooling_param
        self.method = settings.pool
        self.mask = len(param.top) == 2
        if self.mask and self.method != MAX:
            raise LayerError("only pool: MAX has a second top (the mask)", "top.1")
        here = "pooling_param"
        self.kernel: Pair | None = None
        if settings.global_pooling:
            for name in ("kernel_size", "kernel_h", "kernel_w"):
                if settings.HasField(name):
                    raise LayerError(f"global_pooling takes the whole plane; leave {name} out", f"{here}.{name}")
        else:
            self.kernel = at_least(
                height_and_width(settings, here, "kernel_size", "kernel", None), 1, "kernel_size", here
            )
        self.stride = at_least(height_and_width(settings, here, "stride", "stride", 1), 1, "stride", here)
        self.pad = height_and_width(settings, here, "pad", "pad", 0)
        self._check_pad(f"{here}.pad" if settings.HasField("pad") else here)

    def _check_pad(self, at: str) -> None:
        if self.kernel is None and (self.pad, self.stride) != ((0, 0), (1, 1)):
            raise LayerError("global_pooling goes with pad 0 and stride 1 only", "pooling_param.global_pooling")
        if any(self.pad) and self.method == STOCHASTIC:
            raise LayerError("pad goes with pool: MAX and AVE only", at)
        if self.kernel is not None and any(p >= k for p, k in zip(self.pad, self.kernel, strict=True)):
            pad, kernel = (f"{h}x{w}" if h != w else f"{h}" for h, w in (self.pad, self.kernel))
            raise LayerError(f"pad must be less than the kernel size, but pad is {pad} and kernel_size {kernel}", at)

    def _sizes(self, plane: Sequence[int]) -> tuple[Pair, Pair]:
        """Kernel and output size for a plane of this height and width."""
        kernel = self.kernel or (plane[0], plane[1])
        ceil = self.settings.round_mode == CEIL
        outputs = []
        for size, k, s, p in zip(plane, kernel, self.stride, self.pad, strict=True):
            room = size + 2 * p - k
            output = (-(-room // s) if ceil else room // s) + 1
            if any(self.pad) and (output - 1) * s >= size + p:
                output -= 1
            outputs.append(output)
        return kernel, (outputs[0], outputs[1])

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        require_axes(bottoms[0], 4, 4)
        num, channels, *plane = bottoms[0]
        kernel, out_hw = self._sizes(plane)
        if min(out_hw) < 1:
            raise LayerError(
                f"kernel size {kernel[0]}x{kernel[1]} does not fit into its bottom's plane of {plane[0]}x{plane[1]}",
                "pooling_param.kernel_size",
            )
        if self.mask and plane[0] * plane[1] > GREATEST_PLANE:
            raise LayerError(f"a plane of {plane[0]}x{plane[1]} is too large for a mask of float32 indices", "top.1")
        return [(num, channels, *out_hw)] * self.num_tops

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x = bottoms[0]
        kernel, out_hw = self._sizes(x.shape[2:])
        if self.method == STOCHASTIC:
            training = self.phase == TRAIN
            return [stochastic_pool(x, kernel, self.stride, out_hw, context.generator, training)]
        if self.method == AVE:
            return [average_pool(x, kernel, self.stride, self.pad, out_hw)]
        y, mask = max_pool(x, kernel, self.stride, self.pad, out_hw, self.mask)
        return [y] if mask is None else [y, mask]


class SPP(Layer):
    """Spatial pyramid pooling: y = the pooled planes of levels l = 0 to pyramid_height - 1, flattened, one by one.

    Level l: 2^l x 2^l windows, kernel = stride = ceil(size/2^l), pad = (kernel·2^l - size + 1)/2 rounded down.
    (N, C, H, W) → (N, C·sum of 4^l); a pyramid of height 1 is not flattened: (N, C, 1, 1). Source: Caffe spp_layer.cpp.
    """

    type: ClassVar[str] = "SPP"
    sees_images: ClassVar[bool] = True
    keeps_state: bool = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.height = param.spp_param.pyramid_height
        if self.height < 1:
            raise LayerError("pyramid_height must be given and at least 1", "spp_param.pyramid_height")
        self._ready: tuple[Shape, list[Pooling]] | None = None

    def _levels(self, shape: Shape) -> list[Pooling]:
        """One Pooling per level, for a bottom of this shape. LayerError for planes too small for the pyramid."""
        require_axes(shape, 4, 4)
        plane = shape[2:]
        if self._ready is None or self._ready[0] != plane:
            self._ready = (plane, [self._level(level, plane) for level in range(self.height)])
        return self._ready[1]

    def _level(self, level: int, plane: Shape) -> Pooling:
        bins = 2**level
        kernel = [-(-size // bins) for size in plane]
        pad = [(k * bins - size + 1) // 2 for k, size in zip(kernel, plane, strict=True)]
        if any(p >= k for p, k in zip(pad, kernel, strict=True)):
            raise LayerError(
                f"a plane of {plane[0]}x{plane[1]} is too small for {bins}x{bins} windows (level {level + 1} of "
                f"pyramid_height {self.height})",
                "spp_param.pyramid_height",
            )
        if self.param.spp_param.pool == STOCHASTIC and any(pad):
            raise LayerError(
                f"pool: STOCHASTIC takes no padding, but a plane of {plane[0]}x{plane[1]} needs it for {bins}x{bins} "
                "windows; use MAX or AVE",
                "spp_param.pool",
            )
        made = LayerParameter(type="Pooling", bottom=["x"], top=["y"])
        settings = made.pooling_param
        settings.pool = self.param.spp_param.pool
        settings.kernel_h, settings.kernel_w = kernel
        settings.stride_h, settings.stride_w = kernel
        settings.pad_h, settings.pad_w = pad
        return Pooling(made, self.phase)

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        pooled = [level.shapes(bottoms)[0] for level in self._levels(bottoms[0])]
        if self.height == 1:
            return pooled
        return [(bottoms[0][0], sum(count(shape, 1) for shape in pooled))]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        pooled = [level.forward(bottoms, params, context)[0] for level in self._levels(tuple(bottoms[0].shape))]
        return pooled if self.height == 1 else [torch.cat([top.flatten(1) for top in pooled], 1)]
