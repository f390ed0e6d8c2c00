"""One run at a time writes under a prefix: an flock on `<prefix>.lock`, which ends with its holder.

Windows has no flock; runs there are not kept apart.
"""

from __future__ import annotations

import os
import socket
import sys
from datetime import datetime
from pathlib import Path

from ..errors import TrainingError

if sys.platform != "win32":
    import fcntl


class Lock:
    """Held from `acquire` to `release`. The file tells who holds it: pid, host, since when."""

    def __init__(self, prefix: str) -> None:
        self.path = Path(f"{prefix}.lock")
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """TrainingError names the holder if another process has it. Does nothing if it is already held here."""
        if sys.platform == "win32":
            return
        while self._descriptor is None:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
                os.close(descriptor)
                raise TrainingError(f"another training is writing there: {holder} holds {self.path}") from None
            if self._is_current(descriptor):
                self._descriptor = descriptor
                since = datetime.now().isoformat(timespec="seconds")
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, f"pid {os.getpid()} on {socket.gethostname()}, since {since}\n".encode(), 0)
            else:
                os.close(descriptor)

    def release(self) -> None:
        """Lets go and removes the file."""
        if self._descriptor is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None

    def _is_current(self, descriptor: int) -> bool:
        """Whether the locked file is still the one of this name: its last holder may just have removed it."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False
