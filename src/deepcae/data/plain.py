"""Rows of an array that lies in memory, or one after another in a file, as they are stored: bytes stay bytes there."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO, Any, Protocol

import numpy as np

from ..errors import DataError
from ..inplace import unread
from .memory import as_float32
from .stream import Arrays, Shape

PIECE = 2**23  # bytes that are unpacked or converted at a time
DAMAGED = (OSError, ValueError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)


class Stored(Protocol):
    """What is sliced along its first axis."""

    @property
    def shape(self) -> Shape: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray: ...


@dataclass(frozen=True)
class FileArray:
    """An array in C order whose first value is byte `begin` of a file. Nothing stays open."""

    path: Path
    shape: Shape
    dtype: np.dtype[Any]
    begin: int

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        if not isinstance(rows, slice):
            return np.concatenate([self[row : row + 1] for row in rows.tolist()])
        start, stop, _ = rows.indices(self.shape[0])
        values = int(np.prod(self.shape[1:]))
        try:
            found = np.fromfile(
                self.path, self.dtype, (stop - start) * values, offset=self.begin + start * values * self.dtype.itemsize
            )
            return found.reshape(stop - start, *self.shape[1:])
        except (OSError, ValueError) as error:
            why = f"{self.path}: rows {start} to {stop - 1} cannot be read ({error})"
            raise DataError(unread(self.path, error, why)) from error


class PackedArray:
    """An array in C order that is unpacked as it is read: forwards, from its beginning again where rows lie behind.

    `unpacked` opens the stream, whose first value is byte `begin`. Threads take turns.
    """

    def __init__(
        self, path: Path, shape: Shape, dtype: np.dtype[Any], begin: int, unpacked: Callable[[], IO[bytes]]
    ) -> None:
        self.shape, self.dtype = shape, dtype
        self._path, self._begin, self._unpacked = path, begin, unpacked
        self._stream: IO[bytes] | None = None
        self._at = 0  # byte of the values that comes next
        self._lock = Lock()

    def __getitem__(self, rows: slice | np.ndarray) -> np.ndarray:
        if not isinstance(rows, slice):
            order = np.argsort(rows, kind="stable")
            found = np.concatenate([self[row : row + 1] for row in rows[order].tolist()])
            return found[np.argsort(order, kind="stable")]
        start, stop, _ = rows.indices(self.shape[0])
        size = math.prod(self.shape[1:]) * self.dtype.itemsize
        with self._lock:
            try:
                content = self._read(start * size, (stop - start) * size)
            except DAMAGED as error:
                why = f"{self._path}: rows {start} to {stop - 1} cannot be read ({error})"
                raise DataError(unread(self._path, error, why)) from error
        return np.frombuffer(content, self.dtype).reshape(stop - start, *self.shape[1:])

    def _read(self, start: int, size: int) -> bytearray:
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


class PlainRows:
    """Images and their labels, if there are any, as `data` and `label`: float32 when they are read.

    Grey levels 0..255 (bytes) become 0..1, (n, H, W) becomes (n, 1, H, W); other numbers are taken as they stand.
    `path` is who is to blame.
    """

    def __init__(self, images: Stored, labels: np.ndarray | None, path: Path) -> None:
        if len(images.shape) < 2 or 0 in images.shape:
            raise DataError(
                f"{path}: its data have shape {list(images.shape)}; needs rows of values, (n, C, H, W) or (n, K)"
            )
        self._images, self._path = images, path
        self.total = images.shape[0]
        row = images.shape[1:]
        self.shapes: dict[str, Shape] = {"data": (1, *row) if len(row) == 2 else row}
        if labels is not None and labels.ndim and len(labels) != self.total:
            raise DataError(f"{path}: has {self.total} images, but {len(labels)} labels")
        self.labels = None if labels is None else as_float32(labels, f"{path}: its label")
        if self.labels is not None:
            if self.labels.size == self.total:  # several values of a row stay apart
                self.labels = self.labels.reshape(-1)
            self.shapes["label"] = self.labels.shape[1:]
        self.tops = tuple(self.shapes)
        as_float32(np.empty((1,), images.dtype), str(path))  # what is no number is told now

    def at_hand(self, size: int, shuffled: bool) -> bool:
        return isinstance(self._images, np.ndarray)

    def read(self, rows: slice | np.ndarray) -> Arrays:
        arrays = {"data": self._converted(rows)}
        return arrays if self.labels is None else {**arrays, "label": self.labels[rows]}

    def _converted(self, rows: slice | np.ndarray) -> np.ndarray:
        """float32, a piece at a time: what is stored never lies beside it as a whole."""
        numbers = np.arange(self.total)[rows] if not isinstance(rows, slice) else range(*rows.indices(self.total))
        out = np.empty((len(numbers), *self.shapes["data"]), np.float32)
        size = max(1, PIECE // max(1, out[:1].nbytes))
        for at in range(0, len(numbers), size):
            part = numbers[at : at + size]
            stored = self._images[slice(part[0], part[-1] + 1) if isinstance(part, range) else part]
            values = as_float32(stored, str(self._path)).reshape(len(part), *self.shapes["data"])
            out[at : at + len(part)] = values / np.float32(255) if stored.dtype == np.uint8 else values
        return out

    def close(self) -> None:
        if isinstance(self._images, PackedArray):
            self._images.close()
