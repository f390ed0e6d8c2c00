"""Logs, locks and records are opened where they stand: never through a link, and only files."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from deepcae.bounds import SMALL
from deepcae.inplace import json_of, open_descriptor, open_to_append, open_to_read, read_file


def test_lines_are_added_at_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "train.log"
    for text in ("one", "zwei ü"):
        with open_to_append(path) as file:
            print(text, file=file)
            assert path.read_text(encoding="utf-8").endswith(f"{text}\n")
    assert path.read_text(encoding="utf-8") == "one\nzwei ü\n"


@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_is_not_followed(tmp_path: Path, dangling: bool) -> None:
    victim, link = tmp_path / "victim", tmp_path / "train.log"
    if not dangling:
        victim.write_text("precious")
    link.symlink_to(victim)
    with pytest.raises(OSError, match="is a link, and nothing is written through links; remove it") as refused:
        open_to_append(link)
    assert refused.value.filename == str(link)
    assert victim.exists() != dangling
    assert dangling or victim.read_text() == "precious"


def test_a_linked_folder_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "big").mkdir()
    (tmp_path / "run").symlink_to(tmp_path / "big")
    with open_to_append(tmp_path / "run/train.log") as file:
        file.write("x\n")
    assert (tmp_path / "big/train.log").read_text() == "x\n"


def test_a_second_name_keeps_what_it_had(tmp_path: Path) -> None:
    victim, path = tmp_path / "backup.log", tmp_path / "train.log"
    victim.write_bytes(b"old \xff\n")
    os.link(victim, path)
    with open_to_append(path) as file:
        file.write("new\n")
    assert victim.read_bytes() == b"old \xff\n"
    assert path.read_bytes() == b"old \xff\nnew\n"


def test_nothing_waits_for_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "train.log"
    os.mkfifo(pipe)
    for attempt in (lambda: open_to_append(pipe), lambda: read_file(pipe), lambda: open_descriptor(pipe, os.O_RDWR)):
        with pytest.raises(OSError, match=r"is a pipe \(FIFO\), not a file") as refused:
            attempt()
        assert refused.value.filename == str(pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_nor_is_a_device_or_a_folder_a_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="is a device, not a file"):
        open_to_append("/dev/null")
    with pytest.raises(OSError, match="is a device, not a file"):
        read_file("/dev/zero")
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)


def test_a_disk_that_fails_while_reading_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "images.idx"
    path.write_bytes(bytes(100))
    with open_to_read(path) as file:
        os.dup2(os.open(tmp_path, os.O_RDONLY), file.fileno())  # reading a folder is an error, and names nothing
        with pytest.raises(OSError, match=r"images\.idx"):
            file.read(10)
        with pytest.raises(OSError, match=r"images\.idx"):
            file.read()


WRONG_JSON = {
    "text": b"no",
    "half": b'{"a": [1, ',
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 100_000,
    "bytes": b"\xff\xfe\x00",
    "empty": b"",
    "large": b" " * (SMALL + 1),
}


@pytest.mark.parametrize("content", WRONG_JSON.values(), ids=list(WRONG_JSON))
def test_json_that_cannot_be_read_is_one_kind_of_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"\S"):
        json_of(path)


def test_json_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"a": "\xc3\xbc"}' + b" " * 1000)
    assert json_of(path) == {"a": "ü"}
    os.mkfifo(tmp_path / "pipe")
    for name in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(OSError, match="not a file"):
            json_of(name)
