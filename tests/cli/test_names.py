"""A text names a file, and several places have one of that name: which one is taken is told, once."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.cli import main
from deepcae.proto.lookup import FIT, STORED
from deepcae.solver.run import Run

from .conftest import NET, write_data

TRAIN = "'train.txt' is taken from the working directory, though"


@pytest.fixture
def twice(model: Path) -> Path:
    """The working directory has the same files, with other data in its train.h5."""
    write_data(Path())
    with h5py.File("train.h5", "r+") as file:
        file["data"][:] = 0.5
    Path("train.txt").write_text("./train.h5\n")
    return model


def told(words: str, printed: str) -> int:
    return sum(words in line for line in printed.splitlines())


@pytest.mark.parametrize(
    "command", [["check"], ["summary"], ["time", "--iterations", "1", "--phase", "TRAIN", "--model"]]
)
def test_commands_tell_it_once(command: list[str], twice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, str(twice / "net.prototxt")]) == 0
    assert told(f"warning: {TRAIN}", capsys.readouterr().err) == 1


def test_a_run_tells_it_once_and_in_its_log(twice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--solver", str(twice / "solver.prototxt"), "--out", "run"]) == 0
    assert told(TRAIN, capsys.readouterr().err) == 1
    assert told(TRAIN, Path("run/train.log").read_text()) == 1
    assert told(TRAIN, Path("run/metrics.jsonl").read_text()) == 1
    assert main(["eval", "run", "-q"]) == 0
    assert told(TRAIN, capsys.readouterr().err) == 1


def test_equal_files_are_nothing_to_tell(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_data(Path())
    for name in ("net.prototxt", "solver.prototxt"):
        shutil.copy(model / name, name)
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "-q"]) == 0
    assert main(["check", str(model / "solver.prototxt")]) == 0
    assert capsys.readouterr().err == ""


def test_a_net_that_cannot_be_used_is_told_to_be_another_one(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("net.prototxt").write_text("layer { nonsense }")
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "-q"]) == 2
    assert told("'net.prototxt' is taken from the working directory, though", capsys.readouterr().err) == 1
    assert main(["check", str(model / "solver.prototxt")]) == 2
    assert told("'net.prototxt' is taken from the working directory, though", capsys.readouterr().err) == 1


def test_a_text_in_the_runs_folder_whose_neighbour_is_taken_tells_it(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("net.prototxt").write_text("layer { nonsense }")
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", str(model), "-q"]) == 0
    assert told(f"'net.prototxt' is taken from {model}, though net.prototxt", capsys.readouterr().err) == 1


def test_a_runs_copy_of_a_text_means_what_the_original_did(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`../data/train.txt`, seen from the run's folder, is a file of the working directory."""
    (tmp_path / "mine" / "data").mkdir(parents=True)
    write_data(tmp_path / "mine" / "data")
    model = model.rename(tmp_path / "mine" / "model")
    (model / "net.prototxt").write_text(
        NET.replace('"train.txt"', '"../data/train.txt"').replace('"test.txt"', '"../data/test.txt"')
    )
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "one/run", "-q"]) == 0
    Path("one/data").mkdir()
    write_data(Path("one/data"))
    with h5py.File("one/data/test.h5", "r+") as file:
        file["data"][:] = 0.5
    net = Run("one/run").net("TEST")
    from deepcae.data.source import Feed

    with Feed(net.sources, net.phase, net.folders, 0) as feed:
        assert not np.allclose(feed.batch(0)["data"], 0.5)
    capsys.readouterr()
    more = ["--set", "max_iter: 8", "-q"]
    assert main(["train", "--out", "one/run", "--snapshot", "latest", *more]) == 0
    assert "have changed since the snapshot" not in capsys.readouterr().err


def test_the_texts_of_a_fit_and_the_images_it_stored_are_its_own(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever lies where its names lead from the working directory, and also when the fit has moved."""
    work = Path("a/job")
    (work / "fit").mkdir(parents=True)
    texts, data = work / "fit" / "model", work / "fit" / "data"
    model.rename(texts)
    data.mkdir()
    write_data(data)
    for name in ("train", "test"):
        (texts / f"{name}.txt").unlink()
    (texts / "net.prototxt").write_text(
        NET.replace('"train.txt"', '"../data/train.txt"').replace('"test.txt"', '"../data/test.txt"')
    )
    (data / STORED).write_text("{}")
    (work / "fit" / FIT).write_text("{}")
    for folder in ("a/data", "a/job", "a/job/data"):  # seen from the working directory, the run and the list
        Path(folder).mkdir(exist_ok=True)
        write_data(Path(folder))
        for name in ("train", "test"):
            with h5py.File(f"{folder}/{name}.h5", "r+") as file:
                file["data"][:] = 0.5
    monkeypatch.chdir(work)
    assert main(["train", "--solver", "fit/model/solver.prototxt", "--out", "fit", "-q"]) == 0
    loss = next(record["outputs"]["l2"] for record in Run("fit").metrics() if record["kind"] == "test")
    assert main(["test", "fit", "--iterations", "3", "-q", "--json"]) == 0
    Path("fit").rename("moved")
    assert main(["test", "moved", "--iterations", "3", "-q", "--json"]) == 0
    told, err = capsys.readouterr()
    assert err == ""
    assert len(set(told.splitlines())) == 1
    assert loss > 1  # of 0.5 everywhere, a net that begins at 0.5 restores nearly all
