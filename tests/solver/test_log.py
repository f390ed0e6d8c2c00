"""Our log, read by the rules of the tools that read Caffe's logs."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime
from pathlib import Path

import pytest

from deepcae.solver.log import log_lines, number, plain_lines
from deepcae.solver.metrics import Metrics, read_metrics, to_json
from deepcae.solver.records import Failed, Finished, Record, Snapshotted, Started, Step, Test, Warned, WarningKind
from deepcae.solver.solver import Solver
from solver.tiny import write_training

WHEN = datetime(2026, 3, 9, 4, 5, 6, 78)
STEP = Step(
    100, 206.5123456, 207.25, 0.01, 3.5, True, {"ce": 206.5123456, "l2": 1e-05, "pair": (1.0, 2.0)}, {"ce": 2.0},
    8.0, 100, 100, 2, 1.75,
)  # fmt: skip


def test_a_displayed_step() -> None:
    assert [text for _, text in plain_lines(STEP)] == [
        "Iteration 100 (12.5 iter/s, 8s/100 iters), loss = 207.25",
        "    Train net output #0: ce = 206.512 (* 2 = 413.025 loss)",
        "    Train net output #1: l2 = 1e-05",
        "    Train net output #2: pair = 1",
        "    Train net output #3: pair = 2",
        "MultiStep Status: Iteration 100, step = 2",
        "Iteration 100, lr = 0.01",
        "Gradient clipping: scaling down gradients (L2 norm 3.5 > 1.75) by scale factor 0.5",
    ]


def test_a_step_that_is_not_displayed_says_nothing() -> None:
    assert log_lines(Step(3, 1.0, 1.0, 0.1, 1.0)) == []


@pytest.mark.parametrize(
    ("record", "wanted"),
    [
        (
            Test(5, 1, {"acc": 0.75}, 2.5, {"acc": 1.0}, True),
            ["Iteration 5, Testing net (#1)", "Test loss: 2.5", "    Test net output #0: acc = 0.75 (* 1 = 0.75 loss)"],
        ),
        (Test(5, 0, {"acc": 0.75}, 2.5), ["Iteration 5, Testing net (#0)", "    Test net output #0: acc = 0.75"]),
        (
            Snapshotted(5, "a_iter_5.caffemodel"),
            [
                "Snapshotting to binary proto file a_iter_5.caffemodel",
                "Snapshotting solver state to binary proto file a_iter_5.solverstate",
            ],
        ),
        (Finished(9, "stopped", {}, {}, 1.0, 0.1), ["Optimization stopped early.", "Optimization Done."]),
        (
            Started(9, "net", "step", 10, 1, "a.solverstate"),
            ["Resuming from a.solverstate", "Starting Optimization", "Solving net", "Learning Rate Policy: step"],
        ),
    ],
)
def test_other_records(record: Record, wanted: list[str]) -> None:
    assert [text for _, text in plain_lines(record)] == wanted


def test_the_prefix_is_glogs() -> None:
    (line,) = [line for line in log_lines(STEP, WHEN) if "lr =" in line]
    assert re.fullmatch(r"I0309 04:05:06\.000078 +\d+ sgd_solver\.cpp:112\] Iteration 100, lr = 0\.01", line)
    assert log_lines(Warned(1, "x", WarningKind.DATA), WHEN)[0].startswith("W0309")
    assert log_lines(Failed(1, "x"), WHEN)[0].startswith("E0309")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1 / 3, "0.333333"), (1e-5, "1e-05"), (123456789.0, "1.23457e+08"), (100.0, "100"), (math.nan, "nan")],
)
def test_numbers_are_as_cpp_prints_them(value: float, text: str) -> None:
    assert number(value) == text


def test_caffes_parse_log_reads_a_whole_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The expressions and the splitting of Caffe's tools/extra/parse_log.py and extract_seconds.py."""
    monkeypatch.chdir(tmp_path)
    records = list(Solver(write_training(tmp_path), overrides="max_iter: 10 display: 2").solve())
    train: dict[float, dict[str, float]] = {}
    test: dict[float, dict[str, float]] = {}
    iteration, rate = -1.0, math.nan
    lines = [line for record in records for line in log_lines(record)]
    assert any("Solving" in line for line in lines)
    for line in lines:
        words = line.split()
        datetime(2026, int(words[0][1:3]), int(words[0][3:]), *(int(x) for x in words[1].split(".")[0].split(":")))
        found = re.search(r"Iteration (\d+)", line)
        iteration = float(found[1]) if found else iteration
        found = re.search(r"lr = ([-+]?[0-9]*\.?[0-9]+([eE]?[-+]?[0-9]+)?)", line)
        rate = float(found[1]) if found else rate
        if found and iteration in train:
            train[iteration]["lr"] = rate
        for kind, rows in (("Train", train), ("Test", test)):
            found = re.search(kind + r" net output #(\d+): (\S+) = ([\.\deE+-]+)", line)
            if found:
                rows.setdefault(iteration, {})[found[2]] = float(found[3])
    steps = {r.iteration: r for r in records if isinstance(r, Step) and r.displayed}
    tests = {r.iteration: r for r in records if isinstance(r, Test)}
    assert train == {
        i: {"loss": pytest.approx(step.outputs["loss"], rel=1e-5), "lr": pytest.approx(step.lr, rel=1e-5)}
        for i, step in steps.items()
    }
    assert test == {i: {"loss": pytest.approx(t.outputs["loss"], rel=1e-5)} for i, t in tests.items()}


# metrics.jsonl


def test_records_as_json() -> None:
    entry = json.loads(json.dumps(to_json(STEP), allow_nan=False))
    assert entry["kind"] == "train"
    assert entry["outputs"] == {"ce": 206.5123456, "l2": 1e-05, "pair": [1.0, 2.0]}
    assert to_json(Failed(3, "x")) == {"kind": "failed", "iteration": 3, "message": "x"}
    assert to_json(Warned(3, "x", WarningKind.FILES)) == {
        "kind": "warned",
        "iteration": 3,
        "message": "x",
        "warning": "files",
    }
    assert to_json(Warned(3, "x", WarningKind.CONSTANT, "fc1", "h", {"loss": math.nan})) == {
        "kind": "warned", "iteration": 3, "message": "x", "warning": "constant", "layer": "fc1", "blob": "h",
        "facts": {"loss": "nan"},
    }  # fmt: skip
    assert to_json(Step(1, math.nan, math.inf, 0.1, 0.0))["loss"] == "nan"


def test_only_displayed_steps_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    for record in (Step(1, 1.0, 1.0, 0.1, 1.0), STEP, Warned(100, "careful", WarningKind.DATA)):
        metrics.write(record)
    metrics.close()
    assert [entry["kind"] for entry in read_metrics(path)] == ["train", "warned"]


@pytest.mark.parametrize(
    ("resume_at", "left"),
    [(None, []), (100, [("snapshotted", 100), ("finished", 100)]), (101, [("train", 100)])],
)
def test_a_file_is_begun_anew_or_cut(resume_at: int | None, left: list[tuple[str, int]], tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = Metrics(path)
    for record in (Snapshotted(100, "x"), STEP, Finished(100, "done", {}, {}, 1.0, 1.0)):
        metrics.write(record)
    metrics.close()
    Metrics(path, resume_at).close()
    got = [(entry["kind"], entry["iteration"]) for entry in read_metrics(path)]
    assert got == ([("snapshotted", 100), *left] if resume_at == 101 else left)
