"""A small auto-encoder and its data, in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae.cli import main

NET = """name: "tiny"
layer { name: "train" type: "HDF5Data" top: "data" include { phase: TRAIN }
  hdf5_data_param { source: "train.txt" batch_size: 8 } }
layer { name: "test" type: "HDF5Data" top: "data" include { phase: TEST }
  hdf5_data_param { source: "test.txt" batch_size: 4 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "act" type: "Sigmoid" bottom: "conv" top: "conv" }
layer { name: "code" type: "InnerProduct" bottom: "conv" top: "code"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "up" type: "InnerProduct" bottom: "code" top: "up"
  inner_product_param { num_output: 36 weight_filler { type: "xavier" } } }
layer { name: "flat" type: "Flatten" bottom: "data" top: "flat" }
layer { name: "entropy" type: "SigmoidCrossEntropyLoss" bottom: "up" bottom: "flat" top: "entropy" }
layer { name: "restored" type: "Sigmoid" bottom: "up" top: "restored" }
layer { name: "l2" type: "EuclideanLoss" bottom: "restored" bottom: "flat" top: "l2" }
"""
SOLVER = """net: "net.prototxt"
base_lr: 0.1 lr_policy: "fixed" momentum: 0.9 max_iter: 6 display: 2 random_seed: 3
test_iter: 3 test_interval: 3 snapshot: 2 snapshot_prefix: "tiny"
"""


@pytest.fixture(autouse=True)
def unbound(monkeypatch: pytest.MonkeyPatch) -> None:
    """No width of a screen: readline, where a parent of the tests loads it, exports `COLUMNS` to them."""
    monkeypatch.delenv("COLUMNS", raising=False)


def write_data(folder: Path) -> None:
    """24 images to learn from, 12 to test with: (n, 1, 6, 6) in 0..1, with labels."""
    generator = np.random.default_rng(0)
    for name, rows in (("train", 24), ("test", 12)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"] = generator.random((rows, 1, 6, 6), dtype=np.float32)
            file["label"] = np.arange(rows, dtype=np.float32) % 3
        (folder / f"{name}.txt").write_text(f"{name}.h5\n")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with net.prototxt, solver.prototxt and their data; the working directory is another one."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "net.prototxt").write_text(NET)
    (folder / "solver.prototxt").write_text(SOLVER)
    write_data(folder)
    elsewhere = tmp_path / "work"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    return folder


@pytest.fixture
def short_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report of its losses alone, for what does not judge its pictures: a whole page takes seconds."""
    from deepcae.report.sections import losses

    monkeypatch.setattr("deepcae.report.build.SECTIONS", (losses,))


@pytest.fixture
def run(model: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A finished run."""
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "--quiet"]) == 0
    capsys.readouterr()
    return Path("run")
