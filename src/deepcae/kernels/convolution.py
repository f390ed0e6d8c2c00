"""Convolution and its transpose over 0 to 3 spatial axes: x (N, C, ...), w as in the layer, b (num_output) or None.

General libraries are slow at networks of few channels, large kernels and small images. Four other ways lead to the
same numbers up to rounding; `choice` tells which one a shape takes:

- the compiled kernels (`direct`), where they were built;
- one matrix product: a kernel of one pixel, a kernel as large as its input, a deconvolution of a one-pixel code;
- products with banded matrices (`banded`), two to three times faster than torch's operators, where nothing was built;
- a deconvolution with a stride as a convolution of all its phases (`phases`), where its outputs are few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .algorithms import computed, is_plain, is_traced
from .case import Case, Window
from .choice import choice, has_core, rule

if TYPE_CHECKING:
    from torch import Tensor


def convolution(x: Tensor, w: Tensor, b: Tensor | None, window: Window, strides: bool = True) -> Tensor:
    """Cross-correlation, (N, C, ...) with w (O, C/groups, k...) → (N, O, ...).

    A kernel that overhangs the padded input sees zeros there, as Caffe's im2col does. `strides`: see `Case`.
    """
    return _computed(False, x, w, b, window, strides)


def deconvolution(x: Tensor, w: Tensor, b: Tensor | None, window: Window, strides: bool = True) -> Tensor:
    """The transpose of `convolution`, (N, C, ...) with w (C, O/groups, k...) → (N, O, ...)."""
    return _computed(True, x, w, b, window, strides)


def _computed(transposed: bool, x: Tensor, w: Tensor, b: Tensor | None, window: Window, strides: bool) -> Tensor:
    if x.dim() == 2:  # the same over lines of one pixel
        line = Window((1,), (0,), (1,), window.groups)
        return _computed(transposed, x.unsqueeze(2), w.unsqueeze(2), b, line, strides).squeeze(2)
    case = Case(transposed, tuple(x.shape), tuple(w.shape), *window, _plain(x, w, b), strides)
    algorithm = choice(case)
    return computed(algorithm, case, x, w, b, rule, batch_last=transposed and algorithm == "product" and has_core())


def _plain(x: Tensor, w: Tensor, b: Tensor | None) -> bool:
    return all(map(is_plain, (x, w) if b is None else (x, w, b))) and not is_traced()
