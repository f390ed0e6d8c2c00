"""Trainings and tests whose nets have HDF5Output layers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.cli import main
from deepcae.errors import DataError, SpecError
from deepcae.net.weights import save_weights
from deepcae.solver.solver import Solver

NET = """
layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 3 dim: 2 } data_filler { value: 4 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "y" inner_product_param { num_output: 2
  weight_filler { type: "xavier" } } }
layer { name: "l" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "l" }
layer { name: "o" type: "HDF5Output" bottom: "y" bottom: "x" hdf5_output_param { file_name: "NAME" } include { RULE } }
"""
SOLVER = """net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" max_iter: 3 test_iter: 2 test_interval: 3
test_initialization: false snapshot_prefix: "s" """


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("solver.prototxt").write_text(SOLVER)
    return tmp_path


def write(name: str, rule: str) -> None:
    Path("net.prototxt").write_text(NET.replace("NAME", name).replace("RULE", rule))


def test_a_training_writes_the_batches_of_its_tests(folder: Path) -> None:
    write("tested.h5", "phase: TEST")
    solver = Solver("solver.prototxt", seed=0)
    list(solver.solve())
    with h5py.File("tested.h5") as file:
        assert file["data"].shape == (6, 2, 1, 1)  # test_iter 2 batches of 3
        assert not np.array_equal(file["data"], file["label"])
        np.testing.assert_array_equal(file["label"], np.full((6, 2, 1, 1), 4))


def test_deepcae_test_writes_what_the_text_asks_for(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("out/codes.h5", "")
    save_weights(Solver("solver.prototxt", seed=0).net, "w.caffemodel")
    assert main(["test", "--model", "net.prototxt", "--weights", "w.caffemodel", "--iterations", "4", "-q"]) == 0
    with h5py.File("out/codes.h5") as file:
        assert file["data"].shape == (12, 2, 1, 1)
    assert "l = " in capsys.readouterr().out


def test_check_wants_a_file_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("", "")
    assert main(["check", "net.prototxt"]) == 2
    assert "net.prototxt:6:" in (said := capsys.readouterr().out)
    assert "layer 'o' (HDF5Output): file_name is missing" in said


ELSEWHERE = r"net\.prototxt:6:\d+: layer 'o' \(HDF5Output\): .*outside the working directory.*--allow-writes-elsewhere"


@pytest.fixture
def inside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory that holds the texts, beside one that belongs to somebody else."""
    (folder / "theirs").mkdir()
    (folder / "here").mkdir()
    Path("solver.prototxt").rename("here/solver.prototxt")
    monkeypatch.chdir(folder / "here")
    Path("link").symlink_to("../theirs")
    return folder


@pytest.mark.parametrize(
    "name", ["../theirs/o.h5", "THEIRS/o.h5", "link/o.h5", "new/../../theirs/o.h5", "../here-2/o.h5"]
)
@pytest.mark.parametrize("rule", ["phase: TEST", "phase: TRAIN"])
def test_a_text_writes_nothing_outside_the_working_directory(inside: Path, name: str, rule: str) -> None:
    write(name.replace("THEIRS", str(inside / "theirs")), rule)
    with pytest.raises(SpecError, match=ELSEWHERE):
        list(Solver("solver.prototxt", seed=0).solve())
    with pytest.raises(DataError, match="outside the working directory"):
        Solver("solver.prototxt", seed=0, overrides="test_initialization: true").step()
    assert not list(Path("../theirs").iterdir())
    list(Solver("solver.prototxt", seed=0, allow_writes_elsewhere=True).solve())
    assert h5py.is_hdf5(name.replace("THEIRS", str(inside / "theirs")))


@pytest.mark.parametrize("name", ["o.h5", "new/o.h5", "../here/o.h5", "new/../o.h5", "HERE/o.h5", "RUN/o.h5"])
def test_below_the_working_directory_and_the_run_it_may_write(inside: Path, name: str) -> None:
    name = name.replace("HERE", str(inside / "here")).replace("RUN", str(inside / "run"))
    write(name, "phase: TEST")
    list(Solver("solver.prototxt", seed=0, out=inside / "run").solve())
    assert h5py.is_hdf5(name)


