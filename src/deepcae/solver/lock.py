"""One run at a time writes under a prefix: an flock on `<prefix>.lock`, which ends with its holder.

Windows has no flock, nor have some file systems; runs there are not kept apart.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import sys
from datetime import datetime
from pathlib import Path

from ..errors import TrainingError
from ..inplace import open_descriptor

if sys.platform != "win32":
    import fcntl

_HELD = (errno.EWOULDBLOCK, errno.EAGAIN)
_BEGINNING = b"pid "


class Lock:
    """Held from `acquire` to `release`. The file tells who holds it: pid, host, since when."""

    def __init__(self, prefix: str) -> None:
        self.path = Path(f"{prefix}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> str:
        """TrainingError names the holder if another process has it. Does nothing if it is already held here.

        Gives a sentence where the file system has no locks ("" where it has): the training goes on unprotected.
        """
        if sys.platform == "win32":
            return ""
        note = ""
        while self._descriptor is None:
            descriptor = open_descriptor(self.path, os.O_RDWR | os.O_CREAT)
            try:
                note = self._flock(descriptor)
                if self._is_current(descriptor) and not self._is_renewed(descriptor):
                    self._descriptor = descriptor
            finally:
                if self._descriptor is None:
                    os.close(descriptor)
        with contextlib.suppress(OSError):  # nobody's training ends for want of these words
            since = datetime.now().isoformat(timespec="seconds")
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"pid {os.getpid()} on {socket.gethostname()}, since {since}\n".encode(), 0)
        return note

    def require_free(self) -> None:
        """TrainingError if another process holds it. Makes no file, and takes nothing."""
        if sys.platform == "win32" or self._descriptor is not None:
            return
        with contextlib.suppress(OSError):  # FileNotFoundError: nobody does
            descriptor = open_descriptor(self.path, os.O_RDONLY)
            try:
                self._flock(descriptor)
            finally:
                os.close(descriptor)

    def release(self) -> None:
        """Lets go and removes the file."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                if self._is_current(self._descriptor):
                    self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _flock(self, descriptor: int) -> str:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _HELD:
                holder = self._words(descriptor).decode(errors="replace").strip() or "another process"
                raise TrainingError(f"another training is writing there: {holder} holds {self.path}") from None
            return (
                f"{self.path}: the file system has no locks ({error.strerror or error}); "
                "see to it yourself that no other training writes there"
            )
        return ""

    def _is_current(self, descriptor: int) -> bool:
        """Whether the locked file is still the one of this name: its last holder may just have removed it."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _is_renewed(self, descriptor: int) -> bool:
        """Takes the name from a file that has another one too (a hard link), which must stay as it is.

        TrainingError for a file that holds something else than a lock's words.
        """
        words = self._words(descriptor)
        if not words.startswith(_BEGINNING[: len(words)]):
            raise TrainingError(
                f"{self.path}: is not a training's lock but a file of somebody else; move it away, "
                "or take another snapshot_prefix"
            )
        if os.fstat(descriptor).st_nlink > 1:
            self.path.unlink(missing_ok=True)
            return True
        return False

    def _words(self, descriptor: int) -> bytes:
        return os.pread(descriptor, 200, 0)
