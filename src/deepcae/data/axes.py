"""Which axis of an array is what: images lie as (n, h, w), (n, c, h, w), (n, h, w, c), or flat as (n, k).

`axes_of` tells it from the shape, and refuses to guess: where two readings are possible, the error has both. `oriented`
gives the rows as nets read them, (c, h, w) or (k,), while they are read, and `Axes.as_given` lays images back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .layout import LARGE, misfit, samples
from .stored import Around, Given, Stored
from .stream import Shape

MOST_COLOURS = 4  # channels of a picture; of other images there may be any number
_WORDS = {"flat": "flat rows", "hw": "grey images", "chw": "channels first", "hwc": "channels last"}


@dataclass(frozen=True)
class Axes:
    """How a row lies. `given`: its shape in the array; `image`: as nets read it, (c, h, w) or (k,).

    `order`: `flat`, `hw`, `chw` or `hwc`; of flat rows that are images, the order in which their values follow.
    """

    given: Shape
    image: Shape
    order: str

    @property
    def is_image(self) -> bool:
        """Whether it has height and width."""
        return len(self.image) == 3

    @property
    def is_moved(self) -> bool:
        """Whether values stand in another order in the array than nets read them."""
        return self.order == "hwc" and self.image[0] > 1

    def as_read(self, rows: np.ndarray) -> np.ndarray:
        """(N, *given) → (N, *image); a view where that is possible."""
        if not self.is_moved:
            return rows.reshape(len(rows), *self.image)
        channels, height, width = self.image
        return np.moveaxis(rows.reshape(len(rows), height, width, channels), -1, 1)

    def as_given(self, rows: np.ndarray) -> np.ndarray:
        """(N, *image) → (N, *given): the inverse of `as_read`."""
        rows = np.moveaxis(rows, 1, -1) if self.is_moved else rows
        return np.ascontiguousarray(rows).reshape(len(rows), *self.given)

    def __str__(self) -> str:
        """`channels last, (N, 32, 32, 3)`."""
        what = "values" if self.order == "flat" and not self.is_image else _WORDS[self.order]
        told = f"{what}, {samples(self.given)}"
        return f"{told} of {'x'.join(map(str, self.image))}" if self.is_image and len(self.given) == 1 else told

    def to_json(self) -> dict[str, Any]:
        return {"given": list(self.given), "image": list(self.image), "order": self.order}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Axes:
        return cls(tuple(told["given"]), tuple(told["image"]), str(told["order"]))


def axes_of(shape: Sequence[int], image_shape: Sequence[int] | None = None, what: str = "X") -> Axes:
    """How the rows of an array of this shape lie, the axis of rows included; `what` names it in messages.

    `image_shape`: (h, w), (c, h, w), or where that is plain (h, w, c): what an image is. It decides where the shape
    alone does not, and of flat rows in which order their values follow: (3, 32, 32) one channel after the other,
    (32, 32, 3) one pixel after the other. DataError where both readings are possible, or none.
    """
    row = tuple(map(int, shape[1:]))
    if not row:
        raise DataError(f"{what} has shape {tuple(shape)}; needs rows: {_allowed()}")
    if 0 in row:
        raise DataError(f"{what} has shape {tuple(shape)}: its rows hold nothing")
    if image_shape is not None:
        return _by_image_shape(row, image_shape, what)
    if len(row) == 1:
        return Axes(row, row, "flat")
    if len(row) == 2:
        return _grey(tuple(map(int, shape)), what)
    if len(row) == 3:
        return _of_three(row, what)
    raise DataError(f"{what} has {len(shape)} axes, shape {tuple(shape)}; needs {_allowed()}")


def _allowed() -> str:
    return "(n, h, w), (n, c, h, w), (n, h, w, c) or (n, k)"


def _grey(shape: Shape, what: str) -> Axes:
    total, height, width = shape
    if 1 <= width <= MOST_COLOURS and min(total, height) >= LARGE:
        raise DataError(
            f"{what} has shape {shape}: one picture (h, w, c), or {total} grey images of {height}x{width}? "
            f"Give {what}[None], or image_shape=({height}, {width})"
        )
    return Axes(shape[1:], (1, height, width), "hw")


def _of_three(row: Shape, what: str) -> Axes:
    first, last = _plausible(row[0], row[1:]), _plausible(row[2], row[:2])
    if first == last or (last and not _is_colour(row[2], row[:2])):
        if row[0] == row[1] == row[2]:
            raise DataError(
                f"{what} has shape {samples(row)}: which axis is that of the channels cannot be told. Give "
                f"image_shape={row} if it is the first; if it is the last, numpy.moveaxis({what}, -1, 1), too"
            )
        raise DataError(
            f"{what} has shape {samples(row)}: {row[0]} channels of {row[1]}x{row[2]}, or {row[0]}x{row[1]} with "
            f"{row[2]} channels last? Give image_shape={row} or image_shape={(row[2], *row[:2])}, channels first"
        )
    return Axes(row, row, "chw") if first else Axes(row, (row[2], *row[:2]), "hwc")


def _plausible(channels: int, sides: Shape) -> bool:
    """Whether so many channels may belong to an image of these sides: they are few beside them."""
    if channels == 1 or _is_colour(channels, sides):
        return True
    return channels < min(sides) or (sides[0] == sides[1] > 1 and channels != sides[0])


def _is_colour(channels: int, sides: Shape) -> bool:
    return channels == 1 or (channels <= MOST_COLOURS and (min(sides) >= LARGE or channels < min(sides)))


def _by_image_shape(row: Shape, image_shape: Sequence[int], what: str) -> Axes:
    image, order = read_image_shape(image_shape)
    channels, height, width = image
    if len(row) == 1 and row[0] == math.prod(image):
        return Axes(row, image, order)
    if row == image:
        return Axes(row, image, "chw")
    if row == (height, width, channels):
        return Axes(row, image, "hwc")
    if channels == 1 and row == (height, width):
        return Axes(row, image, "hw")
    why = _unlike(row, image) or misfit(row, image, what)
    said = f"{what} has rows of shape {row}, {math.prod(row)} values, but image_shape is {tuple(image_shape)}"
    raise DataError(f"{said}: {why}" if why else f"{said}, {math.prod(image)} values")


def _unlike(row: Shape, image: Shape) -> str:
    """What is to be said of images that lie as they should, and are of another size or have other channels; or ""."""
    channels, *size = image
    if len(row) == 2:
        first, sides = 1, list(row)
    elif len(row) == 3 and row[0] != channels and 1 <= row[2] <= MOST_COLOURS and min(row[:2]) >= LARGE:
        first, sides = row[2], list(row[:2])
    elif len(row) == 3:
        first, sides = row[0], list(row[1:])
    else:
        return ""
    if sorted(row) == sorted(image) or sides == size[::-1] != size:
        return ""  # the axes come in another order
    if first != channels:
        return (
            f"images of {first} channel{'s' * (first > 1)} are given, {channels} {'are' if channels > 1 else 'is'} read"
        )
    return f"images of {sides[0]}x{sides[1]} are given; crop, pad or resize them to {size[0]}x{size[1]}"


def read_image_shape(image_shape: Sequence[int]) -> tuple[tuple[int, int, int], str]:
    """An image's shape as people give it → (c, h, w), and the order in which it is written; DataError for others.

    (32, 32, 3) is channels last: few values there, and many before.
    """
    try:
        sizes = tuple(int(size) for size in image_shape if size == int(size))
    except (TypeError, ValueError):
        sizes = ()
    if len(sizes) not in (2, 3) or len(sizes) != len(tuple(image_shape)) or min(sizes) < 1:
        raise DataError(f"image_shape is {image_shape!r}; must be (height, width) or (channels, height, width)")
    if len(sizes) == 2:
        return (1, sizes[0], sizes[1]), "hw"
    first, middle, last = sizes
    if last <= MOST_COLOURS and min(first, middle) >= LARGE:
        return (last, first, middle), "hwc"
    return (first, middle, last), "chw"


class _Oriented(Around):
    """Rows as nets read them, laid so while they are read."""

    def __init__(self, array: Stored, axes: Axes) -> None:
        super().__init__(array, (array.shape[0], *axes.image))
        self._axes = axes

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._axes.as_read(self._array.read(start, stop))

    def pick(self, rows: np.ndarray) -> np.ndarray:
        return self._axes.as_read(self._array.pick(rows))

    def into(self, start: int, target: np.ndarray) -> None:
        if self._axes.is_moved:
            super().into(start, target)
        else:
            self._array.into(start, target.reshape(len(target), *self._axes.given))


def oriented(array: Stored, axes: Axes) -> Stored:
    """The array with rows (c, h, w) or (k,); nothing is read or copied. Another number of axes is a DataError."""
    if array.shape[1:] != axes.given:
        raise DataError(f"{array.origin} has rows of shape {array.shape[1:]}, but {axes.given} are expected")
    if axes.given == axes.image and not axes.is_moved:
        return array
    if isinstance(array, Given) and array.is_ready and not axes.is_moved:
        return Given(axes.as_read(array.held), array.origin)  # still a view of the caller's
    return _Oriented(array, axes)


def channels_first(array: Stored, image: Shape, cropped: bool = False) -> Stored:
    """The array as nets read images (c, h, w), where its rows are these images with channels last; else as it is.

    `cropped`: its images may be larger than those that the net reads.
    """
    row = array.shape[1:]
    if len(row) != 3 or len(image) != 3 or row == image or row[2] != image[0]:
        return array
    fits = row[:2] == image[1:] or (cropped and row[0] != image[0] and row[0] >= image[1] and row[1] >= image[2])
    return oriented(array, Axes(row, (row[2], *row[:2]), "hwc")) if fits else array
