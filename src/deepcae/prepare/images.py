"""Images of one source, by number: of an array, or picture files, which may differ in size."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import Counter
from typing import Any

import numpy as np

from ..data.folder import PictureList, kind_of, shortlist
from ..data.picture import Look, look_at, read_picture
from ..data.stored import DAMAGE, Stored
from ..data.stream import Shape
from ..errors import DataError, first_line
from ..inplace import unread

DENSE = 4  # read all between rows where at most so many are read for one that is wanted
LARGEST = 64 * 2**20  # bytes of rows that are kept because their chunks are unpacked together


class Images(ABC):
    """`total` images; `sizes` (total, 3): each one's c, h, w, or one line for all. Rows of arrays may also be flat."""

    total: int
    dtype: np.dtype[Any]
    sizes: np.ndarray

    def size(self, row: int) -> Shape:
        return tuple(self.sizes[row if len(self.sizes) > 1 else 0].tolist())

    @property
    def is_uniform(self) -> bool:
        """Whether all have one size."""
        return bool((self.sizes == self.sizes[:1]).all())

    def name(self, row: int) -> str:
        """What the image is called, where it has a name of its own."""
        return ""

    @abstractmethod
    def read(self, rows: np.ndarray) -> np.ndarray:
        """Rows in rising order, of one size: (k, c, h, w). DataError where one cannot be read."""

    def close(self) -> None:  # noqa: B027 - some hold nothing open
        """Lets go of open files."""


class ArrayImages(Images):
    """Rows (c, h, w), or (k,), of an array."""

    def __init__(self, array: Stored) -> None:
        self.array, self.total, self.dtype = array, array.shape[0], array.dtype
        self.sizes = np.array([array.shape[1:]])
        each = math.prod(array.shape[1:]) * array.dtype.itemsize
        self._together = array.chunk if array.chunk > 1 and array.chunk * each <= LARGEST else 0
        self._first, self._held = 0, np.empty((0, *array.shape[1:]), array.dtype)

    def read(self, rows: np.ndarray) -> np.ndarray:
        try:
            return self._read(rows)
        except DAMAGE as error:
            told = f"rows {rows[0]} to {rows[-1]} cannot be read ({first_line(error)})"
            raise DataError(unread(self.array.origin, error, f"{self.array.origin}: {told}")) from error

    def _read(self, rows: np.ndarray) -> np.ndarray:
        if self._together:
            parts = [
                self._chunk(int(start))[rows[rows // self._together == start] - start * self._together]
                for start in np.unique(rows // self._together)
            ]
            return parts[0] if len(parts) == 1 else np.concatenate(parts)
        first, last = int(rows[0]), int(rows[-1])
        if last - first + 1 == len(rows):
            return self.array.read(first, last + 1)
        if last - first + 1 <= DENSE * len(rows):
            return self.array.read(first, last + 1)[rows - first]
        return self.array.pick(rows)

    def _chunk(self, number: int) -> np.ndarray:
        """Rows that are unpacked together; the last ones are kept."""
        start = number * self._together
        if not (self._first == start and len(self._held)):
            self._held = self.array.read(start, min(self.total, start + self._together))
            self._first = start
        return self._held

    def close(self) -> None:
        self._held = self._held[:0]
        self.array.close()


class PictureImages(Images):
    """Picture files. All headers are looked at when this is made; `damaged` are those that cannot be read, and why."""

    def __init__(self, pictures: PictureList) -> None:
        self.pictures, self.total = pictures, len(pictures.names)
        self.damaged: dict[int, str] = {}
        sizes, kinds, looks = np.zeros((self.total, 3), np.int64), [], []
        for row in range(self.total):
            try:
                look = look_at(pictures.path(row))
            except DataError as error:
                self.damaged[row] = str(error)
                continue
            sizes[row] = look.shape
            kinds.append((row, look.dtype))
            looks.append(look)
        self.sizes, self._looks = sizes, Counter(_treatment(look) for look in looks)
        types = Counter(kind for _, kind in kinds)
        self.dtype = types.most_common(1)[0][0] if types else np.dtype(np.uint8)
        self._others = [row for row, kind in kinds if kind != self.dtype]

    @property
    def is_uniform(self) -> bool:
        whole = np.delete(self.sizes, list(self.damaged), axis=0)
        return bool((whole == whole[:1]).all())

    def notes(self) -> list[str]:
        """What becomes of the pictures, in words."""
        return [f"{count} {words}" for words, count in self._looks.items() if words]

    def require_one_type(self) -> None:
        """DataError where some pictures have more bits than others."""
        if self._others:
            names = shortlist([self.pictures.names[row] for row in self._others])
            other = look_at(self.pictures.path(self._others[0])).dtype
            raise DataError(
                f"{self.pictures.root}: most pictures are of {self.dtype}, but {len(self._others)} of {other} "
                f"({names}); save them alike, or give them alone"
            )

    def name(self, row: int) -> str:
        return self.pictures.names[row]

    def read(self, rows: np.ndarray) -> np.ndarray:
        found = [self._one(int(row)) for row in rows]
        return found[0][None] if len(found) == 1 else np.stack(found)

    def _one(self, row: int) -> np.ndarray:
        path = self.pictures.path(row)
        picture = read_picture(path)
        if picture.shape != self.size(row) or picture.dtype != self.dtype:
            told = f"its header tells {'x'.join(map(str, self.size(row)))} of {self.dtype}"
            raise DataError(f"{path}: is {kind_of(picture)}, but {told}; save it anew")
        return picture


def _treatment(look: Look) -> str:
    parts = (
        (look.is_clear, "with transparency: laid over white"),
        (look.is_inks, "of inks (CMYK): made R, G, B without their colour profile"),
        (look.is_turned, "turned as the camera was held (EXIF)"),
    )
    return "; ".join(words for holds, words in parts if holds)
