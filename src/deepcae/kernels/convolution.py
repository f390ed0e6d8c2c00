"""Convolution and its transpose over 0 to 3 spatial axes: x (N, C, ...), w as in the layer, b (num_output) or None.

General libraries are slow at networks of few channels, large kernels and small images. Four other ways lead to the
same numbers up to rounding; `choice` tells which one a shape takes:

- the compiled kernels (`direct`), where they were built;
- one matrix product: a kernel of one pixel, a kernel as large as its input, a deconvolution of a one-pixel code;
- products with banded matrices (`banded`), two to three times faster than torch's operators, where nothing was built;
- a deconvolution with a stride as a convolution of all its phases (`phases`), where its outputs are few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .algorithms import Case, Sizes, computed, is_plain, is_traced
from .choice import choice, has_core, rule

if TYPE_CHECKING:
    from torch import Tensor


def convolution(
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    groups: int = 1,
    strides: bool = True,
) -> Tensor:
    """Cross-correlation, (N, C, ...) with w (O, C/groups, k...) → (N, O, ...).

    A kernel that overhangs the padded input sees zeros there, as Caffe's im2col does. `strides`: see `algorithms.Case`.
    """
    if x.dim() == 2:
        return _without_space(convolution, x, w, b, groups)
    case = Case(False, tuple(x.shape), tuple(w.shape), stride, pad, dilation, groups, _plain(x, w, b), strides)
    return _chosen(case, x, w, b)


def deconvolution(
    x: Tensor,
    w: Tensor,
    b: Tensor | None,
    stride: Sizes,
    pad: Sizes,
    dilation: Sizes,
    groups: int = 1,
    strides: bool = True,
) -> Tensor:
    """The transpose of `convolution`, (N, C, ...) with w (C, O/groups, k...) → (N, O, ...)."""
    if x.dim() == 2:
        return _without_space(deconvolution, x, w, b, groups)
    case = Case(True, tuple(x.shape), tuple(w.shape), stride, pad, dilation, groups, _plain(x, w, b), strides)
    return _chosen(case, x, w, b)


def _plain(x: Tensor, w: Tensor, b: Tensor | None) -> bool:
    return all(map(is_plain, (x, w) if b is None else (x, w, b))) and not is_traced()


def _chosen(case: Case, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    algorithm = choice(case)
    return computed(
        algorithm, case, x, w, b, rule, batch_last=case.transposed and algorithm == "product" and has_core()
    )


def _without_space(operation: Callable[..., Tensor], x: Tensor, w: Tensor, b: Tensor | None, groups: int) -> Tensor:
    """(N, C) → (N, O): the same over lines of one pixel."""
    return operation(x.unsqueeze(2), w.unsqueeze(2), b, (1,), (0,), (1,), groups).squeeze(2)
