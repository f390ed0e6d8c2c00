"""Each of Caffe's kinds of file given in each other's place is recognized and named; `--strict` refuses a mismatch."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from deepcae.cli import main
from reference import reference_dir

FILES = {
    "weights": ("ae/ae_iter_10.caffemodel", "a .caffemodel"),
    "state": ("ae/ae_iter_10.solverstate", "a .solverstate"),
    "weights in HDF5": ("ae/aeh_iter_10.caffemodel.h5", "HDF5"),
    "state in HDF5": ("ae/aeh_iter_10.solverstate.h5", "HDF5"),
    "mean": ("db/img_mean.binaryproto", "a .binaryproto"),
    "text": ("ae/net.prototxt", "text"),
}
PLACES = {
    "--weights": ("weights", "weights in HDF5"),
    "--snapshot": ("state", "state in HDF5"),
    "mean_file": ("mean",),
    "--model": ("text",),
    "--solver": (),
}
BETTER = {  # where more can be said than the kind
    ("text", "--solver"): "a network",
    ("weights", "--snapshot"): "is a model; training goes on from its state",
    ("weights in HDF5", "--snapshot"): "is a model; training goes on from its state",
    ("state in HDF5", "--weights"): "a .solverstate.h5; it belongs to --snapshot",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(reference_dir("files", "ae"), tmp_path / "ae")
    shutil.copytree(reference_dir("files", "db"), tmp_path / "db")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(place: str, file: str) -> list[str]:
    if place == "--weights":
        return ["test", "--model", "ae/net.prototxt", "--weights", file, "--iterations", "1"]
    if place == "--model":
        return ["test", "--model", file, "--weights", "ae/ae_iter_10.caffemodel", "--iterations", "1"]
    if place == "--snapshot":
        return ["train", "--solver", "ae/solver.prototxt", "--snapshot", file, "--out", "run"]
    if place == "--solver":
        return ["train", "--solver", file, "--out", "run"]
    Path("n.prototxt").write_text(
        'layer { name: "d" type: "Data" top: "x" data_param { source: "db/img_lmdb" backend: LMDB batch_size: 2 } '
        f'transform_param {{ mean_file: "{file}" }} }}'
    )
    return ["check", "n.prototxt"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", FILES)
def test_a_file_in_anothers_place(kind: str, place: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, name = FILES[kind]
    if not Path(file).exists() or (place == "mean_file" and not Path("db/img_lmdb").exists()):
        pytest.skip("not among the reference data here")
    code = main([*command(place, file), "-q"])
    said = "".join(capsys.readouterr())
    if kind in PLACES[place]:
        assert code == 0, said
        return
    assert code == 2, said
    assert "Traceback" not in said
    lines = said.strip().splitlines()
    assert len(lines) == 1, said
    assert Path(file).name in said
    wanted = BETTER.get((kind, place), name)
    assert wanted in said, said


def test_strict_refuses_weights_that_do_not_match(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = Path("ae/net.prototxt")
    net.write_text(net.read_text().replace('"fc2"', '"other"'))
    weights = ["--weights", "ae/ae_iter_10.caffemodel"]
    test = ["test", "--model", "ae/net.prototxt", *weights, "--iterations", "1"]
    train = ["train", "--solver", "ae/solver.prototxt", "--set", "max_iter: 1", "--out", "run", *weights]
    for argv in (test, train):
        assert main([*argv]) == 0
        said = "".join(capsys.readouterr())
        assert "ae/ae_iter_10.caffemodel: " in said
        assert "not in this net: fc2; kept at initial values: other" in said
        shutil.rmtree("run", ignore_errors=True)
        assert main([*argv, "--strict", "-q"]) == 2
        assert "does not match the net" in "".join(capsys.readouterr())
