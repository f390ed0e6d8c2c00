"""Convolution and deconvolution by the compiled kernels: float32 on the CPU, one or two spatial axes.

Memory: the batch innermost. What comes in another order is copied; what goes out is a view (N, C, H, W) of memory
(C, H, W, N), so that a chain of layers copies only at its ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from . import native
from .case import Case, Sizes
from .native import Geometry

if TYPE_CHECKING:
    from torch import Tensor


def batch_last(x: Tensor) -> Tensor:
    """(N, C, ...) → (C, ..., N), contiguous: a view where the memory is so already."""
    turned = x.movedim(0, -1)
    if turned.is_contiguous():
        return turned
    if x.is_contiguous():  # a matrix is turned in blocks, which is several times faster
        return x.reshape(x.shape[0], -1).t().contiguous().reshape(turned.shape)
    return turned.contiguous()


class _Correlation(torch.autograd.Function):
    """y = x correlated with w, plus b; x and y (N, C, H, W)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None, geometry: Geometry) -> Tensor:
        memory, w = batch_last(x), w.contiguous()
        b = None if b is None else b.contiguous()
        ctx.save_for_backward(memory, w)
        ctx.geometry = geometry
        return native.correlate(geometry, memory, w, b).movedim(-1, 0)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, w = ctx.saved_tensors
        there, back = ctx.geometry, ctx.geometry.transposed()
        dy = batch_last(grads[0])
        dx = dw = db = None
        if ctx.needs_input_grad[0]:
            dx = native.correlate(back, dy, w, None).movedim(-1, 0)
        if ctx.needs_input_grad[1]:
            dw = native.weight_gradient(back, dy, x) if there.turned else native.weight_gradient(there, x, dy)
        if ctx.needs_input_grad[2]:
            db = dy.sum((1, 2, 3))
        return dx, dw, db, None


def _plane(sizes: Sizes, fill: int) -> tuple[int, int]:
    """One number per axis of a plane; a line is a plane of one row."""
    return (fill, sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def correlation(x: Tensor, w: Tensor, b: Tensor | None, case: Case) -> Tensor:
    """(N, C, [H,] W) with w (O, C/groups, [kh,] kw), of a deconvolution (C, O/groups, …) → (N, O, [H',] W')."""
    if x.dim() == 3:
        x, w, numbers = x.unsqueeze(2), w.unsqueeze(2), (case.stride, case.pad, case.dilation)
        stride, pad, dilation = map(_plane, numbers, (1, 0, 1))
        plane = case._replace(x=tuple(x.shape), w=tuple(w.shape), stride=stride, pad=pad, dilation=dilation)
        return correlation(x, w, b, plane).squeeze(2)
    y: Tensor = _Correlation.apply(x, w, b, geometry_of(case))
    return y


def _steps(length: int, stride: int) -> int:
    """length / stride in C's integer division, towards 0."""
    return length // stride if length >= 0 else -(-length // stride)


def geometry_of(case: Case) -> Geometry:
    """The correlation that a convolution of images (N, C, H, W) is, or a deconvolution, which is `turned`.

    Where a kernel overhangs the padded image by less than a stride, there still is an output, as in Caffe.
    """
    turned, x, w, stride, pad, dilation, groups, *_ = case
    batch, channels, in_h, in_w = x
    outputs, (kernel_h, kernel_w) = w[1] * groups if turned else w[0], w[2:]
    reaches = [d * (k - 1) for k, d in zip(w[2:], dilation, strict=True)]
    axes = list(zip(x[2:], stride, pad, reaches, strict=True))
    step, spread = stride, stride  # the one or the other is 1
    if turned:
        out_h, out_w = (s * (n - 1) + 1 + r - 2 * p for n, s, p, r in axes)
        pad, step = tuple(r - p for _, _, p, r in axes), (1, 1)
    else:
        out_h, out_w = (_steps(n + 2 * p - r - 1, s) + 1 for n, s, p, r in axes)
        spread = (1, 1)
    return Geometry(
        batch, groups, channels, in_h, in_w, outputs, out_h, out_w, kernel_h, kernel_w,
        pad[0], pad[1], dilation[0], dilation[1], step[0], step[1], spread[0], spread[1], turned,
    )  # fmt: skip
