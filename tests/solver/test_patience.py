"""`patience`: a training ends when so many tests were no better than the best one, and goes on exactly with more."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from deepcae.cli import main
from deepcae.errors import SpecError
from deepcae.solver.log import log_lines
from deepcae.solver.records import Finished, Kept, Noted, Record, Snapshotted, Step, Test, Warned
from deepcae.solver.run import Run
from deepcae.solver.solver import Solver
from deepcae.solver.stacked import StackedTraining
from solver.tiny import write_training

FILES = (".caffemodel", ".solverstate", ".resume.json", ".ok.json")
LATE = "test_interval: 2 base_lr: 0.5 max_iter: 40 snapshot: 6 snapshot_best: true "  # the best test is at iteration 8


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_training(tmp_path)


def run(training: Path, patience: int, out: str = "run", extra: str = "", **more: Any) -> list[Record]:
    return list(Solver(training, out=out, overrides=f"{LATE} patience: {patience} {extra}", **more).solve())


def tried(records: list[Record]) -> list[tuple[int, float]]:
    return [(each.iteration, each.loss) for each in records if isinstance(each, Test)]


def finished(records: list[Record]) -> Finished:
    assert isinstance(records[-1], Finished)
    return records[-1]


def contents(folder: str, stem: str) -> list[bytes]:
    return [Path(folder, stem + ending).read_bytes() for ending in FILES]


@pytest.mark.parametrize("patience", [1, 2, 3, 5])
def test_it_ends_at_the_test_that_says_so_and_keeps_the_best(patience: int, training: Path) -> None:
    whole = tried(run(training, 0, out="whole"))
    since, end = 0, 0
    for at, (iteration, loss) in enumerate(whole):
        since = 0 if loss < min((value for _, value in whole[:at]), default=9e9) else since + 1
        if since == patience:
            end = iteration
            break
    assert 0 < end < 40
    records = run(training, patience)
    assert tried(records) == [pair for pair in whole if pair[0] <= end], "the same losses, and no test is made twice"
    assert [each.iteration for each in records if isinstance(each, Step)] == list(range(end))
    last = finished(records)
    assert (last.iteration, last.reason) == (end, "stopped early")
    (told,) = [each for each in records if isinstance(each, Noted)]
    best = min((pair for pair in whole if pair[0] <= end), key=lambda pair: pair[1])
    assert told.message == (
        f"stops early: {patience} tests since iteration {best[0]} (test loss {best[1]:.6g}) were no better; "
        f"patience is {patience}"
    )
    assert "Optimization stopped early." in "".join(log_lines(last))
    assert [each.iteration for each in records if isinstance(each, Kept)][-1] == best[0]
    assert [each.iteration for each in records if isinstance(each, Snapshotted)][-1] == end
    assert [each["reason"] for each in Run("run").metrics() if each["kind"] == "finished"] == ["stopped early"]


@pytest.mark.parametrize("stop", [1, 5, 8, 9, 12, 13])
def test_a_run_that_was_stopped_ends_where_it_would_have(stop: int, training: Path) -> None:
    run(training, 3)
    wanted = contents("run", "snap_best"), contents("run", "snap_iter_14")[:3]
    Path("run").rename("unbroken")
    solver = Solver(training, out="run", overrides=f"{LATE} patience: 3")
    for record in solver.solve():
        if isinstance(record, Step) and record.iteration == stop - 1:
            solver.request_stop()
    assert finished(run(training, 3, snapshot="run/snap")).iteration == 14
    assert (contents("run", "snap_best"), contents("run", "snap_iter_14")[:3]) == wanted


def test_it_goes_on_with_more_patience_as_if_it_had_had_it_before(training: Path) -> None:
    whole = run(training, 6)
    end = finished(whole).iteration
    wanted = contents("run", f"snap_iter_{end}")
    shutil.rmtree("run")
    first = finished(run(training, 2))
    assert first.iteration < end
    again = run(training, 2, snapshot="run/snap")
    assert finished(again).iteration == first.iteration, "ended is ended"
    assert not [each for each in again if isinstance(each, Step)]
    records = run(training, 6, snapshot="run/snap")
    assert tried(records) == [pair for pair in tried(whole) if pair[0] >= first.iteration]
    assert contents("run", f"snap_iter_{end}")[:3] == wanted[:3]
    assert not [each for each in records if isinstance(each, Warned)]


def test_steps_are_taken_whatever_it_says(training: Path) -> None:
    solver = Solver(training, out="run", overrides=f"{LATE} patience: 1")
    list(solver.solve())
    before = solver.iteration
    assert len([each for each in solver.step(5) if isinstance(each, Step)]) == 5
    assert solver.iteration == before + 5


@pytest.mark.parametrize("dropout", [0.0])
def test_several_at_once_end_each_by_itself(dropout: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    training = write_training(tmp_path, dropout=dropout)
    overrides = f"{LATE} patience: 2"
    alone = {}
    for seed in (1, 2, 3, 4):
        records = list(Solver(training, overrides=overrides, seed=seed, out=f"alone/{seed}").solve())
        alone[seed] = (finished(records).iteration, finished(records).reason)
    assert len(set(alone.values())) > 1
    solvers = [Solver(training, overrides=overrides, seed=seed, out=f"run/{seed}") for seed in alone]
    together: dict[int, tuple[int, str]] = {}
    for k, record in StackedTraining(solvers).solve():
        if isinstance(record, Finished):
            together[solvers[k].seed] = (record.iteration, record.reason)
    assert together == alone


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ("patience: 3", "patience stops nothing: the solver makes no tests (test_iter, test_interval)"),
        ("patience: -1", "patience is -1; it must be at least 0 and finite"),
    ],
)
def test_it_says_where_it_can_do_nothing(extra: str, why: str, training: Path) -> None:
    text = training.read_text().replace("test_iter: 3", "").replace("test_interval: 5", "")
    training.write_text(text)
    if "-1" in extra:
        with pytest.raises(SpecError, match=why):
            Solver(training, overrides=extra)
        return
    records = list(Solver(training, out="run", overrides=extra).solve())
    assert why in [each.message for each in records if isinstance(each, Warned)]
    assert finished(records).reason == "done"


def test_the_command_says_it_and_what_is_next(training: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--solver", str(training), "--out", "run", "--set", f"{LATE} patience: 2", "--json"]) == 0
    out, err = capsys.readouterr()
    assert "stops early: 2 tests since iteration 8" in err
    assert "next: deepcae report run" in err
    assert "go on with" not in err
    assert '"loss"' in out
