"""Who holds a run's lock, and that nobody else is ever sent a signal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deepcae.errors import TrainingError
from deepcae.explore.holder import SAVE, STOP, ask, holder_of, why_not
from deepcae.solver.lock import Lock

HOLDS = """
import fcntl, os, signal, socket, sys, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(file, fcntl.LOCK_EX)
os.write(file, f"pid {os.getpid()} on {socket.gethostname()}, since 2026-01-01T00:00:00\\n".encode())
if sys.argv[2] == "handles":
    signal.signal(signal.SIGTERM, lambda *_: (print("stop", flush=True), sys.exit()))
    signal.signal(signal.SIGHUP, lambda *_: print("snapshot", flush=True))
print("holds", flush=True)
time.sleep(300)
"""
needs_proc = pytest.mark.skipif(not hasattr(signal, "pidfd_send_signal"), reason="pidfds are Linux's")


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Callable[[str], tuple[Path, subprocess.Popen[str]]]]:
    """Another process that holds a lock; `how`: "handles" signals as a training does, or not."""
    started: list[subprocess.Popen[str]] = []

    def hold(how: str) -> tuple[Path, subprocess.Popen[str]]:
        path = tmp_path / "run.lock"
        command = [sys.executable, "-c", HOLDS, str(path), how]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started[-1].stdout is not None
        assert started[-1].stdout.readline() == "holds\n"
        return path, started[-1]

    yield hold
    for process in started:
        process.kill()
        process.communicate()


@needs_proc
def test_the_holder_is_asked_by_a_signal_that_it_waits_for(held: Any) -> None:
    path, process = held("handles")
    holder = holder_of(path)
    assert holder is not None
    assert (holder.pid, why_not(path, holder, STOP)) == (process.pid, "")
    ask(path, SAVE)
    assert process.stdout.readline() == "snapshot\n"
    ask(path, STOP)
    assert process.stdout.readline() == "stop\n"
    process.wait(20)
    assert holder_of(path) is None, "the file stays, the lock is free"
    with pytest.raises(TrainingError, match="nobody trains there now"):
        ask(path, STOP)


@needs_proc
def test_who_would_end_by_the_signal_is_not_asked(held: Any) -> None:
    path, process = held("ignorant")
    with pytest.raises(TrainingError, match="does not wait for SIGHUP, and would end by it"):
        ask(path, SAVE)
    assert process.poll() is None


@needs_proc
def test_a_number_that_another_process_has_now_is_never_signalled(held: Any, tmp_path: Path) -> None:
    path, process = held("handles")
    since = f"on {socket.gethostname()}, since 2026-01-01T00:00:00"
    path.write_text(f"pid {os.getpid()} {since}\n")  # the lock is held, by somebody else than is written
    with pytest.raises(TrainingError, match=r"does not hold .* open: it is not the training"):
        ask(path, STOP)
    path.write_text("pid 5 on elsewhere, since 2026-01-01T00:00:00\n")
    with pytest.raises(TrainingError, match="the training runs on elsewhere"):
        ask(path, STOP)
    stale = tmp_path / "stale.lock"
    stale.write_text(f"pid {process.pid} {since}\n")  # free, of a run that was killed; its number lives again
    assert holder_of(stale) is None
    assert process.poll() is None


def test_to_look_takes_no_lock_that_nobody_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A training that begins in that moment would find it held."""
    (tmp_path / "run.lock").write_text("pid 999999999 on here, since 2026-01-01T00:00:00\n")
    monkeypatch.setattr("deepcae.explore.holder.socket.gethostname", lambda: "here")
    monkeypatch.setattr("deepcae.explore.holder._is_held", lambda descriptor: pytest.fail("it was tried"))
    assert holder_of(tmp_path / "run.lock") is None
    lock = Lock(str(tmp_path / "run"))
    lock.acquire()
    lock.release()
