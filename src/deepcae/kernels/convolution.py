"""Convolution and its transpose over 0 to 3 spatial axes: x (N, C, ...), w as in the layer, b (num_output) or None.

Three shapes that auto-encoders have in plenty are plain matrix products, two to twenty times faster on a CPU than
torch's general path: a kernel of one pixel, a kernel as large as its input, and a deconvolution of a one-pixel code.
Few channels with kernels nearly as wide as the image are products with banded matrices (`banded`), two to three times
faster.
"""

from __future__ import annotations

from collections.abc import Callable
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
        return _without_space(convolution, x, w, b, groups)
    if groups == 1 and not any(pad):
        if set(w.shape[2:]) == {1} and set(stride) == {1}:
            return _pointwise(x, w.reshape(w.shape[0], -1), b)
        if w.shape[2:] == x.shape[2:] and set(dilation) == {1}:
            whole = torch.nn.functional.linear(x.reshape(x.shape[0], -1), w.reshape(w.shape[0], -1), b)
            return whole.reshape(*whole.shape, *(1,) * rank)
        if _banded_pays(x, w, stride, dilation, x.shape[-1]) and w.shape[0] * w.shape[1] <= 8:
            from . import banded

            return banded.convolution(x, w, b)
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
        return _without_space(deconvolution, x, w, b, groups)
    if groups == 1 and not any(pad):
        if set(w.shape[2:]) == {1} and set(stride) == {1}:
            return _pointwise(x, w.reshape(w.shape[0], -1).t(), b)
        if set(x.shape[2:]) == {1} and set(dilation) == {1}:
            stamped = torch.mm(x.reshape(x.shape[0], -1), w.reshape(w.shape[0], -1)).reshape(-1, *w.shape[1:])
            return stamped if b is None else stamped + b.reshape(-1, *(1,) * rank)
        if _banded_pays(x, w, stride, dilation, x.shape[-1] + w.shape[-1] - 1) and w.shape[0] * w.shape[1] <= 64:
            from . import banded

            return banded.deconvolution(x, w, b)
    operation = (torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d)[rank - 1]
    return operation(x, w, b, stride, pad, 0, groups, dilation)


def _banded_pays(x: Tensor, w: Tensor, stride: Sizes, dilation: Sizes, width: int) -> bool:
    """Whether the band fills enough of its matrix: `width`, of the larger image, is at most 2.5 kernel widths.

    Measured at batch 100, one thread, forward and both gradients, torch ÷ banded: conv 4→2 maps 9×9 on 20×20: 1.9;
    deconv 2→2 17×17 to 28×28: 3.2; deconv 4→4: 2.4; against conv 1→8 9×9 on 28×28: 0.3; conv 8→4 9×9 on 20×20: 0.9.
    """
    plain = x.dim() == 4 and set(stride) == {1} and set(dilation) == {1} and x.device.type == "cpu"
    return plain and 1 < w.shape[3] <= width and w.shape[2] > 1 and 2 * width <= 5 * w.shape[3]


def _pointwise(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """y[n] = w x[n] + b over all pixels, w (O, C)."""
    pixels = x.reshape(*x.shape[:2], -1)  # (N, C, HW)
    batched = w.expand(x.shape[0], -1, -1)
    y = torch.bmm(batched, pixels) if b is None else torch.baddbmm(b[:, None], batched, pixels)
    return y.reshape(x.shape[0], -1, *x.shape[2:])


def _without_space(operation: Callable[..., Tensor], x: Tensor, w: Tensor, b: Tensor | None, groups: int) -> Tensor:
    """(N, C) → (N, O): the same over lines of one pixel."""
    return operation(x.unsqueeze(2), w.unsqueeze(2), b, (1,), (0,), (1,), groups).squeeze(2)
