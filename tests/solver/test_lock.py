"""What a lock does where its file is not what it should be, and where there are no locks."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from deepcae.errors import SnapshotError, TrainingError
from deepcae.solver.lock import Lock
from deepcae.solver.records import Warned, WarningKind
from deepcae.solver.solver import Solver

from .tiny import write_training


def test_a_planted_link_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run/snap.lock").symlink_to("../victim")
    with pytest.raises(SnapshotError, match=r"^run/snap\.lock: cannot be written: is a link, and nothing is written"):
        next(Solver(write_training(tmp_path), out="run").solve())
    assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("hard", [False, True])
def test_somebodys_own_file_is_refused(tmp_path: Path, hard: bool) -> None:
    path = tmp_path / "snap.lock"
    if hard:
        (tmp_path / "victim").write_text("precious")
        os.link(tmp_path / "victim", path)
    else:
        path.write_text("precious")
    with pytest.raises(TrainingError, match=r"snap\.lock: is not a training's lock but a file of somebody else"):
        Lock(str(tmp_path / "snap")).acquire()
    assert path.read_text() == "precious"


def test_a_second_name_of_a_dead_lock_is_left_to_itself(tmp_path: Path) -> None:
    """As `cp -al` makes it of a run that was killed."""
    (tmp_path / "snap.lock").write_text("pid 1 on somewhere, since 2015\n")
    os.link(tmp_path / "snap.lock", tmp_path / "copy.lock")
    one, other = Lock(str(tmp_path / "snap")), Lock(str(tmp_path / "copy"))
    one.acquire()
    other.acquire()
    for lock in (one, other):
        assert lock.path.read_text().startswith(f"pid {os.getpid()} ")
        lock.release()
    assert not list(tmp_path.iterdir())


def test_a_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "snap.lock")
    with pytest.raises(OSError, match=r"is a pipe \(FIFO\), not a file"):
        Lock(str(tmp_path / "snap")).acquire()


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL])
def test_a_file_system_without_locks_is_told_and_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", flock)
    monkeypatch.chdir(tmp_path)
    records = list(Solver(write_training(tmp_path), out="run", overrides="max_iter: 1").solve())
    told = [record.message for record in records if isinstance(record, Warned) and record.kind == WarningKind.FILES]
    assert told == [
        f"run/snap.lock: the file system has no locks ({os.strerror(code)}); "
        "see to it yourself that no other training writes there"
    ]
    assert not Path("run/snap.lock").exists()


def test_what_holds_is_seen_without_being_taken(tmp_path: Path) -> None:
    held, looking = Lock(str(tmp_path / "snap")), Lock(str(tmp_path / "snap"))
    looking.require_free()
    assert not list(tmp_path.iterdir())
    held.acquire()
    with pytest.raises(TrainingError, match=f"pid {os.getpid()} on"):
        looking.require_free()
    held.release()
    looking.require_free()


def test_a_lock_whose_words_cannot_be_written_holds_nevertheless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pwrite(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    lock = Lock(str(tmp_path / "snap"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", pwrite)
        lock.acquire()
    with pytest.raises(TrainingError, match="another process holds"):
        Lock(str(tmp_path / "snap")).acquire()
    lock.release()
