"""What a run learned from is known again, or told with both sides."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from deepcae.data import identity as module
from deepcae.data.identity import changes, identity
from deepcae.net.net import Net

HDF5 = """layer { name: "d" type: "HDF5Data" top: "data" hdf5_data_param { source: "train.txt" batch_size: 2 } }"""
IMAGES = """layer { name: "d" type: "ImageData" top: "data" top: "label"
  image_data_param { source: "images.txt" batch_size: 1 } }"""


def _write(path: Path, rows: int, width: int = 3, seed: int = 0) -> None:
    with h5py.File(path, "w", track_order=False) as file:
        file["data"] = np.random.default_rng(seed).random((rows, width), dtype=np.float32)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    _write(tmp_path / "a.h5", 4)
    _write(tmp_path / "b.h5", 4, seed=1)
    Path("train.txt").write_text("a.h5\nb.h5\n")
    return tmp_path


def _facts(text: str = HDF5) -> dict[str, Any]:
    Path("net.prototxt").write_text(text)
    (layer,) = Net("net.prototxt", "TRAIN").sources
    return identity(layer, 0, [])


def test_the_same_data_are_the_same(folder: Path) -> None:
    before = _facts()
    assert before["rows"] == 8
    assert before["shapes"] == {"data": [3]}
    os.utime("a.h5", (1, 1))  # copied, as to another machine
    assert list(changes(before, _facts())) == []
    assert sorted(before["files"]) == ["a.h5", "b.h5", "train.txt"]


def test_every_change_is_told_with_both_sides() -> None:
    before = _facts()
    _write(Path("b.h5"), 4, seed=2)
    (told,) = changes(before, _facts())
    assert told.startswith("b.h5: another content with as many bytes (SHA-256 ")
    size = before["files"]["a.h5"]["bytes"]
    _write(Path("a.h5"), 400)
    told = list(changes(before, _facts()))
    assert told[0] == "it had 8 rows and has 404 now"
    assert told[1].startswith(f"a.h5: {size} bytes then and ")
    for name in ("a.h5", "b.h5"):
        _write(Path(name), 4, width=5)
    assert "its rows were {'data': [3]} and are {'data': [5]} now" in list(changes(before, _facts()))


def test_another_list_is_told() -> None:
    before = _facts()
    Path("train.txt").write_text("a.h5\n")
    assert list(changes(before, _facts())) == [
        "it had 8 rows and has 4 now",
        "b.h5 was among its files and is not now",
        "train.txt: 10 bytes then and 5 now",
    ]
    after = _facts()
    Path("train.txt").write_text("a.h5 b.h5")
    assert "b.h5 is among its files and was not" in list(changes(after, _facts()))


def test_large_files_are_known_by_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMALL", 0)
    os.utime("a.h5", (1e9, 1e9))
    before = _facts()
    os.utime("a.h5", (1e9 + 60, 1e9 + 60))
    (told,) = changes(before, _facts())
    assert told.startswith("a.h5: last changed 2001-09-09 ")
    assert told.endswith(" now, with as many bytes")


def test_images_are_known_by_list_size_and_time() -> None:
    for name in ("1.png", "2.png"):
        Image.new("L", (4, 4)).save(name)
        os.utime(name, (1e9, 1e9))
    Path("images.txt").write_text("1.png 0\n2.png 1\n")
    before = _facts(IMAGES)
    assert before["rows"] == 2
    assert list(changes(before, _facts(IMAGES))) == []
    os.utime("2.png", (2e9, 2e9))
    (told,) = changes(before, _facts(IMAGES))
    assert told.startswith("the images: last changed ")


@pytest.mark.parametrize(
    "before",
    [None, 3, [], {}, {"files": 3}, {"files": {"a.h5": 3}}, {"files": {}}, {"files": {"a.h5": {}}, "rows": 8}],
)
def test_what_old_or_damaged_snapshots_tell_is_no_fault(before: Any) -> None:
    for told in changes(before, _facts()):
        assert isinstance(told, str)
