"""The plan of a symmetric convolutional auto-encoder for images of any size, after principles 1 and 5 of the paper.

    C×H×W - conv1 - ... - convL - ip1encode - code - ip1decode - deconvL - ... - deconv1 - deconv1neur (C×H×W)

deconvK gives as many maps of the same size as convK, so encoder and decoder mirror each other exactly. From conv1 on
every layer has fewer elements than the one before, down to the code, and behind it the same sizes grow again.
What is no image, or a tiny one, gets fully connected layers alone. `zoo.designed` makes the texts of it;
docs/15-design.md tells why it is so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

from ..errors import SpecError
from .text import require_count

NAME = "design"
DESCRIPTION = "an auto-encoder for images of any size, or flat rows (--data TRAIN TEST), N code neurons; starts as PCA"
FIRST_MAPS = 8  # of conv1, at width 1; or two for each channel of the image, if that is more
MOST_MAPS = 64  # of any layer, at width 1, unless conv1 has more
SMALLEST = 7  # pixels: a longer side is made smaller once more
CODES = 4  # the last maps hold this many times the code's neurons at least
BATCH = 100  # images per iteration, fewer where they hold more than MOST_VALUES together
LEAST_BATCH = 10
MOST_VALUES = 2_000_000
NEURONS = (64, 512)  # of the first layer where there are no maps: as many as the values, within these bounds
MOST_WIDTH = 1e6


class Window(NamedTuple):
    """A filter along one axis."""

    kernel: int
    stride: int
    pad: int

    def over(self, size: int) -> int:
        """What a convolution makes of `size` pixels."""
        return (size + 2 * self.pad - self.kernel) // self.stride + 1

    def back(self, size: int) -> int:
        """What a deconvolution makes of `size` pixels."""
        return self.stride * (size - 1) + self.kernel - 2 * self.pad


def window(size: int, stride: int) -> Window:
    """The filter of this stride that makes m = ceil(size / stride) pixels of `size`, and exactly `size` of m again.

    m pixels become s(m-1) + k - 2p = n again iff k = n - s(m-1) + 2p. The pad p is such that a kernel is s+1 to 2s
    pixels wide (3 for s = 1): neighbours overlap, and no pixel is left out.
    """
    if size == 1:
        return Window(1, 1, 0)
    pad = max(1, stride // 2)
    return Window(size - stride * (math.ceil(size / stride) - 1) + 2 * pad, stride, pad)


@dataclass(frozen=True)
class Maps:
    """`count` feature maps of `height` × `width` pixels, made by `windows` (down, across) of what is there before."""

    count: int
    height: int
    width: int
    windows: tuple[Window, Window] = (Window(1, 1, 0), Window(1, 1, 0))

    @property
    def elements(self) -> int:
        """Values of an image in this blob: count · height · width."""
        return self.count * self.height * self.width

    @property
    def taps(self) -> int:
        """Pixels of the kernel."""
        return self.windows[0].kernel * self.windows[1].kernel

    def __str__(self) -> str:
        return f"{self.count}x{self.height}x{self.width}"


@dataclass(frozen=True)
class Design:
    """The auto-encoder in numbers."""

    given: tuple[int, ...]  # (channels, height, width), or (k,) for flat rows
    maps: tuple[Maps, ...]  # of conv1 ... convL, and of deconv1 ... deconvL; none for what is no image
    hidden: tuple[int, ...]  # neurons of ip1encode, ... and, the last first, of ip1decode, ...
    dims: int
    plain: bool = False  # no linear way beside it

    @property
    def image(self) -> Maps:
        """A row; k values of a flat one as k maps of one pixel."""
        return Maps(*self.given) if len(self.given) == 3 else Maps(math.prod(self.given), 1, 1)

    @property
    def shape(self) -> str:
        """`3x64x96`, or `48` of flat rows."""
        return "x".join(map(str, self.given))

    @property
    def chain(self) -> str:
        """Shapes from image to image."""
        half = [self.shape, *map(str, self.maps), *map(str, self.hidden)]
        return " - ".join([*half, str(self.dims), *reversed(half)])

    @property
    def sizes(self) -> tuple[int, ...]:
        """Elements of each hidden layer, as Table II counts them."""
        half = [*(each.elements for each in self.maps), *self.hidden]
        return (*half, self.dims, *reversed(half))

    @property
    def size(self) -> int:
        """CAE size: elements of all hidden layers together."""
        return sum(self.sizes)

    @cached_property
    def parameters(self) -> int:
        """Weights and biases that are learned: a kernel for each pair of maps, a bias for each map or neuron."""
        maps = (self.image, *self.maps)
        weights = sum(after.taps * after.count * before.count for before, after in pairwise(maps))
        weights += sum(before * after for before, after in pairwise((maps[-1].elements, *self.hidden, self.dims)))
        shared = sum(each.count for each in self.maps) + sum(self.hidden)  # biases that both halves have
        restored = self.image.count if self.maps else self.image.elements
        return 2 * weights + 2 * shared + self.dims + restored

    @property
    def linear(self) -> int:
        """Weights and biases of the linear way to the code and back, and the mean; they stay as they are."""
        return 0 if self.plain else 2 * self.image.elements * (self.dims + 1) + self.dims

    @property
    def batch(self) -> int:
        """Training images per iteration, unless the author says otherwise."""
        return max(LEAST_BATCH, min(BATCH, MOST_VALUES // self.image.elements))

    def facts(self, num_images: int | None) -> dict[str, str]:
        """What a reader wants to know first, in words; `num_images` of the training set, if it is known."""
        learned = f"{self.parameters:,}{' learned' if self.linear else ''}"
        if num_images:
            each = self.parameters / num_images
            learned += f", {each:,.{0 if each >= 10 else 2}f} for each of {num_images:,} training images"
        if self.linear:
            learned += f"; {self.linear:,} fixed: the linear way, PCA"
        return {
            "shapes": self.chain,
            "CAE size": f"{self.size:,} elements: {'-'.join(map(str, self.sizes))}",
            "parameters": learned,
        }

    def to_json(self, num_images: int | None) -> dict[str, Any]:
        """The same for programs."""
        return {
            "input": list(self.given),
            "shapes": self.chain,
            "sizes": list(self.sizes),
            "cae_size": self.size,
            "parameters": self.parameters,
            "fixed_parameters": self.linear,
            "images": num_images,
            "parameters_per_image": self.parameters / num_images if num_images else None,
        }


def parse_image(text: str) -> tuple[int, ...]:
    """`3x64x96` as (channels, height, width), `64x96` as (1, 64, 96), `48` as (48,). SpecError for anything else.

    `32x32x3` would be a net of 32 channels; it is told what is meant.
    """
    from ..data.axes import read_image_shape  # numpy

    if many := re.fullmatch(r"[0-9]{1,7}x([0-9]{1,6}(?:x[0-9]{1,6}){2})", text):
        meant = "x".join(map(str, read_image_shape(tuple(map(int, many[1].split("x"))))[0]))
        raise SpecError(f"input is '{text}', but must be the size of one image, without their number: --input {meant}")
    if not re.fullmatch(r"[0-9]{1,7}(x[0-9]{1,6}){0,2}", text):
        raise SpecError(
            f"input is '{text}', but must be CHANNELSxHEIGHTxWIDTH, such as 3x64x96, or 64x96, or 48 for flat rows"
        )
    sizes = tuple(map(int, text.split("x")))
    if len(sizes) == 1 or 0 in sizes:  # what is too small is told with all that a design needs
        return (1, *sizes) if len(sizes) == 2 else sizes
    image, order = read_image_shape(sizes)
    if order == "hwc":
        meant = "x".join(map(str, image))
        raise SpecError(f"input is '{text}', which has its channels last; channels come first: --input {meant}")
    return image


def design(image: Sequence[int], dims: int, width: float = 1.0) -> Design:
    """The auto-encoder for images (channels, height, width) or rows (k,) with `dims` code neurons.

    `width` scales all maps and neurons.
    """
    given = tuple(image)
    _check(given, dims, width)
    if len(given) == 1 or max(given[1:]) <= SMALLEST:
        least, most = NEURONS
        first = max(2 * dims, round(width * min(max(math.prod(given), least), most)), 2)
        return Design(given, (), (first, max(dims, first // 2)), dims)
    levels = list(_levels(Maps(given[0], given[1], given[2]), width))
    kept = tuple(each for each in levels if each.elements >= CODES * dims) or tuple(levels[:1])
    last = kept[-1].elements
    return Design(given, kept, (max(last // CODES, math.isqrt(last * dims), dims),), dims)


def plain_design(image: Sequence[int], dims: int, width: float = 1.0) -> Design:
    """The same without a linear way beside it. SpecError where the image is too small, or conv1 for the code."""
    plan = replace(design(image, dims, width), plain=True)
    if not plan.maps:
        raise SpecError(
            f"input is {plan.shape}, but the longer side of an image must have at least {SMALLEST + 1} pixels"
        )
    first = plan.maps[0]
    if first.elements < CODES * dims:
        raise SpecError(
            f"dims is {dims}, but conv1 has {first.elements:,} elements ({first}), enough for at most "
            f"{first.elements // CODES} code neurons; --width {_enough(plan.image, dims):g} is enough for {dims}"
        )
    return plan


def require_width(width: float) -> float:
    """The factor of the number of maps; SpecError unless it is one."""
    if not (math.isfinite(width) and width > 0):
        raise SpecError(f"width is {width:g}, but must be a number above 0")
    if width > MOST_WIDTH:
        raise SpecError(f"width is {width:g}, but must be at most {MOST_WIDTH:,.0f}: it is a factor of the maps")
    return width


def _check(image: tuple[int, ...], dims: int, width: float) -> None:
    shown, elements = "x".join(map(str, image)), math.prod(image)
    if len(image) not in (1, 3):
        raise SpecError(f"input is {image}, but must be (channels, height, width), or (values,) for flat rows")
    if min(image) < 1:
        raise SpecError(f"input is {shown}, but channels, height and width must be at least 1")
    require_count("dims", dims)
    require_width(width)
    if dims > elements or (dims == elements and len(image) == 3):  # flat rows may keep their size, as PCA's may
        raise SpecError(
            f"dims is {dims}, but must be less than the {elements:,} values of an image of {shown}: "
            "a code is smaller than what it stands for"
        )


def _levels(image: Maps, width: float) -> Iterator[Maps]:
    """conv1, conv2, ...: where the area shrinks to a quarter the maps double, so that the elements halve."""
    count = max(1, round(width * max(FIRST_MAPS, 2 * image.count)))
    most = max(count, round(width * MOST_MAPS))
    before = image
    while max(before.height, before.width) > SMALLEST:
        down, across = _strides(before.height, before.width)
        if before is not image and down * across >= 4:
            count = min(2 * count, most)
        windows = (window(before.height, down), window(before.width, across))
        before = Maps(count, windows[0].over(before.height), windows[1].over(before.width), windows)
        yield before


def _strides(height: int, width: int) -> tuple[int, int]:
    """2 along the longer side, 4 if it is very long, and 2 along the other unless that has half as many pixels or less.

    So a long image becomes about square, and the area shrinks to a half or a quarter in each layer.
    """

    def stride(size: int, other: int) -> int:
        if 2 * size <= other:
            return 1
        return 4 if size >= 4 * max(other, 4) else 2

    return stride(height, width), stride(width, height)


def _enough(image: Maps, dims: int) -> float:
    """The least width, in tenths, with which conv1 holds enough for `dims`."""
    tenths = 1
    while next(_levels(image, tenths / 10)).elements < CODES * dims:
        tenths += 1
    return tenths / 10
