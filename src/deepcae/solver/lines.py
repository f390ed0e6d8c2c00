"""A file that grows line by line during a training. A disk that fails cannot end the training.

A line that cannot be written waits in memory and goes to the file with the next one that can: whoever makes room finds
the file whole. Only where more than `MOST_WAITING` bytes wait are the oldest lines lost, and the file says how many.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Self

from ..atomic import cannot_write
from ..inplace import open_to_append

MOST_WAITING = 2**20  # bytes


class Lines:
    """The file at `path`, open for appending. OSError if it cannot be opened; from then on nothing raises.

    `tell` takes the sentence about the first line that could not be written; `gap(n)` is the line that stands where n
    lines were lost.
    """

    def __init__(self, path: Path, tell: Callable[[str], None], gap: Callable[[int], str]) -> None:
        self.path, self._tell, self._gap = path, tell, gap
        self._file = open_to_append(path)
        self._descriptor = self._file.fileno()
        self._torn = not _ends_a_line(path)
        self._waiting: deque[bytes] = deque()
        self._lost = 0
        self._gap_due = 0  # lines lost since the file last said so
        self._told = False
        self._reason = ""  # why lines wait; "" when none does
        self._unsynced = ""  # why the file may not be on the disk

    def write(self, line: str) -> None:
        """Puts a line at the end: now, or as soon as that can be."""
        self._waiting.append(line.encode("utf-8", "backslashreplace") + b"\n")
        self._flush()

    def sync(self) -> None:
        """Waits until the lines are on the disk."""
        self._flush()
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            self._unsynced = error.strerror or str(error)
            self._complain(error, 0)

    def close(self) -> None:
        """Ends the file, after a last try to write what waits."""
        if not self._file.closed:
            self.sync()
            self._file.close()

    @property
    def missing(self) -> str:
        """What the file lacks, in a sentence; "" if nothing."""
        count = len(self._waiting) + self._lost
        if count:
            return f"{self.path}: lacks {count} line{'s' * (count > 1)}: {self._reason or 'there was no room for them'}"
        return f"{self.path}: may not be whole on the disk: {self._unsynced}" if self._unsynced else ""

    def _flush(self) -> None:
        try:
            if self._gap_due:
                self._put(self._gap(self._gap_due).encode() + b"\n")
                self._gap_due = 0
            while self._waiting:
                self._put(self._waiting[0])
                self._waiting.popleft()
        except OSError as error:
            self._reason = error.strerror or str(error)
            waiting = sum(map(len, self._waiting))
            self._complain(error, waiting)
            while waiting > MOST_WAITING:
                waiting -= len(self._waiting.popleft())
                self._lost, self._gap_due = self._lost + 1, self._gap_due + 1

    def _put(self, data: bytes) -> None:
        """One line, whole; what is written of it when the rest fails is taken back, or ended as a line of its own."""
        rest = memoryview(b"\n" + data if self._torn else data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
            self._torn = False
        except OSError:
            written = len(data) + self._torn - len(rest)
            if written:
                self._take_back(written)
            raise

    def _take_back(self, written: int) -> None:
        try:
            os.ftruncate(self._descriptor, os.fstat(self._descriptor).st_size - written)
        except OSError:
            self._torn = True

    def _complain(self, error: OSError, needed: int) -> None:
        if not self._told:
            self._told = True
            self._tell(f"{cannot_write(self.path, error, needed)}; the training goes on, and the lines wait in memory")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _ends_a_line(path: Path) -> bool:
    """Unlike a file that a killed process left."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 1))
        return file.read() in (b"", b"\n")
