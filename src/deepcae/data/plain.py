"""Rows of an array that lies in memory, or one after another in a file, as they are stored: bytes stay bytes there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import DataError
from .memory import as_float32
from .stream import Arrays, Shape


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
            raise DataError(f"{self.path}: rows {start} to {stop - 1} cannot be read ({error})") from error


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
        self.labels = None if labels is None else as_float32(labels, f"{path}: its label")
        if self.labels is not None:
            if len(self.labels) != self.total:
                raise DataError(f"{path}: has {self.total} images, but {len(self.labels)} labels")
            if self.labels.size == self.total:  # several values of a row stay apart
                self.labels = self.labels.reshape(-1)
            self.shapes["label"] = self.labels.shape[1:]
        self.tops = tuple(self.shapes)
        as_float32(images[0:1], str(path))  # what is no number is told now

    def at_hand(self, size: int, shuffled: bool) -> bool:
        return isinstance(self._images, np.ndarray)

    def read(self, rows: slice | np.ndarray) -> Arrays:
        stored = self._images[rows]
        values = as_float32(stored, str(self._path))
        if stored.dtype == np.uint8:
            values = values / np.float32(255)
        arrays = {"data": values.reshape(len(values), *self.shapes["data"])}
        return arrays if self.labels is None else {**arrays, "label": self.labels[rows]}

    def close(self) -> None:
        """Nothing is open."""
