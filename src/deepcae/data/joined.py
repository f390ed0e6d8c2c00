"""The rows of several files or arrays, one after the other. They are copied when they are asked for."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np

from ..bounds import ROOM, require_room
from ..errors import DataError, first_line
from ..inplace import unread
from .stored import DAMAGE, Given, Pictures, Stored
from .stream import Arrays, Shape, aligned

LARGEST_BLOCK = 2**24  # bytes of a block of whole chunks; where chunks are larger, a part of one is read at a time
OPEN_FILES = 16  # files kept open at a time; a list may name thousands
LARGE = 2**20  # bytes that a file holds while it is open, so that no other stays open beside it


class Part:
    """What is read of one file, or of arrays that a caller has: checked before a row is read, all of equal length."""

    __slots__ = ("arrays", "chunk", "origin", "packed", "path", "rows", "stamp", "stored")

    def __init__(self, origin: str, arrays: Mapping[str, Stored], stamp: tuple[int, ...], path: Path | None) -> None:
        """`stamp` is the file's, taken before its header was read."""
        self.origin, self.path, self.arrays, self.stamp = origin, path, dict(arrays), stamp
        first, *others = self.arrays
        for array in self.arrays.values():
            if array.dtype.kind not in "fiub" or not array.shape:
                has = f"type {array.dtype} and shape {list(array.shape)}"
                raise DataError(f"{array.origin} has {has}; needs rows of numbers")
        self.rows = self.arrays[first].shape[0]
        for top in others:
            if (count := self.arrays[top].shape[0]) != self.rows:
                if isinstance(self.arrays[first], Pictures):
                    raise DataError(f"{origin}: has {self.rows} images, but {count} labels")
                raise DataError(f"{origin}: dataset {top!r} has {count} rows, but {first!r} has {self.rows}")
        if not self.rows:
            raise DataError(f"{self.arrays[first].origin} has no rows")
        self.chunk = max(array.chunk for array in self.arrays.values())
        self.packed = sum(array.packed for array in self.arrays.values())
        sizes = (math.prod(array.shape) * array.dtype.itemsize for array in self.arrays.values())
        self.stored: int = stamp[2] if stamp else sum(sizes)  # bytes
        if path is not None and path.is_dir():
            self.stored = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())

    def in_memory(self) -> Arrays | None:
        """The rows, where all arrays lie in memory already as they are read."""
        held = {top: array.held for top, array in self.arrays.items() if isinstance(array, Given) and array.is_ready}
        return held if len(held) == len(self.arrays) else None

    def close(self) -> None:
        for array in self.arrays.values():
            array.close()


class Joined:
    """Threads take turns."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        first = parts[0]
        self.shapes: dict[str, Shape] = {top: array.shape[1:] for top, array in first.arrays.items()}
        for part in parts[1:]:
            for top, array in part.arrays.items():
                if array.shape[1:] != self.shapes[top]:
                    raise DataError(
                        f"{part.path}: a row of dataset {top!r} has shape {list(array.shape[1:])}, "
                        f"but {list(self.shapes[top])} in {first.path}"
                    )
        self.row_bytes = 4 * sum(math.prod(shape) for shape in self.shapes.values())
        self._ends = np.cumsum([part.rows for part in parts]).tolist()
        self.total: int = self._ends[-1]
        self._open: OrderedDict[Part, None] = OrderedDict()
        self._lock = Lock()

    def starts(self, size: int) -> list[int]:
        """The first rows of blocks of about `size` rows: whole chunks of one file, but of large ones a part."""
        found: list[int] = []
        for part, end in zip(self.parts, self._ends, strict=True):
            whole = -(-size // part.chunk) * part.chunk
            found.extend(range(end - part.rows, end, whole if whole * self.row_bytes <= LARGEST_BLOCK else size))
        return found

    @property
    def stored(self) -> int:
        """Bytes of all files."""
        return sum(part.stored for part in self.parts)

    @property
    def room(self) -> int:
        """Bytes that may be held of all rows: twice the files' and `ROOM`, less those of chunks that are unpacked."""
        return 2 * self.stored + ROOM - max(part.packed for part in self.parts)

    def copied(self, start: int, stop: int) -> Arrays:
        """Rows start … stop-1 of the whole, across files."""
        out, at = self._empty(stop - start), 0
        while start < stop:
            part, base = self._home(start)
            end = min(stop, base + part.rows)
            for top in self.shapes:
                with self._reading(part, top, start - base, end - 1 - base) as array:
                    array.into(start - base, out[top][at : at + end - start])
            at, start = at + end - start, end
        return out

    def scattered(self, rows: np.ndarray) -> Arrays:
        """Any rows."""
        out = self._empty(len(rows))
        files = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(files).tolist():
            places = np.flatnonzero(files == number)
            part, base = self._home(int(rows[places[0]]))
            wanted = rows[places] - base
            for top in self.shapes:
                with self._reading(part, top, wanted.min(), wanted.max()) as array, np.errstate(over="ignore"):
                    out[top][places] = array.pick(wanted)
        return out

    def called(self, top: str, row: int) -> str:
        """What messages call a row of an array."""
        part, base = self._home(row)
        return part.arrays[top].called(row - base)

    def whole(self, count: int) -> Arrays:
        """The first `count` rows at once."""
        self._require_room(count * self.row_bytes)
        return self.copied(0, count)

    def as_stored(self, top: str) -> np.ndarray:
        """All rows of an array at once; numbers keep their type."""
        self._require_room(
            sum(math.prod(part.arrays[top].shape) * part.arrays[top].dtype.itemsize for part in self.parts)
        )
        found = []
        for part in self.parts:
            with self._reading(part, top, 0, part.rows - 1) as array:
                found.append(array.read(0, part.rows))
        return np.concatenate(found)

    def close(self) -> None:
        while self._open:
            self._open.popitem()[0].close()

    def _require_room(self, held: int) -> None:
        try:
            require_room(held, self.stored)
        except ValueError as error:
            raise DataError(f"{self.parts[0].origin}: {error}") from None

    def _empty(self, rows: int) -> Arrays:
        return {top: aligned((rows, *shape)) for top, shape in self.shapes.items()}

    def _home(self, row: int) -> tuple[Part, int]:
        """The part that holds a row, and the number of its own first row."""
        number = bisect_right(self._ends, row)
        part = self.parts[number]
        return part, self._ends[number] - part.rows

    @contextmanager
    def _reading(self, part: Part, top: str, first: int, last: int) -> Iterator[Stored]:
        """An array of the part; damage is told with its place."""
        array = part.arrays[top]
        try:
            with self._lock:
                self._use(part)
                yield array
        except DAMAGE as error:
            why = f"{array.origin}: rows {first} to {last} cannot be read ({first_line(error)})"
            raise DataError(why if part.path is None else unread(part.path, error, why)) from error

    def _use(self, part: Part) -> None:
        """Closes what is open too long. DataError if a file is not the one any more whose header was read."""
        if part.path is not None and stamp_of(part.path) != part.stamp:
            raise DataError(f"{part.path}: was replaced or changed while it was in use; start again with the new file")
        if part not in self._open:
            if len(self._open) >= OPEN_FILES:
                self._open.popitem(last=False)[0].close()
            for other in [each for each in self._open if each.packed > LARGE]:
                self._open.pop(other)
                other.close()  # its cache
            self._open[part] = None
        self._open.move_to_end(part)


def stamp_of(path: Path) -> tuple[int, ...]:
    """What changes when the file is written or replaced."""
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns
