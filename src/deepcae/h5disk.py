"""An HDF5 file that is written to a disk which may fail or be full: HDF5's library does not survive that."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def new_h5(path: Path) -> Iterator[tuple[Any, Callable[[], None]]]:
    """An h5py.File to fill, in place of the file `path`; and what raises the OSError of a write that has failed.

    That is asked at the end in any case; whoever writes for long asks now and then.
    """
    import h5py

    with Disk(path) as disk:
        with h5py.File(disk, "w") as file:
            yield file, disk.require_whole
        disk.require_whole()


class Disk(io.RawIOBase):
    """What h5py writes to: an existing file. A write that fails is kept from HDF5, which does not survive one.

    After a failure nothing more is written, and `require_whole` raises it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        self._at = self._size = 0
        self._failure: OSError | None = None

    def require_whole(self) -> None:
        """OSError for the first call that failed."""
        if self._failure is not None:
            raise OSError(self._failure.errno, self._failure.strerror)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        length = len(rest)
        try:
            os.lseek(self._descriptor, self._at, os.SEEK_SET)
            while rest and self._failure is None:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as error:
            self._failure = error
        self._at += length
        self._size = max(self._size, self._at)
        return length

    def readinto(self, buffer: Any) -> int:
        found = b""
        with suppress(OSError):
            os.lseek(self._descriptor, self._at, os.SEEK_SET)
            found = os.read(self._descriptor, len(buffer))
        buffer[:] = found.ljust(len(buffer), b"\0")  # what was never written is nought
        self._at += len(buffer)
        return len(buffer)

    def truncate(self, size: int | None = None) -> int:
        self._size = self._at if size is None else size
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError as error:
            self._failure = self._failure or error
        return self._size

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()
