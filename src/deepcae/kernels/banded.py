"""Convolution and deconvolution of narrow images as products with banded matrices.

One row of the output depends on `kh` rows of the input, and that dependence is a matrix T in which the kernel stands
once per output column, shifted: T[ky, c, x + kx, o, x] = w[o, c, ky, kx], zero elsewhere. The rows of all images make
one large matrix product with T, which a CPU computes at full speed where general convolutions of few channels and large
kernels reach a tenth of it. Stride 1, no padding, no dilation, one group; results equal torch's up to rounding.

Shapes: x (N, C, H, W), w (O, C, kh, kw) → y (N, O, H-kh+1, W-kw+1); deconvolution the other way round.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from torch import Tensor


def _rows(x: Tensor) -> Tensor:
    """(N, C, H, W) → (N, H, C*W): each row of an image, all channels side by side."""
    return x.permute(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def _images(rows: Tensor, channels: int) -> Tensor:
    """(N, H, C*W) → (N, C, H, W), a view."""
    return rows.unflatten(2, (channels, -1)).permute(0, 2, 1, 3)


def _windows(rows: Tensor, height: int) -> Tensor:
    """(N, H, R) → (N*(H-height+1), height*R): every run of `height` rows."""
    n, total, length = rows.shape
    rows = rows.contiguous()
    view = rows.as_strided((n, total - height + 1, height * length), (total * length, length, 1))
    return view.reshape(-1, height * length)


def _add_windows(windows: Tensor, n: int, height: int) -> Tensor:
    """The transpose of `_windows`: (N*P, height*R) → (N, P+height-1, R), overlapping rows added."""
    parts = windows.reshape(n, -1, height, windows.shape[1] // height)
    positions = parts.shape[1]
    rows = parts.new_zeros(n, positions + height - 1, parts.shape[3])
    for ky in range(height):
        rows[:, ky : ky + positions] += parts[:, :, ky]
    return rows


def _diagonals(band: Tensor, kernel: int) -> Tensor:
    """Where the kernel stands in T (kh, C, W, O, Wo): a view (kh, C, kw, O, Wo), its last axis along the band."""
    kh, c, _, o, wo = band.shape
    s = band.stride()
    return band.as_strided((kh, c, kernel, o, wo), (s[0], s[1], s[2], s[3], s[2] + s[4]))


def _band(w: Tensor, width: int) -> Tensor:
    """w (O, C, kh, kw) → T (kh, C, W, O, Wo) for images of `width` W, Wo = W - kw + 1."""
    o, c, kh, kw = w.shape
    band = w.new_zeros(kh, c, width, o, width - kw + 1)
    _diagonals(band, kw).copy_(w.permute(2, 1, 3, 0).unsqueeze(-1).expand(-1, -1, -1, -1, width - kw + 1))
    return band


def _unband(band: Tensor, kernel: int) -> Tensor:
    """The transpose of `_band`: (kh, C, W, O, Wo) → (O, C, kh, kw), summed along the band."""
    return _diagonals(band.contiguous(), kernel).sum(-1).permute(3, 1, 0, 2)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        o, _, kh, _ = w.shape
        windows, band = _windows(_rows(x), kh), _band(w, x.shape[3])
        ctx.save_for_backward(windows, band)
        ctx.sizes = (x.shape, w.shape)
        y = windows @ band.reshape(windows.shape[1], -1)
        return _images(y.reshape(x.shape[0], -1, y.shape[1]), o)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        windows, band = ctx.saved_tensors
        (n, c, _, _), (_, _, kh, kw) = ctx.sizes
        dy = _rows(grads[0]).flatten(0, 1)
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = _images(_add_windows(dy @ band.reshape(windows.shape[1], -1).t(), n, kh), c)
        if ctx.needs_input_grad[1]:
            dw = _unband((windows.t() @ dy).reshape(band.shape), kw)
        return dx, dw


class _Deconvolution(torch.autograd.Function):
    """The transpose: T is that of the convolution which leads from y back to x, w (C, O, kh, kw) being its kernel."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor) -> Tensor:
        _, o, kh, kw = w.shape
        rows, band = _rows(x).flatten(0, 1), _band(w, x.shape[3] + kw - 1)  # (kh, O, Wo, C, W)
        ctx.save_for_backward(rows, band)
        ctx.sizes = (x.shape, w.shape)
        windows = rows @ band.reshape(-1, rows.shape[1]).t()
        return _images(_add_windows(windows, x.shape[0], kh), o)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, Tensor | None]:
        rows, band = ctx.saved_tensors
        (n, c, h, _), (_, _, kh, kw) = ctx.sizes
        windows = _windows(_rows(grads[0]), kh)
        dx = dw = None
        if ctx.needs_input_grad[0]:
            dx = _images((windows @ band.reshape(-1, rows.shape[1])).reshape(n, h, -1), c)
        if ctx.needs_input_grad[1]:
            dw = _unband((windows.t() @ rows).reshape(band.shape), kw)
        return dx, dw


def convolution(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """y = x ⋆ w + b as one banded matrix product."""
    y = _Convolution.apply(x, w)
    return y if b is None else y + b[:, None, None]


def deconvolution(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """The transpose of `convolution` with w (C, O, kh, kw), plus b."""
    y = _Deconvolution.apply(x, w)
    return y if b is None else y + b[:, None, None]
