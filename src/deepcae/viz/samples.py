"""Samples of any shape as pictures: images as they are, channels and slices side by side, signals as curves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..errors import DataError
from .style import class_color, columns_to_fit, mosaic, number
from .tile import Box, Tiles

LINES, LONG = 4, 8  # a sample of so few lines, each so many times as long as their number, is a signal
MOST_TILES = 16  # channels or slices of one sample that are shown
CURVE = 0.6  # height of a curve's box, of its width
ALIKE = (
    0.4  # deviation of images from their mean, of the contrast in that: below, an eye sees one image again and again
)
CUT = 0.1  # percent of the differences at each end that are black or white
CLIPPED = 0.5  # percent of the values at each end that are black or white where a few lie far from all others
FAR = 1.5  # times the width of all others: values that reach so far would make these look alike
EDGE = 2  # pixels around a sample of several tiles, where samples touch


def signal(shape: Sequence[int]) -> tuple[int, int] | None:
    """(lines, values of each) of a sample (L,) or of one long axis: (1, 1, 500), (2, 500); None for images."""
    if len(shape) == 1:
        return 1, shape[0]
    longest = max(shape, default=0)
    lines = math.prod(shape) // max(longest, 1)
    return (lines, longest) if 0 < lines <= LINES and longest >= LONG * lines else None


def apart(stack: Any, *others: Any) -> tuple[list[np.ndarray], tuple[float, float], str]:
    """Stacks (n, ...) as they are to be drawn, their scale, and what must be said of that.

    Frames of one field of view are so alike that only their differences from their mean, that of `stack`, tell
    anything: these are drawn where the deviation from the mean is below `ALIKE` of the contrast of the mean.
    """
    first, *more = (np.asarray(each, np.float64) for each in (stack, *others))
    there = first[np.isfinite(first).reshape(len(first), -1).all(axis=1)] if first.size else first
    if signal(first.shape[1:]) is not None:
        return [first, *more], scale_of(first), ""
    if len(there) < 2 or there.ndim < 3:
        return [first, *more], *window_of(first)
    mean = there.mean(axis=0)
    if not 0 < np.sqrt(np.square(there - mean).mean()) < ALIKE * mean.std():
        return [first, *more], *window_of(first)
    most = float(np.percentile(np.abs(there - mean), 100 - CUT))
    note = f"so alike that their differences from their mean are drawn: ±{most:.3g}"
    return [each - mean for each in (first, *more)], (-most, most), note


class Samples:
    """N samples, each to be drawn in a box of one shape. DataError where there are none, or they have no values.

    (N, H, W), (N, 1, H, W), (N, 3, H, W): images, grey or in colour. (N, C, H, W) of other C: the channels side
    by side. (N, C, D, H, W): the slices. (N, L), and what `signal` takes for one: curves.
    """

    def __init__(self, stack: Any, what: str = "images") -> None:
        self.stack = np.asarray(stack, dtype=np.float64)
        if self.stack.ndim < 2:
            raise DataError(f"{what} have shape {self.stack.shape}; expected (N, H, W), (N, C, H, W), (N, L) or more")
        if not self.stack.size:
            raise DataError(f"there are no {what} to show: their shape is {self.stack.shape}")
        self.lines = signal(self.stack.shape[1:])

    def __len__(self) -> int:
        return len(self.stack)

    @cached_property
    def note(self) -> str:
        """What must be said of the pictures; "" for images."""
        if self.lines is not None:
            return "a curve each" if self.lines[0] == 1 else f"{self.lines[0]} curves each"
        if self._is_plain:
            return ""
        count, what = self._tiles(0).shape[0], "channels" if self.stack.ndim == 4 else "slices"
        whole = math.prod(self.stack.shape[1:-2])
        columns = self._columns(self._tiles(0))
        laid = "side by side" if columns >= count else "one below the other" if columns == 1 else "row by row"
        return f"{count if count == whole else f'{count} of {whole}'} {what}, {laid}"

    @property
    def aspect(self) -> float:
        """Height of a sample's box, of its width."""
        if self.lines is not None:
            return CURVE
        height, width = self.picture(0).shape[:2]
        return height / width

    def picture(self, index: int) -> np.ndarray:
        """(H, W) or (H, W, 3) of a sample that is no signal; NaN between its tiles."""
        tiles = self._tiles(index)
        if self._is_plain:
            return tiles[0] if len(tiles) == 1 else tiles.transpose(1, 2, 0)
        return mosaic(tiles, self._columns(tiles))

    def _columns(self, tiles: np.ndarray) -> int:
        """So many that the sample's box is about square."""
        return columns_to_fit(len(tiles), tiles.shape[2] / tiles.shape[1], 1.0)

    def curves(self, index: int) -> np.ndarray:
        """(lines, values) of a sample that is a signal."""
        assert self.lines is not None
        sample = self.stack[index]
        return np.moveaxis(sample, int(np.argmax(sample.shape)), -1).reshape(self.lines)

    def draw(self, tiles: Tiles, index: int, box: Box, low: float, high: float) -> None:
        """A sample in its box, black and white (or bottom and top) at `low` and `high`."""
        if self.lines is None:
            tiles.picture(self.picture(index), box, low, high)
        else:
            tiles.curves(self.curves(index), box, low, high)

    @property
    def _is_plain(self) -> bool:
        return self.stack.ndim == 3 or (self.stack.ndim == 4 and self.stack.shape[1] in (1, 3))

    def _tiles(self, index: int) -> np.ndarray:
        """(tiles, H, W) of a sample: its channels or slices, evenly spaced where there are too many."""
        sample = self.stack[index]
        tiles = sample.reshape(-1, *sample.shape[-2:])
        if len(tiles) <= MOST_TILES:
            return tiles
        return tiles[np.linspace(0, len(tiles) - 1, MOST_TILES).round().astype(int)]


def draw_curves(axes: Axes, lines: np.ndarray) -> None:
    """(lines, values) as curves over their whole length."""
    for place, line in enumerate(lines):
        axes.plot(np.arange(len(line)), line, color=class_color(place), linewidth=0.7)
    axes.set_xlim(-0.5, max(lines.shape[1] - 0.5, 0.5))


def scale_of(values: np.ndarray) -> tuple[float, float]:
    """The smallest and largest finite value; one more where they are the same."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return low, high if high > low else low + 1


def window_of(values: np.ndarray) -> tuple[tuple[float, float], str]:
    """The values of black and white, and what must be said of them: the smallest and the largest, as a rule.

    Where these are `FAR` times as far from each other as the `CLIPPED`th percentiles at both ends, as a few bright
    pixels of a fluorescence image are, these percentiles. Values of 0..1 keep their range.
    """
    low, high = scale_of(values)
    finite = values[np.isfinite(values)]
    if not finite.size or (low >= 0 and high <= 1):
        return (low, high), ""
    least, most = (float(each) for each in np.percentile(finite, (CLIPPED, 100 - CLIPPED)))
    if not 0 < most - least < (high - low) / FAR:
        return (low, high), ""
    note = f"contrast: {CLIPPED:g} to {100 - CLIPPED:g} percentile, {number(least)} to {number(most)}"
    return (least, most), note
