"""Convolution and its transpose over 0 to 3 spatial axes: x (N, C, ...), w as in the layer, b (num_output) or None."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Sizes = tuple[int, ...]


def convolution(
    x: Tensor, w: Tensor, b: Tensor | None, stride: Sizes, pad: Sizes, dilation: Sizes, groups: int = 1
) -> Tensor:
    """Cross-correlation, (N, C, ...) with w (O, C/groups, k...) → (N, O, ...).

    A kernel that overhangs the padded input sees zeros there, as Caffe's im2col does.
    """
    rank = x.dim() - 2
    if rank == 0:
        return _as_lines(convolution, x, w, b, groups)
    overhang = [
        max(0, d * (k - 1) + 1 - (size + 2 * p))
        for size, k, p, d in zip(x.shape[2:], w.shape[2:], pad, dilation, strict=True)
    ]
    if any(overhang):
        x = torch.nn.functional.pad(x, [n for extra in reversed(overhang) for n in (0, extra)])
    operation = (torch.conv1d, torch.conv2d, torch.conv3d)[rank - 1]
    return operation(x, w, b, stride, pad, dilation, groups)


def deconvolution(
    x: Tensor, w: Tensor, b: Tensor | None, stride: Sizes, pad: Sizes, dilation: Sizes, groups: int = 1
) -> Tensor:
    """The transpose of `convolution`, (N, C, ...) with w (C, O/groups, k...) → (N, O, ...)."""
    rank = x.dim() - 2
    if rank == 0:
        return _as_lines(deconvolution, x, w, b, groups)
    operation = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[rank - 1]
    return operation(x, w, b, stride, pad, 0, groups, dilation)


def _as_lines(operation, x: Tensor, w: Tensor, b: Tensor | None, groups: int) -> Tensor:  # type: ignore[no-untyped-def]
    """Without spatial axes: the same over lines of one pixel."""
    return operation(x.unsqueeze(2), w.unsqueeze(2), b, (1,), (0,), (1,), groups).squeeze(2)
