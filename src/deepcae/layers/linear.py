"""Layers that are matrix products: Convolution, Deconvolution, InnerProduct; and Im2col, which makes the matrix."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from ..kernels.case import Case, Window
from ..kernels.choice import choice
from ..kernels.convolution import convolution, deconvolution
from ..lazy import torch
from .base import Arity, Context, Gives, Layer, Learned, Shape, canonical_axis, count
from .filler import learn

if TYPE_CHECKING:
    from torch import Tensor

MOST_SPATIAL_AXES = 3  # what torch convolves


class _Windowed(Layer):
    """What Convolution, Deconvolution and Im2col share: windows over the axes that convolution_param speaks of."""

    sees_images: ClassVar[bool] = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.settings = param.convolution_param
        self._ready: tuple[int, tuple[Shape, Shape, Shape, Shape]] | None = None

    def geometry(self, shape: Shape) -> tuple[Shape, Shape, Shape, Shape]:
        """Kernel, stride, pad and dilation, one number per spatial axis of a bottom of this shape."""
        rank = len(shape) - self.channel_axis(shape) - 1
        if self._ready is None or self._ready[0] != rank:
            if rank > MOST_SPATIAL_AXES:
                raise LayerError(f"its bottom {list(shape)} has {rank} spatial axes, at most 3 are supported", "bottom")
            kernel = self._per_axis("kernel_size", "kernel", rank, None, 1)
            stride = self._per_axis("stride", "stride", rank, 1, 1)
            pad = self._per_axis("pad", "pad", rank, 0, 0)
            dilation = self._per_axis("dilation", "", rank, 1, 1)
            self._ready = (rank, (kernel, stride, pad, dilation))
        return self._ready[1]

    def channel_axis(self, shape: Shape) -> int:
        return canonical_axis(self.settings.axis, shape, "convolution_param.axis")

    def _per_axis(self, name: str, stem: str, rank: int, default: int | None, least: int) -> Shape:
        """A repeated field (none, one for all, or one per axis) or its _h/_w form (two spatial axes only)."""
        at = f"convolution_param.{name}"
        values = list(getattr(self.settings, name))
        if stem and any(self.settings.HasField(f"{stem}_{side}") for side in "hw"):
            if values:
                raise LayerError(f"give {name}, or {stem}_h and {stem}_w, not both", at)
            if rank != 2:
                raise LayerError(
                    f"{stem}_h and {stem}_w need 2 spatial axes, here are {rank}; use {name}",
                    f"convolution_param.{stem}_h",
                )
            values = [getattr(self.settings, f"{stem}_{side}") for side in "hw"]
            at = f"convolution_param.{stem}_{'h' if values[0] < least else 'w'}"
        elif not values and default is not None:
            values = [default]
        if len(values) not in (1, rank):
            told = f"{name} is missing" if not values else f"{name} is given {len(values)} times"
            raise LayerError(
                f"{told}; give it once, or once per spatial axis ({rank} here)", at if values else "convolution_param"
            )
        if min(values, default=least) < least:
            raise LayerError(f"{name} must be at least {least}, but is {values if len(values) > 1 else values[0]}", at)
        return tuple(values) if len(values) == rank else (values[0],) * rank


class _SpatialFilter(_Windowed):
    """What Convolution and Deconvolution share: weights, groups, and several bottoms filtered alike."""

    bottoms: ClassVar[Arity] = (1, None)
    tops: ClassVar[Arity] = (1, None)
    transposed: ClassVar[bool] = False
    gives: ClassVar[Gives] = "any"
    is_product: ClassVar[bool] = True
    convolves: ClassVar[bool] = True
    forgets_top: bool = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        settings = self.settings
        if len(param.bottom) != len(param.top):
            raise LayerError(
                f"needs as many tops as bottoms, but has {len(param.bottom)} bottom(s) and {len(param.top)} top(s)",
                "top",
            )
        self.num_output, self.group = settings.num_output, settings.group
        if self.num_output < 1:
            raise LayerError("num_output must be at least 1", "convolution_param.num_output")
        if self.group < 1:
            raise LayerError("group must be at least 1", "convolution_param.group")
        if self.num_output % self.group:
            raise LayerError(
                f"num_output {self.num_output} is not a multiple of group {self.group}", "convolution_param.num_output"
            )

    def channels(self, bottoms: Sequence[Shape]) -> int:
        axis = self.channel_axis(bottoms[0])
        for index, shape in enumerate(bottoms):
            if shape != bottoms[0]:
                raise LayerError(
                    f"all bottoms share the weights and must have one shape, but bottom 0 is {list(bottoms[0])} and "
                    f"bottom {index} {list(shape)}",
                    f"bottom.{index}",
                )
        channels = bottoms[0][axis]
        if channels % self.group:
            raise LayerError(
                f"the bottom's {channels} channels are not a multiple of group {self.group}", "convolution_param.group"
            )
        return channels

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        channels = self.channels(bottoms)
        weight = self.weight_shape(channels, self.geometry(bottoms[0])[0])
        blobs = [learn(weight, self.settings.weight_filler, "convolution_param.weight_filler")]
        if self.settings.bias_term:
            blobs.append(learn((self.num_output,), self.settings.bias_filler, "convolution_param.bias_filler"))
        return blobs

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        self.channels(bottoms)
        shape = bottoms[0]
        axis = self.channel_axis(shape)
        sizes = tuple(
            self.output_size(axis + 1 + index, shape[axis + 1 + index], *numbers)
            for index, numbers in enumerate(zip(*self.geometry(shape), strict=True))
        )
        return [(*shape[:axis], self.num_output, *sizes)] * len(bottoms)

    def multiplications(self, bottoms: Sequence[Shape]) -> int:
        shape = bottoms[0]
        axis = self.channel_axis(shape)
        sizes, outputs = shape[axis + 1 :], self.shapes(bottoms)[0][axis + 1 :]
        if self.transposed:
            sizes, outputs = outputs, sizes
        pairs = math.prod(map(_products, sizes, outputs, *self.geometry(shape)))
        return len(bottoms) * count(shape, 0, axis + 1) * self.num_output // self.group * pairs

    def algorithm(self, bottoms: Sequence[Shape], plain: bool) -> str:
        shape = bottoms[0]
        axis = self.channel_axis(shape)
        kernel, *window = self.geometry(shape)
        x, w = (count(shape, 0, axis), *shape[axis:]), self.weight_shape(shape[axis], kernel)
        if not kernel:  # lines of one pixel
            x, w, window = (*x, 1), (*w, 1), [(1,), (0,), (1,)]
        stride, pad, dilation = window
        return choice(Case(self.transposed, x, w, stride, pad, dilation, self.group, plain, self.strides))

    @abstractmethod
    def weight_shape(self, channels: int, kernel: Shape) -> Shape:
        """The weights' shape."""

    @abstractmethod
    def output_size(self, axis: int, size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
        """One spatial size of the top."""

    def _apply(self, operation: Any, bottoms: Sequence[Tensor], params: Sequence[Tensor]) -> list[Tensor]:
        _, stride, pad, dilation = self.geometry(tuple(bottoms[0].shape))
        window = Window(stride, pad, dilation, self.group)
        weight, bias = params[0], params[1] if len(params) > 1 else None
        tops = []
        for bottom in bottoms:
            lead = bottom.shape[: self.channel_axis(tuple(bottom.shape))]
            x = bottom if len(lead) == 1 else bottom.reshape(-1, *bottom.shape[len(lead) :])  # (N, C, ...)
            top = operation(x, weight, bias, window, self.strides)
            tops.append(top if len(lead) == 1 else top.reshape(*lead, *top.shape[1:]))
        return tops


def convolved_size(axis: int, size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    """How many windows fit into one axis; LayerError if none does."""
    extent = dilation * (kernel - 1) + 1
    room = size + 2 * pad - extent
    output = int(room / stride) + 1  # C's division truncates towards zero
    if output < 1:
        padded = f"{size} + 2·{pad} padding" if pad else f"{size}"
        dilated = f"{kernel} (dilated to {extent})" if dilation > 1 else f"{kernel}"
        raise LayerError(
            f"kernel size {dilated} does not fit into axis {axis} of its bottom, which is {padded} long",
            "convolution_param.kernel_size",
        )
    return output


def _products(size: int, output: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
    """Along one axis: the pairs of an output and a place of the kernel that meet inside the input, not in the pad."""
    found = 0
    for k in range(kernel):
        shift = pad - dilation * k  # input = stride · output - shift
        found += max(0, min(output, (size - 1 + shift) // stride + 1) - max(0, -(-shift // stride)))
    return found


class Convolution(_SpatialFilter):
    """y[n,o,i] = b[o] + sum over c, k of w[o,c,k] x[n,c,s·i + d·k - p], within each group of channels; no kernel flip.

    (N, C, H, W) → (N, num_output, H', W'), H' = (H + 2p - (d(k-1)+1))/s + 1 in C's integer division; up to 3 spatial
    axes behind `axis`. Learned: w (num_output, C/group, k...), b (num_output).

    Differs from torch: where the kernel overhangs the padded bottom by less than a stride, there still is one output.
    Source: Caffe base_conv_layer.cpp.
    """

    type: ClassVar[str] = "Convolution"

    def weight_shape(self, channels: int, kernel: Shape) -> Shape:
        return (self.num_output, channels // self.group, *kernel)

    def output_size(self, axis: int, size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
        return convolved_size(axis, size, kernel, stride, pad, dilation)

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return self._apply(convolution, bottoms, params)


class Deconvolution(_SpatialFilter):
    """The transpose of Convolution: each x[n,c,i] adds w[c,o,k]·x to y[n,o, s·i + d·k - p]; then + b[o].

    (N, C, H, W) → (N, num_output, H', W'), H' = s(H-1) + d(k-1) + 1 - 2p. Learned: w (C, num_output/group, k...), b
    (num_output). Source: Caffe deconv_layer.cpp.
    """

    type: ClassVar[str] = "Deconvolution"
    transposed: ClassVar[bool] = True

    def weight_shape(self, channels: int, kernel: Shape) -> Shape:
        return (channels, self.num_output // self.group, *kernel)

    def output_size(self, axis: int, size: int, kernel: int, stride: int, pad: int, dilation: int) -> int:
        output = stride * (size - 1) + dilation * (kernel - 1) + 1 - 2 * pad
        if output < 1:
            raise LayerError(
                f"pad {pad} cuts away everything: axis {axis} of its bottom is {size} long, which kernel size "
                f"{kernel} and stride {stride} turn into {output + 2 * pad}, minus 2·{pad}",
                "convolution_param.pad",
            )
        return output

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return self._apply(deconvolution, bottoms, params)


class Im2col(_Windowed):
    """y[n, (c,k), i] = x[n, c, s·i + d·k - p]: every window of a Convolution as a column; 0 outside the bottom.

    (N, C, H, W) → (N, C·kh·kw, H', W'), the sizes as in Convolution; num_output is not needed.
    Source: Caffe im2col_layer.cpp.
    """

    type: ClassVar[str] = "Im2col"

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = bottoms[0]
        axis, geometry = self.channel_axis(shape), self.geometry(shape)
        sizes = tuple(
            convolved_size(axis + 1 + index, shape[axis + 1 + index], *numbers)
            for index, numbers in enumerate(zip(*geometry, strict=True))
        )
        return [(*shape[:axis], shape[axis] * count(geometry[0]), *sizes)]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x, shape = bottoms[0], tuple(bottoms[0].shape)
        (top,) = self.shapes([shape])
        first = self.channel_axis(shape) + 1
        geometry = list(zip(*self.geometry(shape), strict=True))
        for axis, (kernel, stride, pad, dilation) in enumerate(geometry, first):
            extent = dilation * (kernel - 1) + 1
            behind = (top[axis] - 1) * stride + extent - shape[axis] - pad  # negative: rows that no window covers
            x = torch.nn.functional.pad(x, (0, 0) * (x.dim() - 1 - axis) + (pad, behind))
            x = x.unfold(axis, extent, stride)[..., ::dilation]  # the window's places come as a new last axis
        rank = len(geometry)
        x = x.movedim(tuple(range(x.dim() - rank, x.dim())), tuple(range(first, first + rank)))
        return [x.reshape(top)]


class InnerProduct(Layer):
    """y = x wᵀ + b, or x w + b with `transpose`; x flattened from `axis` on.

    (N, C, H, W) → (N, num_output). Learned: w (num_output, K), or (K, num_output) with `transpose`, K = count(axis);
    b (num_output). Source: Caffe inner_product_layer.cpp.
    """

    type: ClassVar[str] = "InnerProduct"
    gives: ClassVar[Gives] = "any"
    is_product: ClassVar[bool] = True
    forgets_top: bool = True

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.settings = param.inner_product_param
        self.num_output, self.transpose = self.settings.num_output, self.settings.transpose
        if self.num_output < 1:
            raise LayerError("num_output must be at least 1", "inner_product_param.num_output")

    def _axis(self, shape: Shape) -> int:
        return canonical_axis(self.settings.axis, shape, "inner_product_param.axis")

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        inputs = count(bottoms[0], self._axis(bottoms[0]))
        weight = (inputs, self.num_output) if self.transpose else (self.num_output, inputs)
        blobs = [learn(weight, self.settings.weight_filler, "inner_product_param.weight_filler")]
        if self.settings.bias_term:
            blobs.append(learn((self.num_output,), self.settings.bias_filler, "inner_product_param.bias_filler"))
        return blobs

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(*bottoms[0][: self._axis(bottoms[0])], self.num_output)]

    def multiplications(self, bottoms: Sequence[Shape]) -> int:
        return count(bottoms[0]) * self.num_output

    def algorithm(self, bottoms: Sequence[Shape], plain: bool) -> str:
        return "torch"

    def shapes_partly(self, bottoms: Sequence[Shape | None], batch: int | None) -> list[Shape | None]:
        if batch is None or self.settings.axis != 1:
            return [None]
        return [(batch, self.num_output)]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        from ..kernels.products import linear

        x = bottoms[0]
        axis = self._axis(tuple(x.shape))
        rows = x.reshape(*x.shape[:axis], -1)  # (..., K)
        weight = params[0].t() if self.transpose else params[0]
        return [linear(rows, weight, params[1] if len(params) > 1 else None)]
