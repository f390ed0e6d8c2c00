"""Rows of stored arrays: few are kept in memory, many are read in blocks, one block ahead.

A data set of up to `MEMORY_LIMIT` bytes (as float32) is kept in memory, and a batch is then a view of it; a larger one
is read in blocks of `BLOCK` bytes, so memory stays bounded whatever the files' size. Shuffling a large data set reads
single rows, which is slow where it is compressed: store it plain.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from .ahead import Ahead
from .joined import Joined, Part
from .readcost import cost_note
from .stream import Arrays, aligned

MEMORY_LIMIT = 256 * 2**20  # bytes of a data set that is kept in memory as a whole
BLOCK = 8 * 2**20  # bytes that are read at a time from a larger one
EVEN = 512  # rows of which a block holds a multiple, so that batches of powers of two lie within one


class ArrayRows:
    """Rows that lie in memory: arrays of equal length by top name."""

    def __init__(self, arrays: Arrays) -> None:
        self.arrays = arrays
        self.tops = tuple(arrays)
        self.total = len(next(iter(arrays.values())))
        self.shapes = {top: array.shape[1:] for top, array in arrays.items()}

    def at_hand(self, size: int, shuffled: bool) -> bool:
        return True

    def read(self, rows: slice | np.ndarray) -> Arrays:
        if isinstance(rows, slice):
            return {top: array[rows] for top, array in self.arrays.items()}
        return {top: _picked(array, rows) for top, array in self.arrays.items()}

    def close(self) -> None:
        """Nothing is open."""


def _picked(array: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """array[rows], where torch takes it without another copy."""
    if array.dtype != np.float32:
        return array[rows]
    made = aligned((len(rows), *array.shape[1:]))
    return np.take(array, rows, axis=0, out=made, mode="clip")  # of other modes it copies twice


class StoredRows:
    """The `Rows` of arrays by name. `dtypes`: as they are stored; they are read as float32."""

    def __init__(self, parts: Sequence[Part], memory_limit: int | None = None, block: int | None = None) -> None:
        self._files = files = Joined(parts)
        self.shapes, self.total, self.tops = files.shapes, files.total, tuple(files.shapes)
        self.dtypes = {top: array.dtype for top, array in parts[0].arrays.items()}
        limit = MEMORY_LIMIT if memory_limit is None else memory_limit
        held = parts[0].in_memory() if len(parts) == 1 else None
        self._memory = None if held is None else ArrayRows(held)
        self.in_memory = self._memory is not None or self.total * files.row_bytes <= min(limit, files.room)
        self._block_rows = max(1, (BLOCK if block is None else block) // max(files.row_bytes, 1))
        if self._block_rows > EVEN:
            self._block_rows -= self._block_rows % EVEN
        self._starts = starts = files.starts(self._block_rows)
        ends = [*starts[1:], self.total]

        def block_at(turn: int) -> Arrays:  # turns count on where the stream begins again
            return files.copied(starts[turn % len(starts)], ends[turn % len(starts)])

        self._blocks = Ahead(block_at, 1 if len(starts) == 1 else None)
        self._turn, self._block = -1, files.copied(0, 0)

    def at_hand(self, size: int, shuffled: bool) -> bool:
        return self.in_memory or not (shuffled or size > self._block_rows)

    def read(self, rows: slice | np.ndarray) -> Arrays:
        if self.in_memory:
            if self._memory is None:
                self._memory = self._load()
            return self._memory.read(rows)
        if not isinstance(rows, slice):
            return self._files.scattered(rows)
        if rows.stop - rows.start <= self._block_rows:
            return self._run(rows.start, rows.stop)
        return self._files.copied(rows.start, rows.stop)

    def called(self, top: str, row: int) -> str:
        """What messages call a row of an array: its file, and its number there."""
        return self._files.called(top, row)

    def cost_note(self, size: int, shuffled: bool) -> str:
        """What is to be said of reading `size` rows at a time, where that unpacks far more than they are; or ""."""
        if self.in_memory:
            return ""
        block = (self._starts[1] if len(self._starts) > 1 else self.total) - self._starts[0]
        return cost_note(self._files.parts, size if shuffled else block, shuffled)

    def whole(self, limit: int | None = None) -> Arrays:
        """All rows, or the first `limit`, at once. DataError where they would take too much memory for their files."""
        return self._files.whole(self.total if limit is None else min(limit, self.total))

    def as_stored(self, top: str) -> np.ndarray:
        """All rows of an array at once; numbers keep their type. DataError as of `whole`."""
        return self._files.as_stored(top)

    def close(self) -> None:
        self._blocks.close()
        self._files.close()

    def _load(self) -> ArrayRows:
        """The whole data set; nets that read the same files (train and test-on-train) share it."""
        parts = self._files.parts
        kinds = tuple((top, type(array)) for top, array in parts[0].arrays.items())
        key = (kinds, tuple((part.path.resolve(), part.stamp) for part in parts if part.path is not None))
        loaded = _LOADED.get(key) if len(key[1]) == len(parts) else None
        if loaded is None:
            loaded = ArrayRows(self._files.copied(0, self.total))
            self._files.close()
            if len(key[1]) == len(parts):
                _LOADED[key] = loaded
        return loaded

    def _run(self, start: int, stop: int) -> Arrays:
        """Neighbouring rows: a view where they lie within one block."""
        parts: list[Arrays] = []
        while start < stop:
            number = bisect_right(self._starts, start) - 1
            ahead = (number - self._turn) % len(self._starts)
            if ahead or self._turn < 0:
                self._turn = self._turn + ahead if self._turn >= 0 else number
                self._block = self._blocks.batch(self._turn)
            begin = self._starts[number]
            parts.append({top: array[start - begin : stop - begin] for top, array in self._block.items()})
            start += len(parts[-1][self.tops[0]])
        if len(parts) == 1:
            return parts[0]
        return {top: np.concatenate([part[top] for part in parts]) for top in self.tops}


_LOADED: WeakValueDictionary[Any, ArrayRows] = WeakValueDictionary()
