"""A convolution as the choice of its algorithm sees it: shapes and window, without the numbers."""

from __future__ import annotations

from typing import NamedTuple

Sizes = tuple[int, ...]


class Window(NamedTuple):
    """How a kernel moves over an image, a number for each axis of space."""

    stride: Sizes
    pad: Sizes
    dilation: Sizes
    groups: int = 1


class Case(NamedTuple):
    """A convolution's shapes and its window; `transposed` for a deconvolution; `plain`: float32 in the CPU's memory.

    `strides`: whether the compiled kernels may take it although it has a stride; see `net.strides`.
    """

    transposed: bool
    x: Sizes
    w: Sizes
    stride: Sizes
    pad: Sizes
    dilation: Sizes
    groups: int
    plain: bool
    strides: bool = True
