"""`deepcae data images|tiff|npy|…`: people's own files, from the shell to a net that trains on them."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image

from deepcae.cli import main


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(0)
    for number in range(20):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (16, 12, 3), np.uint8)).save(path)
    return Path("photos")


def test_a_folder_becomes_data_and_a_net_that_trains(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "images", "photos", "-o", "data"]) == 0
    out, said = capsys.readouterr()
    assert out == ""
    lines = said.splitlines()
    assert lines[0] == "images     20 of 3x16x12: pictures, photos"
    assert "labels     2 classes, from subfolders: a, b" in lines
    assert any(line.startswith("split      17 to train, 3 to test: random images, seed 0") for line in lines)
    assert "wrote      data: 17 rows for train, 3 rows for test" in lines
    after = next(line for line in lines if line.startswith("next"))
    assert main(after.split("deepcae ")[1].replace("--dims 16", "--dims 2").split()) == 0
    assert main(["train", "--solver", "models/mine/solver.prototxt", "--out", "run", "--set", "max_iter: 2", "-q"]) == 0
    assert main(["encode", "run", "photos", "-o", "new.csv", "-q"]) == 0
    head, *rows = [line.split(",") for line in Path("new.csv").read_text().splitlines()]
    assert [row[head.index("name")] for row in rows] == [
        f"{'ab'[n % 2]}/{n}.png" for n in (*range(0, 20, 2), *range(1, 20, 2))
    ]


def test_json_and_one_file(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["data", "images", "photos", "-o", "x.h5", "--json", "--grey", "--patch", "4x6", "--channels", "0,1,2"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert told["lists"] == {"train": "x.txt"}
    assert told["images"]["rows"] == {"train": 160}
    with h5py.File("x.h5") as file:
        assert file["data"].shape == (160, 1, 4, 6)
    assert main(["data", "images", "photos", "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["shape"] == [3, 16, 12]
    assert {path.name for path in Path().iterdir()} == {"photos", "x.h5", "x.txt", "x.images.json"}


def test_dry_run_says_it_and_writes_nothing(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "images", "photos", "--dry-run"]) == 0
    assert "images     20 of 3x16x12" in capsys.readouterr().out
    assert [path.name for path in Path().iterdir()] == ["photos"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("images photos", "where to? Give -o DIR"),
        ("images nothing -o d", "nothing: no such file"),
        ("images photos -o d --resize 3", ""),
        ("images photos -o d --crop 3x", "--crop is '3x'; must be HEIGHTxWIDTH"),
        ("images photos -o d --channels a", "--channels is 'a'"),
        ("images photos -o d --channels -1", "--channels is '-1'"),
        ("images photos -o d --split never", "split is 'never'"),
        ("tiff photos -o d", "holds pictures that are no TIFF"),
        ("npy photos/a/0.png -o d", "is a picture; here .npy, .npz, .mat, IDX, HDF5 can be read"),
        ("images photos -o d --labels l.csv", "l.csv: no such file"),
    ],
)
def test_what_is_wrong_is_one_line(argv: str, message: str, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["data", *argv.split()])
    lines = capsys.readouterr().err.splitlines()
    if not message:
        assert code == 0
        return
    assert code == 2
    assert len(lines) == 1
    assert message in lines[0]
    assert not Path("d").exists()


def test_stacks_and_arrays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    movie = np.arange(30 * 8 * 9, dtype=np.uint16).reshape(30, 8, 9)
    tifffile.imwrite("a.tif", movie, photometric="minisblack")
    np.save("a.npy", movie.transpose(1, 2, 0))
    assert main(["data", "tiff", "a.tif", "-o", "one", "--every", "2", "--split", "time", "-q"]) == 0
    assert main(["data", "npy", "a.npy", "-o", "two", "--axes", "yxt", "--every", "2", "--split", "time", "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    for name in ("one", "two"):
        with h5py.File(f"{name}/train.h5") as file:
            np.testing.assert_array_equal(file["data"][:, 0], movie[::2][:13])
    assert main(["data", "tiff", "a.tif", "-o", "one"]) == 2
    assert "all.txt, images.json would be replaced; name another folder, or --overwrite" in capsys.readouterr().err
    assert main(["data", "tiff", "a.tif", "-o", "one", "--overwrite", "-q"]) == 0


def test_a_stack_is_encoded_as_it_was_learned_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 bits go through the text's own scaling, whether they come from train.h5 or from the stack itself."""
    monkeypatch.chdir(tmp_path)
    movie = np.random.default_rng(0).integers(100, 3000, (30, 12, 12), np.uint16)
    tifffile.imwrite("a.tif", movie, photometric="minisblack")
    assert main(["data", "tiff", "a.tif", "-o", "d", "--split", "time", "-q"]) == 0
    scaling = json.loads(Path("d/images.json").read_text())["images"]["scaling"]
    design = ["zoo", "design", "--input", "1x12x12", "--dims", "2", "--data", "d/train.txt", "d/test.txt", "-o", "m"]
    assert main([*design, "--scale", f"{scaling['scale']:.9g}", "--mean-value", f"{scaling['offset']:.9g}"]) == 0
    assert main(["train", "--solver", "m/solver.prototxt", "--out", "run", "--set", "max_iter: 3", "-q"]) == 0
    for source, name in (("d/train.h5", "stored"), ("a.tif", "stack")):
        assert main(["encode", "run", source, "-o", f"{name}.h5", "-q"]) == 0
    with h5py.File("stored.h5") as stored, h5py.File("stack.h5") as stack:
        np.testing.assert_allclose(stack["codes"][: len(stored["codes"])], stored["codes"], rtol=1e-4, atol=1e-5)
