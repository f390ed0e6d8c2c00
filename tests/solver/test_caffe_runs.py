"""Every training that Caffe recorded, taken again: losses, rates, tests, weights, history, log."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepcae.solver.log import plain_lines
from deepcae.solver.records import Record, Step, Test, Values
from reference import cases, compared, outline, read_case
from solver.caffe_runs import make_solver, write_files

FILES = [path for path in cases("solvers") if outline(path).known]
RESUMED = [path for path in FILES if outline(path).resumed]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_training_follows_caffe(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = read_case(path)
    write_files(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    solver = make_solver(case, tmp_path)
    records: list[Record] = []
    for iteration in range(int(case["resume_at"]) or int(case["iters"])):
        records += _one(solver, iteration)
        _compare_params(case, solver, iteration + 1, "")
    _compare_steps(case, records, "")
    _compare_tests(case, records)
    _compare_log(str(case["log"]), records)
    _compare_history(case, solver, "")


def test_all_of_caffes_trainings_are_here() -> None:
    assert len(FILES) >= 15
    assert RESUMED


@pytest.mark.parametrize("path", RESUMED, ids=lambda path: path.stem)
def test_resumed_training_follows_caffe(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Restored as Caffe restores: weights, history, iteration and current_step; the data begin anew."""
    case = read_case(path)
    write_files(case, tmp_path)
    monkeypatch.chdir(tmp_path)
    at = int(case["resume_at"])
    solver = make_solver(case, tmp_path, at=at, prefix="resumed_")
    with torch.no_grad():
        for j, blob in enumerate(solver.state.updater.history):
            blob.copy_(torch.from_numpy(case[f"history_{j}"]))
    solver.state.iteration, solver.state.current_step = int(case["state_iter"]), int(case["state_current_step"])
    records: list[Record] = []
    for iteration in range(at, int(case["iters"])):
        records += _one(solver, iteration)
        _compare_params(case, solver, iteration + 1, "resumed_")
    _compare_steps(case, records, "resumed_")
    _compare_history(case, solver, "resumed_")


def _one(solver: Any, iteration: int) -> list[Record]:
    solver.state.goes_on = iteration > 0  # one long step(): the smoothed loss goes on
    records: list[Record] = solver.step(1)
    return records


def _compare_steps(case: Any, records: list[Record], prefix: str) -> None:
    steps = [record for record in records if isinstance(record, Step)]
    for i, name in enumerate(map(str, case[f"{prefix}output_names"])):
        got = [_flat(step.outputs[name]) for step in steps]
        wanted = np.asarray(case[f"{prefix}output_{i}"]).reshape(len(steps), -1)
        compared("solvers, losses and outputs", got, wanted)
        np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-6, err_msg=name)
    lr = np.array([step.lr for step in steps])
    if int(case[f"{prefix}lr_exact"]):
        np.testing.assert_allclose(lr, case[f"{prefix}lr"], rtol=2e-7)
    else:
        np.testing.assert_allclose(lr, case[f"{prefix}lr"], rtol=1e-5)
    assert [step.iteration for step in steps if step.displayed] == case[f"{prefix}displayed_iter"].tolist()
    shown = [step.smoothed_loss for step in steps if step.displayed]
    compared("solvers, losses and outputs", shown, case[f"{prefix}displayed_loss"])
    np.testing.assert_allclose(shown, case[f"{prefix}displayed_loss"], rtol=1e-4)


def _flat(values: Values) -> list[float]:
    return list(values) if isinstance(values, tuple) else [values]


def _compare_params(case: Any, solver: Any, updates: int, prefix: str) -> None:
    """1e-4 of the largest value after a few updates, 1e-3 later: rounding grows with each."""
    by_name = {blob.name: blob.tensor.detach().numpy() for blob in solver.net.learnable}
    for j, name in enumerate(map(str, case[f"{prefix}param_names"])):
        wanted = case.get(f"{prefix}param_{j}_at_{updates}")
        if wanted is not None:
            scale = float(np.abs(wanted).max())
            compared("solvers, parameters", by_name[name], wanted)
            tolerance = (1e-4 if updates <= 5 else 1e-3) * scale + 1e-6
            np.testing.assert_allclose(by_name[name], wanted, rtol=0, atol=tolerance, err_msg=f"{name} at {updates}")


def _compare_history(case: Any, solver: Any, prefix: str) -> None:
    assert len(solver.state.updater.history) == int(case[f"{prefix}n_history"])
    assert solver.iteration == int(case[f"{prefix}state_iter"])
    assert solver.state.current_step == int(case[f"{prefix}state_current_step"])
    for j, blob in enumerate(solver.state.updater.history):
        wanted = case[f"{prefix}history_{j}"]
        tolerance = 1e-3 * float(np.abs(wanted).max()) + 1e-6
        compared("solvers, history", blob, wanted)
        np.testing.assert_allclose(blob.numpy(), wanted.reshape(blob.shape), rtol=0, atol=tolerance, err_msg=str(j))


def _compare_tests(case: Any, records: list[Record]) -> None:
    wanted = json.loads(str(case["tests_json"]))
    got = [record for record in records if isinstance(record, Test)]
    last = max((record.iteration for record in records if isinstance(record, Step)), default=0)
    wanted = [test for test in wanted if test["iter"] <= last]  # Caffe's Solve makes one more at the end
    assert [(test.iteration, test.net_index) for test in got] == [(test["iter"], test["net"]) for test in wanted]
    for ours, theirs in zip(got, wanted, strict=True):
        values = {name: value for name, value, _ in theirs["outputs"]}
        assert list(ours.outputs) == list(values)
        np.testing.assert_allclose(list(ours.outputs.values()), list(values.values()), rtol=1e-4, atol=1e-6)
        assert ours.weights == {name: weight for name, _, weight in theirs["outputs"] if weight}
        if "test_loss" in theirs:
            assert ours.show_loss
            np.testing.assert_allclose(ours.loss, theirs["test_loss"], rtol=1e-4)


def _compare_log(log: str, records: list[Record]) -> None:
    """The lines, with speeds taken out as in the record, and numbers compared as numbers."""
    ours = [re.sub(r" \(\S+ iter/s, \S+s/\d+ iters\)", "", line) for r in records for _, line in plain_lines(r)]
    theirs = [line for line in log.splitlines() if not line.startswith(("Snapshotting", "Optimization"))]
    assert len(ours) == len(theirs)
    for got, wanted in zip(ours, theirs, strict=True):
        numbers = re.compile(r"-?\d+\.?\d*(?:e[+-]?\d+)?")
        assert numbers.sub("N", got) == numbers.sub("N", wanted), (got, wanted)
        np.testing.assert_allclose(
            [float(n) for n in numbers.findall(got)],
            [float(n) for n in numbers.findall(wanted)],
            rtol=1e-4,
            atol=1e-6,
            err_msg=wanted,
        )
