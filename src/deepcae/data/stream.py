"""A data set as an endless stream of batches: batch i holds the stream's rows i·B … i·B+B-1, and row p is row p mod n.

Caffe has no epochs: batches run across file ends and wrap around, no row is dropped and no batch is short (Caffe's data
layers, `hdf5_data_layer.cpp`). Here that is a pure function of i, so that a run resumes by its batch number alone.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Protocol

import numpy as np

from ..errors import DataError

Shape = tuple[int, ...]
Arrays = dict[str, np.ndarray]

CHEAP = 2**20  # bytes of a batch that are copied faster than a thread could hand them over
ALIGNMENT = 64  # bytes: matrix products round differently for other addresses


def aligned(shape: Shape) -> np.ndarray:
    """An empty float32 array that begins at a multiple of `ALIGNMENT`."""
    size = 4 * math.prod(shape)
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + size].view(np.float32).reshape(shape)


class Rows(Protocol):
    """A storage that can be read at any rows."""

    tops: tuple[str, ...]
    total: int  # n: number of rows, at least 1
    shapes: dict[str, Shape]  # of one row

    def at_hand(self, size: int, shuffled: bool) -> bool:
        """Whether `size` rows, one after another or `shuffled`, cost no more than their copy; nothing is read."""

    def read(self, rows: slice | np.ndarray) -> Arrays:
        """The rows, float32 and C order; may be views of what is kept in memory: don't write into them."""

    def close(self) -> None:
        """Lets go of open files."""


class Change(Protocol):
    """What is done to the rows of the first top."""

    def __call__(self, rows: np.ndarray, position: int) -> np.ndarray: ...

    def shape_of(self, row: Shape) -> Shape: ...


class Stream:
    """The `Source` over any `Rows`.

    `shuffle`: within epoch e (rows e·n … e·n+n-1 of the stream) the rows come in a random order that (seed, e) alone
    decides, over the whole data set; two sources of equal length and seed get the same order, so parallel lists stay
    aligned. Differs from Caffe: it shuffles the order of the files, and the rows within each file, by the C library's
    generator, which no seed governs.

    `skip`: the stream's position at which batch 0 begins.

    `transform(rows, position)` is applied to the first top; `position` is the stream's number of the first row.
    """

    def __init__(
        self,
        rows: Rows,
        batch_size: int,
        *,
        transform: Change | None = None,
        shuffle: bool = False,
        seed: int = 0,
        skip: int = 0,
    ) -> None:
        if batch_size < 1:
            raise DataError(f"batch_size is {batch_size}, but must be at least 1")
        self.rows, self.batch_size, self.shuffle, self.seed, self.skip = rows, batch_size, shuffle, seed, skip
        self.tops = rows.tops
        self._transform = transform
        self.shapes = {top: (batch_size, *shape) for top, shape in rows.shapes.items()}
        if transform:
            first = self.tops[0]
            self.shapes[first] = (batch_size, *transform.shape_of(rows.shapes[first]))

    @property
    def at_hand(self) -> bool:
        """Whether a batch is a slice of memory, or a small copy."""
        copied = sum(math.prod(shape) for shape in self.shapes.values()) * 4
        plain = not self.shuffle and self._transform is None
        return self.rows.at_hand(self.batch_size, self.shuffle) and (plain or copied <= CHEAP)

    def batch(self, index: int) -> Arrays:
        """Batch `index` of the endless stream, whatever was read before."""
        if index < 0:
            raise ValueError(f"batch {index}: batches count from 0")
        start = self.skip + index * self.batch_size
        arrays = self.rows.read(self._order(start))
        if self._transform:
            first = self.tops[0]
            arrays[first] = self._transform(arrays[first], start)
        return arrays

    def _order(self, start: int) -> slice | np.ndarray:
        """The data set's rows at the stream's positions start … start+B-1."""
        total, stop = self.rows.total, start + self.batch_size
        first = start % total
        if self.shuffle:
            parts = []
            while start < stop:
                epoch, first = divmod(start, total)
                part = permutation(self.seed, epoch, total)[first : first + stop - start]
                parts.append(part)
                start += len(part)
            return np.concatenate(parts)
        if first + self.batch_size <= total:
            return slice(first, first + self.batch_size)
        return np.arange(first, first + self.batch_size) % total

    def close(self) -> None:
        self.rows.close()


@lru_cache(maxsize=4)
def permutation(seed: int, epoch: int, total: int) -> np.ndarray:
    """The order of `total` rows in an epoch. Sorted raw draws: numpy promises those bits for ever, a shuffle's not."""
    draws = np.random.PCG64(np.random.SeedSequence((seed % 2**64, epoch))).random_raw(total)
    order = np.argsort(draws, kind="stable")
    order.flags.writeable = False
    return order


def drawn(seed: int, below: int) -> int:
    """A number from 0 to below - 1 that the seed alone decides, apart from the orders of all epochs."""
    return int(np.random.PCG64(np.random.SeedSequence((seed % 2**64, 2**64))).random_raw() % below)


def draws(seed: int, position: int, count: int) -> np.ndarray:
    """Four random 64-bit words for each of the stream's rows position … position+count-1: (count, 4) uint64.

    A counter-based generator: a row's words depend on (seed, its position) only, not on the batch size.
    """
    generator = np.random.Philox(key=seed % 2**64, counter=position)
    return generator.random_raw(4 * count).reshape(count, 4)
