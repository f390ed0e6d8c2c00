"""`deepcae draw`, and Caffe's helper programs as commands."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepcae.cli import main
from deepcae.data.contents import open_rows
from deepcae.proto.binary import read_blob


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that the command ends with, and that it ends with 2."""
    capsys.readouterr()
    assert main(list(arguments)) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert err.startswith("error: ")
    return err


def test_draw_a_text_and_a_run(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw", str(model / "net.prototxt")]) == 0
    assert (model / "net.svg").read_text().startswith("<svg")
    assert capsys.readouterr().err == f"wrote {model / 'net.svg'}\n"
    assert main(["draw", str(model / "net.prototxt"), "--phase", "all", "-rankdir", "LR", "-o", "a/b.dot", "-q"]) == 0
    assert "rankdir=LR" in Path("a/b.dot").read_text()
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "-q"]) == 0
    assert main(["draw", "run", "--style=architecture", "--format", "png"]) == 0
    assert Path("run/net.png").read_bytes().startswith(b"\x89PNG")


def test_draw_needs_no_data(model: Path) -> None:
    for file in model.glob("*.h5"):
        file.unlink()
    assert main(["draw", str(model / "net.prototxt"), "-o", "x.svg", "--style", "architecture"]) == 0
    assert "code" in Path("x.svg").read_text()


def test_draw_says_what_is_wrong(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = str(model / "net.prototxt")
    assert "x.jpg: the format is svg, png, pdf or dot, not 'jpg'" in fails(capsys, "draw", net, "-o", "x.jpg")
    assert "phase 'both' is neither TRAIN nor TEST" in fails(capsys, "draw", net, "--phase", "both")
    assert "splits belong to one phase" in fails(capsys, "draw", net, "--phase", "ALL", "--splits")
    assert "is a solver, and a network is wanted" in fails(capsys, "draw", str(model / "solver.prototxt"))


def test_from_images_to_a_database_a_mean_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Flags in Caffe's spelling."""
    pytest.importorskip("lmdb", reason="the lmdb package is optional")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 6, 3), np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    listed, made, mean = tmp_path / "list.txt", tmp_path / "db", tmp_path / "mean.binaryproto"
    listed.write_text("0.png 0\n1.png 1\n2.png 0\n")
    words = [
        "convert_imageset",
        "--shuffle=false",
        "-check_size",
        "--backend=lmdb",
        f"{tmp_path}/",
        str(listed),
        str(made),
    ]
    assert main(words) == 0
    assert capsys.readouterr().err == f"wrote {made}: 3 images\n"
    assert "exists already" in fails(capsys, *words)
    assert main(["compute_image_mean", str(made), str(mean)]) == 0
    out = capsys.readouterr().out
    expected = pixels[..., ::-1].transpose(0, 3, 1, 2).mean(axis=0)
    np.testing.assert_allclose(np.reshape(read_blob(mean).data, expected.shape), expected, rtol=1e-6)
    lines = [f"mean_value channel [{c}]: {value:.6g}" for c, value in enumerate(expected.mean(axis=(1, 2)))]
    assert out.splitlines() == ["Number of channels: 3", *lines]
    gray = ["convert_imageset", "-gray", "--resize_height=3", "-resize_width", "2", f"{tmp_path}/", str(listed)]
    assert main([*gray, str(tmp_path / "gray")]) == 0
    assert main(["compute_image_mean", str(tmp_path / "gray"), "-q"]) == 0
    assert capsys.readouterr().out.startswith("Number of channels: 1\n")
    assert "given both or not at all" in fails(capsys, *gray[:3], *gray[5:], str(tmp_path / "half"))
    assert "the backend is lmdb, not 'leveldb'" in fails(capsys, *words[:-1], "x", "--backend", "leveldb")
    listed.write_text("0.png 0\nno label\n")
    assert f"{listed}:2: needs an image file" in fails(capsys, *words[:-1], str(tmp_path / "bad"))
    assert not (tmp_path / "bad").exists()


def test_features_of_a_trained_net(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "-q"]) == 0
    weights = next(Path("run").glob("*_iter_6.caffemodel"))
    words = ["extract_features", str(weights), str(model / "net.prototxt"), "code,conv", "a.h5,b.h5", "3", "h5", "CPU"]
    assert main(words) == 0
    assert capsys.readouterr().err.splitlines()[-1] == "wrote b.h5: blob 'conv' of 12 samples"
    codes = open_rows([Path("a.h5")], ("data",)).read(slice(0, 12))["data"]
    assert main(["encode", "-o", "codes.npz", "run", "-q"]) == 0
    np.testing.assert_allclose(codes, np.load("codes.npz")["codes"], rtol=1e-5)
    assert "a.h5: exists already" in fails(capsys, *words)
    assert "no blob 'cod'; did you mean 'code'?" in fails(capsys, *words[:3], "cod", "c.h5", "3", "h5")
    assert "the device is CPU or GPU, not 'TPU'" in fails(capsys, *words[:7], "TPU")


def test_the_log_of_a_training_as_tables(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "run"]) == 0
    Path("my.log").write_text(capsys.readouterr().err)
    assert main(["parse_log", "my.log", "tables"]) == 0
    assert capsys.readouterr().err == "wrote tables/my.log.train: 3 rows\nwrote tables/my.log.test: 3 rows\n"
    with Path("tables/my.log.train").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["NumIters", "Seconds", "LearningRate", "entropy", "l2"]
    assert [(row["NumIters"], row["LearningRate"]) for row in rows] == [("0.0", "0.1"), ("2.0", "0.1"), ("4.0", "0.1")]
    assert all(float(row["Seconds"]) >= 0 and float(row["entropy"]) > 0 for row in rows)
    assert "gone.log: No such file" in fails(capsys, "parse_log", "gone.log", "tables")
    assert "the delimiter is one character" in fails(capsys, "parse_log", "my.log", "tables", "--delimiter", ";;")
