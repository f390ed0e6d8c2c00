"""Unpooling (N, C, h, w) → (N, C, H, W): the fork's three ways of spreading a pooled plane over a larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import DataError
from ..lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Pair = tuple[int, int]


def unpool_max(x: Tensor, mask: Tensor | None, stride: Pair, out_hw: Pair) -> Tensor:
    """Each value at the place that the mask names (h·W + w in its plane), elsewhere 0.

    Without a mask: at the top left corner of its cell, (min(i·stride, H-1), min(j·stride, W-1)). Where a place is named
    twice, the last in raster order is seen and each receives the full gradient. DataError: a place outside the plane.
    """
    from .gradients import place

    planes, size = x.shape[0] * x.shape[1], out_hw[0] * out_hw[1]
    if mask is None:
        rows, columns = (
            (torch.arange(x.shape[2 + axis], device=x.device) * stride[axis]).clamp(max=out_hw[axis] - 1)
            for axis in (0, 1)
        )
        index = (rows[:, None] * out_hw[1] + columns).reshape(1, -1).expand(planes, -1)
    else:
        index = mask.detach().reshape(planes, -1).to(torch.int64)
        low, high = (int(bound) for bound in torch.aminmax(index))
        if low < 0 or high >= size:
            wrong = low if low < 0 else high
            raise DataError(
                f"the mask holds {wrong}, but places in a plane of {out_hw[0]}x{out_hw[1]} go from 0 to {size - 1}; "
                "was it made by pooling a plane of another size?"
            )
    return place(x.reshape(planes, -1), index, size).reshape(*x.shape[:2], *out_hw)


def unpool_average(x: Tensor, kernel: Pair, stride: Pair, out_hw: Pair) -> Tensor:
    """Each value, divided by the area of its window (clipped to the plane), added to every place of that window."""
    return _spread(x / _areas(x, kernel, stride, out_hw), kernel, stride, out_hw)


def unpool_tile(x: Tensor, kernel: Pair, stride: Pair, out_hw: Pair) -> Tensor:
    """Each value added to every place of its window. Its gradient is the window's mean, as in the fork, not the sum."""
    from .gradients import scale_gradient

    return _spread(scale_gradient(x, 1 / _areas(x, kernel, stride, out_hw)), kernel, stride, out_hw)


def _areas(x: Tensor, kernel: Pair, stride: Pair, out_hw: Pair) -> Tensor:
    """How many places each window covers inside the plane (1 for none): (h, w)."""
    lengths = []
    for axis in (0, 1):
        start = torch.arange(x.shape[2 + axis], device=x.device) * stride[axis]
        lengths.append(((start + kernel[axis]).clamp(max=out_hw[axis]) - start).clamp(min=1).to(x.dtype))
    return lengths[0][:, None] * lengths[1]


def _spread(x: Tensor, kernel: Pair, stride: Pair, out_hw: Pair) -> Tensor:
    """Sum of the windows, each filled with its value, cut or filled up with zeros to the plane."""
    num, channels, *sizes = x.shape
    whole = tuple((size - 1) * s + k for size, s, k in zip(sizes, stride, kernel, strict=True))
    columns = x.reshape(num * channels, 1, -1).expand(-1, kernel[0] * kernel[1], -1)  # (NC, k·k, h·w)
    plane = torch.nn.functional.fold(columns, whole, kernel, stride=stride).reshape(num, channels, *whole)
    return torch.nn.functional.pad(plane, (0, out_hw[1] - whole[1], 0, out_hw[0] - whole[0]))
