"""Arrays whose axes have names: t, z, c, y, x, in any order. c and s are channels; what else there is counts rows.

tzcyx (50, 3, 2, 512, 512)   →   150 rows (2, 512, 512), row = 3·t + z
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ..errors import DataError
from .stored import Stored, Told, unpacked
from .stream import Shape

Key = tuple[slice, ...]
SPELLED = {"t": "times", "z": "depths", "c": "channels", "s": "colours", "y": "height", "x": "width"}
_WHOLE = slice(None)


class Named(Stored):
    """The images (c, h, w) of an array with named axes. `fetch(key)`: that part of the array, a slice for each axis.

    One letter is one axis: `y` and `x` are the image's, `c` and `s` its channels; what `n` counts comes in any order,
    all else in time or depth. `colours`: how many along `s` are read (of R, G, B and transparency the first three);
    `chunks`: what of the array is stored together; `notes`: what was made of the file; `held`: is closed with this.
    """

    def __init__(
        self,
        origin: str,
        axes: str,
        shape: Sequence[int],
        dtype: np.dtype[Any],
        fetch: Callable[[Key], np.ndarray],
        *,
        chunks: Sequence[int] | None = None,
        packed: int = 0,
        notes: Sequence[str] = (),
        colours: int | None = None,
        held: Stored | None = None,
    ) -> None:
        axes = require_axes(axes, len(shape), origin)
        size = dict(zip(axes, map(int, shape), strict=True))
        if colours is not None:
            size["s"] = colours
        self._held = held
        self.axes, self.fetch, self.array_shape = axes, fetch, tuple(map(int, shape))
        self._colours = slice(colours)
        self._steps = [name for name in axes if name not in "csyx"]
        self._sizes = [size[name] for name in self._steps]
        self._image = [name for name in "csyx" if name in axes]
        channels = size.get("c", 1) * size.get("s", 1)
        rows = (math.prod(self._sizes), channels, size.get("y", 1), size.get("x", 1))
        last = self._steps[-1] if self._steps else None
        chunk = 1 if chunks is None or last is None else chunks[axes.index(last)]
        super().__init__(origin, rows, dtype, min(chunk, max(1, rows[0])), packed)
        self.chunks = None if chunks is None else tuple(map(int, chunks))
        steps = tuple((name, size[name]) for name in self._steps if size[name] > 1)
        self.told = Told(steps, any(name != "n" for name, _ in steps), (*made_of(axes, shape), *notes))

    @property
    def alone(self) -> int:
        if self.chunks is None:
            return super().alone
        sides = dict(zip(self.axes, zip(self.array_shape, self.chunks, strict=True), strict=True))
        image, parts = zip(*(sides[name] for name in self._image), strict=True)
        return unpacked(image, parts, self.chunks, self.dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        parts = [self._run(key) for key in self._keys(start, stop)]
        return parts[0] if len(parts) == 1 else np.concatenate(parts or [np.empty((0, *self.shape[1:]), self.dtype)])

    def close(self) -> None:
        if self._held is not None:
            self._held.close()

    def _keys(self, start: int, stop: int) -> Iterator[Key]:
        """For each run of rows along the last axis that counts them."""
        *outer, last = self._sizes or [1]
        at = start
        while at < stop:
            run = min(stop - at, last - at % last)
            places = {"s": self._colours}
            if self._steps:
                index = np.unravel_index(at // last, outer) if outer else ()
                places |= {name: slice(int(i), int(i) + 1) for name, i in zip(self._steps, index, strict=False)}
                places[self._steps[-1]] = slice(at % last, at % last + run)
            yield tuple(places.get(name, _WHOLE) for name in self.axes)
            at += run

    def _run(self, key: Key) -> np.ndarray:
        return self.ordered(np.asarray(self.fetch(key))).reshape(-1, *self.shape[1:])

    def ordered(self, part: np.ndarray) -> np.ndarray:
        """A part of the array, its axes in the order of rows: what counts them, c, s, y, x."""
        return part.transpose([self.axes.index(name) for name in (*self._steps, *self._image)])


def require_axes(axes: str, count: int, origin: str) -> str:
    """The names in lower case; DataError where they do not fit, are given twice, or name no image."""
    axes = axes.lower()
    if len(axes) != count or len(set(axes)) != count or not axes.isalpha():
        raise DataError(f"{origin}: its axes are '{axes}', but it has {count} axes; give one letter for each, as tzcyx")
    if not {"x", "y"} & set(axes):
        raise DataError(f"{origin}: its axes '{axes}' hold no image; they need y and x")
    return axes


def made_of(axes: str, shape: Shape | Sequence[int]) -> tuple[str, ...]:
    """What became of the axes, in words; nothing where a row is a row."""
    size = dict(zip(axes, shape, strict=True))
    counted = [name for name in axes if name not in "csyx" and size[name] > 1]
    told = []
    if len(counted) > 1 or ("c" in axes and size["c"] > 1):
        rows = " x ".join(f"{size[name]} {SPELLED.get(name, name)}" for name in counted) or "1"
        channels = f", {size['c']} channels" if size.get("c", 1) > 1 else ""
        named = f"axes {axes.upper()}: "
        told.append(f"{named}{rows} are {math.prod(size[name] for name in counted)} images{channels}")
    return tuple(told)
