"""Deconvolution with a stride as one convolution: of each phase of the output, the pixels that it makes, side by side.

Pixel s·i + r of the output, r < s its phase, takes input pixel j = i + d through tap r + pad - s·d of the kernel: for
each phase a convolution with stride 1, of every s-th tap. All phases are the channels of one convolution, whose output
is then laid out as the image. Where a deconvolution has few outputs, PyTorch's fills its vectors with nothing; this one
has s² times as many.

Shapes: x (N, C, H, W), w (C, O, kh, kw) → y (N, O, s(H-1) + kh - 2 pad, …). One group, no dilation, two axes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .case import Sizes


class Axis(NamedTuple):
    """One axis of the image: `taps` (phases, D) of each phase for d = first … last, `kernel` where there is none."""

    taps: Tensor
    first: int
    last: int

    def edges(self, small: int, steps: int) -> tuple[int, int]:
        """The zeros before and behind `small` pixels from which every phase gets `steps` of its own."""
        return -self.first, steps - 1 + self.last - (small - 1)


@lru_cache(maxsize=256)
def _axis(kernel: int, stride: int, pad: int) -> Axis:
    first, last = -((kernel - 1 - pad) // stride), (stride - 1 + pad) // stride
    taps = torch.arange(stride)[:, None] + pad - stride * torch.arange(first, last + 1)
    return Axis(torch.where((taps >= 0) & (taps < kernel), taps, kernel), first, last)


def _filters(w: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """w (C, O, kh, kw) → (phases of rows × phases of columns × O, C, D, D')."""
    padded = torch.nn.functional.pad(w, (0, 1, 0, 1))  # the tap that is none
    taps = padded[:, :, rows.taps[:, :, None, None], columns.taps]  # (C, O, phase, D, phase', D')
    return taps.permute(2, 4, 1, 0, 3, 5).reshape(-1, w.shape[0], rows.taps.shape[1], columns.taps.shape[1])


def _forward(x: Tensor, w: Tensor, b: Tensor | None, stride: Sizes, pad: Sizes) -> Tensor:
    small, kernel, last = x.shape[2:], w.shape[2:], torch.channels_last
    axes = [_axis(*axis) for axis in zip(kernel, stride, pad, strict=True)]
    size = [s * (n - 1) + k - 2 * p for n, s, k, p in zip(small, stride, kernel, pad, strict=True)]
    steps = [-(-n // s) for n, s in zip(size, stride, strict=True)]
    edges = [axis.edges(n, m) for axis, n, m in zip(axes, small, steps, strict=True)]
    padding = [before for before, _ in edges]
    if any(before != behind or before < 0 for before, behind in edges):
        x, padding = torch.nn.functional.pad(x, (*edges[1], *edges[0])), [0, 0]
    filters, bias = _filters(w, *axes), None if b is None else b.repeat(stride[0] * stride[1])
    y = torch.conv2d(x.contiguous(memory_format=last), filters.contiguous(memory_format=last), bias, 1, padding)
    y = y.permute(0, 2, 3, 1).unflatten(3, (stride[0], -1)).transpose(2, 3)  # (N, row, phase, column, phase' × O)
    y = y.reshape(len(x), steps[0] * stride[0], steps[1] * stride[1], -1)[:, : size[0], : size[1]]
    return y.permute(0, 3, 1, 2).contiguous(memory_format=last)


class _Phases(torch.autograd.Function):
    """The gradients are PyTorch's: those of a convolution with a stride, which it is good at. All in float32."""

    @staticmethod
    @torch.amp.custom_fwd(device_type="cpu", cast_inputs=torch.float32)
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, stride: Sizes, pad: Sizes) -> Tensor:
        ctx.save_for_backward(x, w)
        ctx.geometry = stride, pad
        return _forward(x, w, b, stride, pad)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cpu")
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x, w), (stride, pad), (dy,) = ctx.saved_tensors, ctx.geometry, grads
        wanted = [*ctx.needs_input_grad[:2], False]
        dx, dw, _ = torch.ops.aten.convolution_backward(dy, x, w, None, stride, pad, (1, 1), True, (0, 0), 1, wanted)
        db = dy.sum((0, 2, 3)) if ctx.needs_input_grad[2] else None  # oneDNN sums it one by one
        return dx, dw, db, None, None


def deconvolution(x: Tensor, w: Tensor, b: Tensor | None, stride: Sizes, pad: Sizes) -> Tensor:
    """The transpose of a convolution with a stride, with w (C, O, kh, kw), plus b; channels last in memory."""
    y: Tensor = _Phases.apply(x, w, b, stride, pad)
    return y
