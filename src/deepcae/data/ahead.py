"""Reading ahead: while a batch is in use, a thread of its own reads the next one.

    batches = Ahead(feed.batch)
    batches.batch(7)  # reads 7 and begins to read 8
    batches.batch(8)  # is there already, or waited for

What is read is a pure function of the batch's number, so results are those of `read` alone, bit by bit, in any order.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """`read(index)`, with `read(index + 1)` under way when it returns; `end`: the number of batches, if there is one.

    `read` is never run twice at a time. What it raises comes out where its own batch is asked for; asked for again, the
    batch is read again. The end of the program, or Ctrl-C, waits for the one batch that is being read.
    """

    def __init__(self, read: Callable[[int], T], end: int | None = None) -> None:
        self._read, self._end = read, end
        self._pool = ThreadPoolExecutor(1, "deepcae-ahead")
        self._coming: tuple[int, Future[T]] | None = None

    def batch(self, index: int) -> T:
        """Batch `index`."""
        batch = self._take(index)
        if self._end is None or index + 1 < self._end:
            self._coming = index + 1, self._pool.submit(self._read, index + 1)
        return batch

    def _take(self, index: int) -> T:
        if self._coming is None:
            return self._read(index)
        number, future = self._coming
        wait([future])  # interrupted here it stays the one that is coming
        self._coming = None
        return future.result() if number == index else self._read(index)

    def close(self) -> None:
        """Ends the thread; what is being read is waited for."""
        self._pool.shutdown(cancel_futures=True)
