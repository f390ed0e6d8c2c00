"""Trainings and tests whose nets have HDF5Output layers."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.cli import main
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
