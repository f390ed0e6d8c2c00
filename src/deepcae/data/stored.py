"""Arrays whose rows stay where they are stored, as they are stored: bytes stay bytes until they are read as float32.

A format of files is a function from a path to such arrays by name; `contents.FORMATS` lists them.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import DataError
from .stream import Shape

PIECE = 2**23  # bytes that are unpacked or converted at a time
DAMAGE = (OSError, ValueError, EOFError, RuntimeError, KeyError, TypeError, zlib.error, zipfile.BadZipFile)
"""What readers of damaged files raise."""


@dataclass(frozen=True)
class Told:
    """What a file says of its rows beside their numbers; such rows are images (c, h, w).

    `steps`: what the rows count, the slowest first: (("t", 50), ("z", 3)); `is_series`: whether neighbours follow one
    another in time or depth; `notes`: what was made of the file, in words; `seconds` (n,): the time of each row, where
    the file tells it.
    """

    steps: tuple[tuple[str, int], ...] = ()
    is_series: bool = False
    notes: tuple[str, ...] = ()
    seconds: np.ndarray | None = field(default=None, compare=False, repr=False)


class Stored(ABC):
    """Rows (n, ...) of numbers. A format tells what is there, and how it is read; all else follows from that.

    `origin` is what messages call it, `chunk` how many rows are stored together, `packed` how many bytes are unpacked
    at a time to read one of them. Nothing is open before rows are read, and again after `close`. `told`: what the file
    says of the rows, where it says something; `chunks`: the shape of what is stored together, where that is known;
    `notes`: what else was noticed, in words.
    """

    __slots__ = ("chunk", "dtype", "origin", "packed", "shape")  # a list names many files
    told: Told | None = None
    chunks: Shape | None = None
    notes: tuple[str, ...] = ()
    keeps = False  # whether what was unpacked last is still there for the rows that come next

    def __init__(self, origin: str, shape: Shape, dtype: np.dtype[Any], chunk: int = 1, packed: int = 0) -> None:
        self.origin, self.shape, self.dtype, self.chunk, self.packed = origin, shape, dtype, chunk, packed

    @property
    def alone(self) -> int:
        """Bytes that are unpacked to read one row by itself: those of all chunks that it lies in."""
        chunks = (1, *self.shape[1:]) if self.chunks is None else self.chunks
        return unpacked(self.shape[1:], chunks[1:], chunks, self.dtype)

    @abstractmethod
    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows start … stop-1, as they are stored. One of `DAMAGE` where they cannot be read."""

    def pick(self, rows: np.ndarray) -> np.ndarray:
        """Any rows, in any order, as they are stored."""
        wanted, places = np.unique(rows, return_inverse=True)
        picked: np.ndarray = np.concatenate([self.read(row, row + 1) for row in wanted.tolist()])[places]
        return picked

    def part(self, key: tuple[slice, ...]) -> np.ndarray:
        """A part of the array: a slice for each axis."""
        start, stop, step = key[0].indices(self.shape[0])
        return self.read(start, stop)[(slice(None, None, step), *key[1:])]

    def into(self, start: int, target: np.ndarray) -> None:
        """Rows `start` … into all of `target`, which is float32 in C order."""
        size = max(1, PIECE // max(1, target[:1].nbytes))
        with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as in C
            for at in range(0, len(target), size):
                piece = target[at : at + size]
                piece[...] = self.read(start + at, start + at + len(piece))

    def called(self, row: int) -> str:
        """What messages call the image of a row."""
        return f"{self.origin}: image {row}"

    def close(self) -> None:  # noqa: B027 - most formats hold nothing open
        """Lets go of what is open."""


class Around(Stored):
    """The rows of another array, made into others on the way: one for one, and as costly."""

    def __init__(self, array: Stored, shape: Shape, dtype: np.dtype[Any] | None = None) -> None:
        super().__init__(array.origin, shape, array.dtype if dtype is None else dtype, array.chunk, array.packed)
        self._array, self.keeps = array, array.keeps

    @property
    def alone(self) -> int:
        return self._array.alone

    def close(self) -> None:
        self._array.close()


def unpacked(image: Shape, parts: Shape, chunks: Shape, dtype: np.dtype[Any]) -> int:
    """Bytes of the chunks that an image lies in; `parts`: the sides of a chunk along the axes of the image."""
    touched = math.prod(-(-side // part) for side, part in zip(image, parts, strict=True))
    return touched * math.prod(chunks) * dtype.itemsize


@dataclass(frozen=True)
class Format:
    """A kind of file. `name`: in messages; `begins(path, head)`: whether a file is one, `head` its first 8 bytes.

    `of_pictures`: its bytes are grey levels, ready for any net; otherwise the numbers are what data layers read, to be
    scaled by their `transform_param`. `nameless`: it holds one array, which is called `data`.
    """

    name: str
    begins: Callable[[Path, bytes], bool]
    open: Callable[[Path], Mapping[str, Stored]]
    of_pictures: bool = True
    nameless: bool = False


class Pictures(Around):
    """An array as nets are shown pictures: grey levels of bytes 0..255 become 0..1, (n, H, W) becomes (n, 1, H, W)."""

    def __init__(self, array: Stored) -> None:
        if len(array.shape) < 2 or 0 in array.shape:
            raise DataError(f"{array.origin}: {unfit(array.shape)}")
        total, *row = array.shape
        shape = (total, 1, *row) if len(row) == 2 else array.shape
        super().__init__(array, shape)
        self._grey = array.dtype == np.uint8

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._shown(self._array.read(start, stop))

    def pick(self, rows: np.ndarray) -> np.ndarray:
        return self._shown(self._array.pick(rows))

    def into(self, start: int, target: np.ndarray) -> None:
        self._array.into(start, target.reshape(len(target), *self._array.shape[1:]))
        if self._grey:
            target /= np.float32(255)

    def _shown(self, rows: np.ndarray) -> np.ndarray:
        rows = rows.reshape(len(rows), *self.shape[1:])
        return rows.astype(np.float32) / np.float32(255) if self._grey else rows


def unfit(shape: Shape) -> str:
    """Why an array of this shape holds no images."""
    return f"its data have shape {list(shape)}; needs rows of values, (n, C, H, W) or (n, K)"


class Given(Stored):
    """An array that a caller has: numpy's, a memory map, torch's, or what else is sliced like them (h5py, zarr)."""

    def __init__(self, array: Any, origin: str) -> None:
        if hasattr(array, "detach"):  # torch's
            array = array.detach().cpu().numpy()
        self._array = array if hasattr(array, "shape") and hasattr(array, "dtype") else np.asarray(array)
        super().__init__(origin, tuple(self._array.shape), np.dtype(self._array.dtype))
        chunks = getattr(self._array, "chunks", None)
        if (
            isinstance(chunks, tuple)
            and len(chunks) == len(self.shape)
            and all(isinstance(size, int) for size in chunks)
        ):
            self.chunks, self.chunk = chunks, chunks[0]

    @property
    def held(self) -> np.ndarray:
        """The array as numpy's, but for what lies elsewhere: that is read."""
        return np.asarray(self._array)

    @property
    def is_ready(self) -> bool:
        """Whether it lies in memory as it is read, so that nothing is copied."""
        array = self._array
        is_held = isinstance(array, np.ndarray) and not isinstance(array, np.memmap)
        return is_held and array.dtype == np.float32 and array.flags.c_contiguous

    def read(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self._array[start:stop])

    def part(self, key: tuple[slice, ...]) -> np.ndarray:
        return np.asarray(self._array[key])

    def pick(self, rows: np.ndarray) -> np.ndarray:
        return self._array[rows] if isinstance(self._array, np.ndarray) else super().pick(rows)


class FileArray(Stored):
    """An array in C order whose first value is byte `begin` of a file. Nothing stays open."""

    def __init__(self, path: Path, origin: str, shape: Shape, dtype: np.dtype[Any], begin: int) -> None:
        super().__init__(origin, shape, dtype)
        self._path, self._begin = path, begin

    def read(self, start: int, stop: int) -> np.ndarray:
        values = math.prod(self.shape[1:])
        offset = self._begin + start * values * self.dtype.itemsize
        found = np.fromfile(self._path, self.dtype, (stop - start) * values, offset=offset)
        return found.reshape(stop - start, *self.shape[1:])

    def part(self, key: tuple[slice, ...]) -> np.ndarray:
        return np.memmap(self._path, self.dtype, "r", self._begin, self.shape)[key].copy()  # not held any longer


class PackedArray(Stored):
    """An array in C order that is unpacked as it is read: forwards, from its beginning again where rows lie behind.

    `unpacked` opens the stream, whose first value is byte `begin`.
    """

    keeps = True

    def __init__(
        self, origin: str, shape: Shape, dtype: np.dtype[Any], begin: int, unpacked: Callable[[], IO[bytes]]
    ) -> None:
        super().__init__(origin, shape, dtype)
        self._begin, self._unpacked = begin, unpacked
        self._stream: IO[bytes] | None = None
        self._at = 0  # byte of the values that comes next

    @property
    def alone(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self, start: int, stop: int) -> np.ndarray:
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        content = self._bytes(start * size, (stop - start) * size)
        return np.frombuffer(content, self.dtype).reshape(stop - start, *self.shape[1:])

    def _bytes(self, start: int, size: int) -> bytearray:
        if self._stream is None or start < self._at:
            self.close()
            self._stream, self._at = self._unpacked(), -self._begin
        while self._at < start:
            self._at += len(self._piece(start - self._at))
        content = bytearray()
        while len(content) < size:
            content += self._piece(size - len(content))
        self._at += size
        if self._at == math.prod(self.shape) * self.dtype.itemsize and self._stream.read(1):  # checks its checksum, too
            raise ValueError("it holds more than its header promises")
        return content

    def _piece(self, size: int) -> bytes:
        assert self._stream is not None
        piece = self._stream.read(min(size, PIECE))
        if not piece:
            raise EOFError("it ends there")
        return piece

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
            self._stream = None