def test_commands_refuse_it_unless_it_is_allowed(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("../theirs/o.h5", "phase: TEST")
    train = ["train", "--solver", "solver.prototxt", "--out", "run", "-q"]
    assert main(train) == 2
    assert re.search(ELSEWHERE, capsys.readouterr().err)
    assert not Path("run/run.json").exists()
    assert main([*train, "--runs", "2"]) == 2
    assert re.search(ELSEWHERE, capsys.readouterr().err)
    assert not list(Path("../theirs").iterdir())
    assert main([*train, "--allow-writes-elsewhere", "--runs", "2"]) == 2
    assert "each of the 2 runs would write '../theirs/o.h5'" in capsys.readouterr().err
    assert main([*train, "--allow-writes-elsewhere"]) == 0
    Path("../theirs/o.h5").unlink()
    tested = ["test", "--model", "net.prototxt", "--weights", "run/s_iter_3.caffemodel", "-q", "--iterations", "2"]
    assert main(tested) == 2
    assert re.search(ELSEWHERE, capsys.readouterr().err)
    assert main(["test", "run", "-q", "--iterations", "2"]) == 2
    assert not list(Path("../theirs").iterdir())
    assert main([*tested, "--allow_writes_elsewhere=true"]) == 0
    assert Path("../theirs/o.h5").exists()


@pytest.mark.parametrize("rule", ["", "not_stage: 'x'"])
def test_two_nets_that_write_one_file_are_refused_before_the_first_batch(folder: Path, rule: str) -> None:
    write("o.h5", rule)
    with pytest.raises(SpecError, match=r"net\.prototxt:6:\d+: .*'o\.h5' is written by several nets.*phase: TEST"):
        list(Solver("solver.prototxt", seed=0, out="run").solve())
    assert not Path("o.h5").exists()
    assert not Path("run").exists()


def test_two_layers_that_write_one_file_are_refused(folder: Path) -> None:
    second = """layer { name: "p" type: "HDF5Output" bottom: "x" bottom: "y" include { phase: TEST }
      hdf5_output_param { file_name: "./o.h5" } }"""
    write("o.h5", "phase: TEST")
    Path("net.prototxt").write_text(Path("net.prototxt").read_text() + second)
    with pytest.raises(SpecError, match=r"net\.prototxt:8:\d+: layer 'p' .*is written by layer 'o' too"):
        list(Solver("solver.prototxt", seed=0).solve())


def test_a_file_of_somebody_is_told_before_the_first_batch_and_stays(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("thesis.h5", "phase: TEST")
    Path("thesis.h5").write_text("years of work")
    assert main(["train", "--solver", "solver.prototxt", "-o", "run", "-q"]) == 2
    assert "thesis.h5: is there already" in capsys.readouterr().err
    assert not list(Path("run").glob("*.ok.json"))
    Path("thesis.h5").rename("kept.h5")
    assert main(["train", "--solver", "solver.prototxt", "-o", "run", "-q"]) == 0
    again = ["train", "--solver", "solver.prototxt", "-o", "run", "-q", "--snapshot", "latest", "--set", "max_iter: 6"]
    assert main(again) == 0  # its own file is replaced
    assert main(["test", "run", "-q", "--iterations", "5"]) == 0
    with h5py.File("thesis.h5") as file:
        assert file["data"].shape == (15, 2, 1, 1)
    Path("kept.h5").replace("thesis.h5")
    assert main(["test", "run", "-q"]) == 2
    assert Path("thesis.h5").read_text() == "years of work"


def test_check_tells_where_a_text_would_write(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write("o.h5", "phase: TEST")
    assert main(["check", "solver.prototxt", "net.prototxt"]) == 0
    solver, net = capsys.readouterr().out.splitlines()
    assert solver.endswith("; it writes runs/here/s_iter_N, o.h5")
    assert net.endswith("; it writes o.h5")
    write("../theirs/o.h5", "phase: TEST")
    Path("solver.prototxt").write_text(SOLVER.replace('"s"', f'"{inside}/theirs/s"'))
    assert main(["check", "solver.prototxt"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"net\.prototxt:6:\d+: warning: .*outside the working directory", told)
    assert re.search(r"solver\.prototxt:2:\d+: warning: snapshot_prefix .*--allow-writes-elsewhere", told)
    assert main(["check", "--json", "solver.prototxt"]) == 0
    assert json.loads(capsys.readouterr().out)["files"][0]["writes"] == [f"{inside}/theirs/s_iter_N", "../theirs/o.h5"]
    write("o.h5", "")
    assert main(["check", "solver.prototxt"]) == 2
    assert "'o.h5' is written by several nets" in capsys.readouterr().out
