"""A file of lines goes on when a write fails: nothing is torn, what waits comes later, what is lost is counted."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepcae.solver import lines
from deepcae.solver.lines import Lines


class Disk:
    """What `os.write` and its like do while the disk is full: `room` bytes are left."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self.fails_to_cut = False
        self._write, self._cut = os.write, os.ftruncate
        patch.setattr(os, "write", self.write)
        patch.setattr(os, "ftruncate", self.cut)

    def write(self, descriptor: int, data: Any) -> int:
        if self.room is None:
            return self._write(descriptor, data)
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = self._write(descriptor, bytes(data)[: self.room])
        self.room -= written
        return written

    def cut(self, descriptor: int, size: int) -> None:
        if self.fails_to_cut:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        self._cut(descriptor, size)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def _open(path: Path, told: list[str]) -> Lines:
    return Lines(path, told.append, lambda count: f"({count} lost)")


def test_what_could_not_be_written_comes_when_there_is_room(disk: Disk, tmp_path: Path) -> None:
    told: list[str] = []
    with _open(tmp_path / "log", told) as log:
        log.write("one")
        disk.room = 2
        log.write("two")
        log.write("three")
        assert (tmp_path / "log").read_text() == "one\n"  # no half a line
        disk.room = None
        log.write("four")
        assert (tmp_path / "log").read_text() == "one\ntwo\nthree\nfour\n"
    assert log.missing == ""
    assert len(told) == 1
    assert told[0].startswith(f"{tmp_path}/log: cannot be written: No space left on device; 4 bytes are needed, ")
    assert told[0].endswith("; the training goes on, and the lines wait in memory")


def test_half_a_line_that_stays_is_a_line_of_its_own(disk: Disk, tmp_path: Path) -> None:
    with _open(tmp_path / "log", []) as log:
        disk.room, disk.fails_to_cut = 2, True
        log.write("torn")
        disk.room = None
        log.write("whole")
    assert (tmp_path / "log").read_text() == "to\ntorn\nwhole\n"


def test_half_a_line_of_a_killed_run_is_ended(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("whole\nha")
    with _open(tmp_path / "log", []) as log:
        log.write("new")
    assert (tmp_path / "log").read_text() == "whole\nha\nnew\n"


@pytest.mark.parametrize(("count", "words"), [(1, "1 line"), (3, "3 lines")])
def test_what_is_missing_in_the_end_is_told(count: int, words: str, disk: Disk, tmp_path: Path) -> None:
    with _open(tmp_path / "log", []) as log:
        disk.room = 0
        for number in range(count):
            log.write(f"{number}")
    assert log.missing == f"{tmp_path}/log: lacks {words}: No space left on device"


def test_more_than_fits_into_memory_leaves_a_gap_that_is_told(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines, "MOST_WAITING", 10)
    with _open(tmp_path / "log", []) as log:
        disk.room = 0
        for number in range(5):
            log.write(f"line{number}")
        disk.room = None
        log.write("last")
    assert (tmp_path / "log").read_text() == "(4 lost)\nline4\nlast\n"
    assert log.missing == f"{tmp_path}/log: lacks 4 lines: No space left on device"


def test_a_sync_that_fails_is_told_and_does_not_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    told: list[str] = []
    with _open(tmp_path / "log", told) as log:
        log.write("one")
        monkeypatch.setattr(os, "fsync", fail)
        log.sync()
    assert log.missing == f"{tmp_path}/log: may not be whole on the disk: Input/output error"
    assert len(told) == 1


@pytest.mark.parametrize("spoil", [lambda path: path.mkdir(), lambda path: path.symlink_to("elsewhere")])
def test_what_cannot_be_opened_raises(spoil: Callable[[Path], None], tmp_path: Path) -> None:
    spoil(tmp_path / "log")
    with pytest.raises(OSError, match="log"):
        _open(tmp_path / "log", [])
    assert not (tmp_path / "elsewhere").exists()
