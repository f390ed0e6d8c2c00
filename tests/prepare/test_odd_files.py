"""Odd files that people give to commands: one line that names what is wrong, or the right thing; never silence."""

from __future__ import annotations

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from deepcae.cli import main
from deepcae.errors import DataError
from deepcae.prepare import Prepared, prepare
from deepcae.proto.lookup import STORED

Capture = pytest.CaptureFixture[str]
VALUES = np.random.default_rng(2).random((12, 6, 5)).astype(np.float32)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refused(capsys: Capture, *argv: str) -> str:
    assert main(list(argv)) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    return told


@pytest.mark.parametrize("ending", ["npy", "h5", "png", "tif", "mp4"])
def test_an_empty_file_is_called_so(ending: str, capsys: Capture) -> None:
    Path(f"x.{ending}").touch()
    for argv in (["data", "any"], ["zoo", "design", "--dims", "2", "--data", f"x.{ending}"]):
        assert f"x.{ending}: is empty" in refused(capsys, *argv, f"x.{ending}", "-o", "out")


def test_doubles_beyond_float32_are_told_in_one_line(capsys: Capture) -> None:
    np.save("far.npy", VALUES.astype(np.float64) * 1e300)
    assert "far.npy: image 0" in refused(capsys, "data", "any", "far.npy", "-o", "out")


def test_values_that_float32_cannot_tell_apart_are_told(capsys: Capture) -> None:
    np.save("near.npy", VALUES * np.float32(1e-40))
    assert "less than float32 tells apart" in refused(capsys, "data", "any", "near.npy", "-o", "out")


def test_names_that_are_no_utf8_are_kept(capsys: Capture) -> None:
    Path("pictures").mkdir()
    for number, image in enumerate(VALUES[:4]):
        with open(b"pictures/\xff" + str(number).encode() + b".png", "wb") as file:
            Image.fromarray((image * 255).astype(np.uint8)).save(file, "png")
    assert main(["data", "any", "pictures", "-o", "out", "-q"]) == 0
    with h5py.File("out/train.h5") as file:
        assert os.fsencode("\udcff0.png") in file["origin/names"][...].tolist()


def test_labels_that_do_not_fit_are_not_dropped_without_a_word(capsys: Capture) -> None:
    with h5py.File("x.h5", "w") as file:
        file["data"], file["label"] = VALUES, np.arange(20)
    assert main(["data", "any", "x.h5", "-o", "out"]) == 0
    told = "".join(capsys.readouterr())
    assert "'label' has shape [20] for 12 images: it is left out" in told


def test_a_design_says_which_file_is_missing_or_no_list(capsys: Capture) -> None:
    assert "nowhere.txt: no such file" in refused(
        capsys, "zoo", "design", "--dims", "2", "--data", "nowhere.txt", "nowhere.txt", "-o", "m"
    )
    Path("x.bin").write_bytes(b"\1\0\2 \3")
    assert "x.bin: is no list" in refused(capsys, "zoo", "design", "--dims", "2", "--data", "x.bin", "x.bin", "-o", "m")


def test_an_empty_name_is_not_the_working_directory(capsys: Capture) -> None:
    np.save("x.npy", VALUES)
    assert "an argument is empty" in refused(capsys, "data", "any", "", "-o", "out")
    assert not Path("out").exists()


ODD: dict[str, object] = {
    "sources": [], "rows": {"train": "x"}, "shape": [], "range": [1], "split": {}, "labels": {"classes": None},
    "notes": [1], "skipped": [["a"]], "options": [], "bytes": "x", "scaling": [1], "dtype": None, "count": None,
}  # fmt: skip


@pytest.mark.parametrize("field", [*ODD, "lists", "deep", "pipe"])
def test_what_was_stored_may_be_told_wrongly(field: str, tmp_path: Path) -> None:
    folder = tmp_path / "stored"
    np.save("a.npy", VALUES)
    prepare(Path("a.npy"), folder)
    assert Prepared.load(folder).test == folder / "test.txt"
    told = json.loads((folder / STORED).read_text())
    (folder / STORED).unlink()
    if field == "pipe":
        os.mkfifo(folder / STORED)
    elif field == "deep":
        (folder / STORED).write_text("[" * 100_000)
    else:
        wrong = (
            {**told, "lists": ["train.txt"]}
            if field == "lists"
            else {**told, "images": told["images"] | {field: ODD[field]}}
        )
        (folder / STORED).write_text(json.dumps(wrong))
    with pytest.raises(DataError, match=r"images\.json: (was not written by|cannot be read)"):
        Prepared.load(folder)
