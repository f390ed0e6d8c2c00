"""Who trains in a run's folder, by the lock of its snapshots, and how that process is asked to stop or to save.

The lock itself is never tried, not even for a moment, unless the process that it names is there, or on another host: a
training that begins just then would find it held. A signal goes only to a process that is known to be that training: it
runs on this host, is of this user, has the lock's file open, the lock is held, and it has a handler for the signal (a
program that calls the library from Python need not have one, and would end by it). It is named by a pidfd, so that no
other process can take its number in between.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import TrainingError
from ..inplace import open_descriptor

if sys.platform != "win32":
    import fcntl

_WORDS = re.compile(rb"pid (\d{1,10}) on (.{1,255}), since (\S{1,40})")
STOP, SAVE = "stop", "snapshot"
_SIGNALS = {STOP: "SIGTERM", SAVE: "SIGHUP"}  # SIGINT a second time would leave at once; SIGTERM asks however often


@dataclass(frozen=True)
class Holder:
    """The process that trains."""

    pid: int
    host: str
    since: str

    @property
    def is_here(self) -> bool:
        return self.host == socket.gethostname()


def holder_of(path: Path) -> Holder | None:
    """Who holds the lock in this file; None where nobody does."""
    if sys.platform == "win32":
        return None
    with suppress(OSError):
        descriptor = open_descriptor(path, os.O_RDONLY)
        try:
            found = _WORDS.match(os.pread(descriptor, 400, 0))
            if found is None:
                return None
            holder = Holder(int(found[1]), found[2].decode(errors="replace"), found[3].decode(errors="replace"))
            if holder.is_here and not _is_there(holder.pid):
                return None
            return holder if _is_held(descriptor) else None
        finally:
            os.close(descriptor)
    return None


def why_not(path: Path, holder: Holder, what: str) -> str:
    """Why the holder of a lock cannot be asked for `what` (STOP or SAVE) from here; "" where it can."""
    number = getattr(signal, _SIGNALS[what], None)
    by_hand = f"`kill -{_SIGNALS[what].removeprefix('SIG')} {holder.pid}` there does it"
    if not holder.is_here:
        return f"the training runs on {holder.host}; {by_hand}"
    if number is None or not hasattr(signal, "pidfd_send_signal"):
        return f"this system does not say whether process {holder.pid} is the training; {by_hand}"
    return _refusal(path, holder.pid, number)


def ask(path: Path, what: str) -> Holder:
    """Asks whoever trains there to stop after its iteration (STOP), or for a snapshot (SAVE). TrainingError: nobody."""
    holder = holder_of(path)
    if holder is None:
        raise TrainingError("nobody trains there now")
    if why := why_not(path, holder, what):
        raise TrainingError(why)
    number = getattr(signal, _SIGNALS[what])
    try:
        process = os.pidfd_open(holder.pid)
    except OSError:
        raise TrainingError("the training has just ended") from None
    try:
        if why := _refusal(path, holder.pid, number):  # of the process that the descriptor stands for, now
            raise TrainingError(why)
        if holder_of(path) != holder:
            raise TrainingError("the training has just ended")
        signal.pidfd_send_signal(process, number)
    except OSError as error:
        raise TrainingError(f"process {holder.pid} cannot be asked: {error.strerror or error}") from None
    finally:
        os.close(process)
    return holder


def _refusal(path: Path, pid: int, number: int) -> str:
    """Why process `pid` is not sent signal `number`; "" where it is the training and waits for it."""
    folder = Path(f"/proc/{pid}")
    try:
        if os.stat(folder).st_uid != os.getuid():
            return f"process {pid}, which trains there, is another user's"
        if not _has_open(folder / "fd", path):
            return f"process {pid} does not hold {path} open: it is not the training"
        if not _catches((folder / "status").read_bytes(), number):
            return f"process {pid} trains, but does not wait for {signal.Signals(number).name}, and would end by it"
    except OSError as error:
        return f"nothing can be told of process {pid}: {error.strerror or error}"
    return ""


def _has_open(folder: Path, path: Path) -> bool:
    ours = os.stat(path)
    for name in os.listdir(folder):
        with suppress(OSError):
            if os.path.samestat(ours, os.stat(folder / name)):
                return True
    return False


def _catches(status: bytes, number: int) -> bool:
    """Whether a process has a handler for a signal, by its /proc/PID/status."""
    found = re.search(rb"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return found is not None and bool(int(found[1], 16) >> (number - 1) & 1)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _is_held(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # no locks there: the words, and that the process is alive, are all there is
        return True
    return False
