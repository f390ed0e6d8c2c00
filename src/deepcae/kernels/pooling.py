"""Pooling over (N, C, H, W), its window positions given by the output size, so that every rounding rule fits.

Window (i, j) begins at (i·stride - pad, j·stride - pad) and is clipped to the input. torch's own pooling serves where
its rules give that output size; else the input is padded by hand. A window that lies outside the input altogether gives
-FLT_MAX with mask -1 (maximum) or 0 (average, stochastic).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Pair = tuple[int, int]
LOWEST = -3.4028234663852886e38  # -FLT_MAX


def max_pool(
    x: Tensor, kernel: Pair, stride: Pair, pad: Pair, out_hw: Pair, want_mask: bool = True
) -> tuple[Tensor, Tensor | None]:
    """Greatest value of each window, and where it stood: h·W + w in its own plane, as a float. Of equals the first.

    Only values above -FLT_MAX count, and NaN is none: a window without any gives -FLT_MAX, mask -1, and no gradient.
    """
    ceil_mode = _torch_rounding(x, kernel, stride, pad, out_hw)
    pooled = torch.nn.functional.max_pool2d
    if ceil_mode is not None and x.device.type == "cpu":  # elsewhere looking at the values would wait for the device
        y, index = pooled(x, kernel, stride, pad, ceil_mode=ceil_mode, return_indices=True)
        if bool(y.detach().amin() > LOWEST):  # false with a NaN too
            return y, index.to(x.dtype) if want_mask else None
    counted = torch.fmax(x, torch.full((), LOWEST, dtype=x.dtype, device=x.device))  # of a NaN and a number the number
    if ceil_mode is not None:
        y, index = pooled(counted, kernel, stride, pad, ceil_mode=ceil_mode, return_indices=True)
    else:
        (top, bottom), (left, right) = _margins(x, kernel, stride, pad, out_hw)
        padded = torch.nn.functional.pad(counted, (left, right, top, bottom), value=LOWEST)
        y, index = pooled(padded, kernel, stride, return_indices=True)
        width = padded.shape[3]
        index = (index.div(width, rounding_mode="floor") - top) * x.shape[3] + index % width - left
    return y, index.masked_fill(y.detach() <= LOWEST, -1).to(x.dtype) if want_mask else None


def average_pool(x: Tensor, kernel: Pair, stride: Pair, pad: Pair, out_hw: Pair) -> Tensor:
    """Sum of each window over its area, where padding counts and what hangs over beyond it does not."""
    ceil_mode = _torch_rounding(x, kernel, stride, pad, out_hw)
    pooled = torch.nn.functional.avg_pool2d
    if ceil_mode is not None:
        return pooled(x, kernel, stride, pad, ceil_mode=ceil_mode, count_include_pad=True)
    (top, bottom), (left, right) = _margins(x, kernel, stride, pad, out_hw)
    sums = pooled(torch.nn.functional.pad(x, (left, right, top, bottom)), kernel, stride, divisor_override=1)
    lengths = []
    for axis in (0, 1):
        start = torch.arange(out_hw[axis], device=x.device) * stride[axis] - pad[axis]
        end = (start + kernel[axis]).clamp(max=x.shape[2 + axis] + pad[axis])
        lengths.append((end - start).clamp(min=1).to(x.dtype))
    return sums / (lengths[0][:, None] * lengths[1])


def stochastic_pool(
    x: Tensor, kernel: Pair, stride: Pair, out_hw: Pair, generator: torch.Generator | None, training: bool
) -> Tensor:
    """TRAIN: one value of each window, drawn with probability x / Σx; TEST: Σx² / Σx, 0 where Σx ≤ 0. For x ≥ 0.

    Drawn as in Caffe's CUDA code: the first value, row by row, at which the running sum reaches u·Σx, u uniform in
    (0, 1]; where no sum reaches it (possible with negative values only) the last place.
    """
    (_, bottom), (_, right) = _margins(x, kernel, stride, (0, 0), out_hw)
    padded = torch.nn.functional.pad(x, (0, right, 0, bottom))  # zeros have probability 0
    windows = padded.unfold(2, kernel[0], stride[0]).unfold(3, kernel[1], stride[1]).flatten(4)  # (N, C, H', W', k·k)
    if not training:
        sums = windows.sum(-1)
        positive = sums > 0
        return torch.where(positive, windows.square().sum(-1) / torch.where(positive, sums, 1), 0)
    sums = windows.detach().cumsum(-1)
    device = generator.device if generator is not None else x.device
    u = 1 - torch.rand(sums.shape[:-1], generator=generator, device=device, dtype=x.dtype)
    reached = sums >= (u.to(x.device) * sums[..., -1])[..., None]
    reached[..., -1] = True
    return windows.gather(-1, reached.to(torch.uint8).argmax(-1, keepdim=True))[..., 0]


def _torch_rounding(x: Tensor, kernel: Pair, stride: Pair, pad: Pair, out_hw: Pair) -> bool | None:
    """The ceil_mode with which torch gives this output size, or None."""
    if any(2 * p > k for p, k in zip(pad, kernel, strict=True)):
        return None
    for ceil_mode in (False, True):
        sizes = tuple(
            _torch_size(size, k, s, p, ceil_mode)
            for size, k, s, p in zip(x.shape[2:], kernel, stride, pad, strict=True)
        )
        if sizes == out_hw:
            return ceil_mode
    return None


def _torch_size(size: int, kernel: int, stride: int, pad: int, ceil_mode: bool) -> int:
    room = size + 2 * pad - kernel
    output = (-(-room // stride) if ceil_mode else room // stride) + 1
    return output - 1 if ceil_mode and (output - 1) * stride >= size + pad else output


def _margins(x: Tensor, kernel: Pair, stride: Pair, pad: Pair, out_hw: Pair) -> list[Pair]:
    """What to add before and behind (or cut, if negative) so that exactly `out_hw` whole windows fit."""
    return [
        (p, (out - 1) * s + k - size - p)
        for size, k, s, p, out in zip(x.shape[2:], kernel, stride, pad, out_hw, strict=True)
    ]
