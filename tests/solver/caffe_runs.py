"""Caffe's recorded trainings, set up again: texts, data files, and the weights that Caffe began with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from deepcae.solver.solver import Solver


class Recorded:
    """The inputs that Caffe was fed with, pass by pass."""

    def __init__(self, case: Mapping[str, Any]) -> None:
        self.inputs = {key.removeprefix("input_"): case[key] for key in case if key.startswith("input_")}

    def batch(self, index: int) -> dict[str, np.ndarray]:
        return {name: values[index] for name, values in self.inputs.items()}


def write_files(case: Mapping[str, Any], folder: Path) -> None:
    """net.prototxt, solver.prototxt and the data of a case."""
    (folder / "net.prototxt").write_text(str(case["net_prototxt"]))
    (folder / "solver.prototxt").write_text(str(case["solver_prototxt"]))
    if str(case["data_source"]) == "hdf5":
        names = [str(name) for name in case["file_names"]]
        _write_list(folder / "train.h5.txt", names)
        for f, name in enumerate(names):
            _write_h5(folder / name, case, f"file_{f}_")
    if any(key.startswith("test_file_0_") for key in case):
        _write_list(folder / "test.h5.txt", ["test_0.h5"])
        _write_h5(folder / "test_0.h5", case, "test_file_0_")


def make_solver(case: Mapping[str, Any], folder: Path, at: int = 0, prefix: str = "", **options: Any) -> Solver:
    """The solver of a case with Caffe's parameters after `at` updates."""
    solver = Solver(folder / "solver.prototxt", **options)
    if str(case["data_source"]) == "input":
        solver.state.train.feed = Recorded(case)
    by_name = {blob.name: blob.tensor for blob in solver.net.learnable}
    for j, name in enumerate(case[f"{prefix}param_names"]):
        with torch.no_grad():
            by_name[str(name)].copy_(torch.from_numpy(case[f"{prefix}param_{j}_at_{at}"]))
    return solver


def _write_list(path: Path, names: list[str]) -> None:
    path.write_text("".join(f"{name}\n" for name in names))


def _write_h5(path: Path, case: Mapping[str, Any], prefix: str) -> None:
    with h5py.File(path, "w") as file:
        for key in case:
            if key.startswith(prefix):
                file[key.removeprefix(prefix)] = case[key]
