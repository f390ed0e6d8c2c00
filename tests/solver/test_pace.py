"""How many threads a training takes: the faster number where nothing depends on it, the same to the end elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from deepcae.kernels import native
from deepcae.kernels.choice import has_core, in_force
from deepcae.solver import pace
from deepcae.solver.log import log_lines
from deepcae.solver.pace import Pace
from deepcae.solver.records import Noted, Record, Started, Warned
from deepcae.solver.solver import Solver
from solver.tiny import write_training


class Machine:
    """A clock that each step moves on by what its threads take."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        self.seconds, self.now, self.taken = seconds, 0.0, list[int]()

    def clock(self) -> float:
        return self.now

    def run(self, pace: Pace, steps: int) -> None:
        for _ in range(steps):
            with pace.step():
                self.taken.append(native.threads())
                self.now += self.seconds(native.threads())


@pytest.fixture(autouse=True)
def many_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(8)
    yield
    torch.set_num_threads(before)


def test_a_busy_machine_gets_fewer_threads_and_an_idle_one_all_again() -> None:
    busy = True
    machine = Machine(lambda threads: (0.010 + 0.004 * threads) if busy else 0.020 / threads)
    pace = Pace(8, machine.clock)
    machine.run(pace, 5000)
    assert pace.threads == 1
    first, *others = pace.changes
    assert first == "4 threads from now on, which take 26 ms where 8 take 42; no result depends on it"
    assert len(others) == 2
    pace.changes.clear()
    busy = False
    machine.run(pace, 40000)
    assert pace.threads == 8
    assert len(pace.changes) == 3


def test_what_is_hardly_faster_changes_nothing_and_costs_little() -> None:
    machine = Machine(lambda threads: 0.01 if threads == 2 else 0.0095)
    pace = Pace(2, machine.clock)
    machine.run(pace, 20000)
    assert pace.threads == 2
    assert pace.changes == []
    assert 0 < machine.taken.count(1) < 0.02 * len(machine.taken)


def test_comparing_with_much_slower_threads_costs_little() -> None:
    machine = Machine(lambda threads: 0.002 if threads == 2 else 0.02)
    machine.run(pace := Pace(2, machine.clock), 50000)
    assert pace.threads == 2
    assert 0.02 * machine.taken.count(1) < 0.03 * machine.now


def test_one_slow_block_is_forgiven() -> None:
    """What a moment's disturbance makes of one of the blocks decides nothing."""
    machine = Machine(lambda threads: 0.02 / threads)
    pace = Pace(2, machine.clock)
    slow = iter([0.5])
    machine.seconds = lambda threads: 0.02 / threads + (next(slow, 0.0) if pace._trial and threads == 2 else 0.0)
    machine.run(pace, 2000)
    assert pace.threads == 2


def test_the_limit_ends_with_the_step() -> None:
    paced = Pace(8)
    paced.threads = 3
    with paced.step():
        assert native.threads() == 3
    assert native.threads() == 8 == torch.get_num_threads()
    with pytest.raises(ZeroDivisionError), native.at_most(2):
        1 / 0  # noqa: B018
    assert native.threads() == 8


# Trainings


def notes(records: list[Record]) -> list[str]:
    return [record.message for record in records if isinstance(record, Noted)]


def warnings(records: list[Record]) -> list[str]:
    return [record.message for record in records if isinstance(record, Warned)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


needs_core = pytest.mark.skipif(not has_core(), reason="the core was not built")


@needs_core
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_a_run_says_whether_results_depend_on_its_threads(dropout: float, folder: Path) -> None:
    solver = write_training(folder, dropout=dropout)
    first, *_ = Solver(solver, out="run").solve()
    assert isinstance(first, Started)
    steady = "8 threads, or fewer while those are faster: no result of the training depends on it"
    depends = "8 threads to the end: results depend on their number (--threads chooses it)"
    assert first.threads == (depends if dropout else steady)
    assert log_lines(first)[-1].endswith(first.threads)
    first, *_ = Solver(solver, out="run2", threads=2).solve()
    assert isinstance(first, Started)
    assert first.threads == ""
    assert torch.get_num_threads() == 2
    assert "threads" not in (folder / "run/metrics.jsonl").read_text()


@needs_core
def test_changing_threads_leave_the_same_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number changes with nearly every step."""
    solver = write_training(folder, dropout=0.0)
    list(Solver(solver, out="a/run", threads=1).solve())
    torch.set_num_threads(8)
    for name, value in {"FIRST": 0.0, "BLOCK": 0.0, "BLOCKS": 1, "MARGIN": 0.0, "SHARE": 0, "LONGEST": 0.0}.items():
        monkeypatch.setattr(pace, name, value)
    told = notes(list(Solver(solver, out="b/run").solve()))
    assert len(told) > 3
    for path in (folder / "a/run").glob("snap_iter_16.*model"):
        assert path.read_bytes() == (folder / "b/run" / path.name).read_bytes()


@needs_core
def test_a_resumed_run_takes_its_threads_where_results_depend_on_them(folder: Path) -> None:
    solver = write_training(folder, dropout=0.5)
    list(Solver(solver, out="run", threads=3).solve())
    torch.set_num_threads(8)
    longer = "max_iter: 17"
    records = list(Solver(solver, out="run", snapshot="latest", overrides=longer).solve())
    assert warnings(records) == ["goes on with 3 threads, as the run began, not 8: its results depend on the number"]
    assert torch.get_num_threads() == 3
    records = list(Solver(solver, out="run", snapshot="latest", overrides="max_iter: 18", threads=2).solve())
    assert warnings(records) == ["the snapshot was made with 3 threads, this run has 2: its last bits may differ"]
    assert torch.get_num_threads() == 2


@needs_core
def test_a_resumed_run_takes_any_number_where_nothing_depends_on_it(folder: Path) -> None:
    solver = write_training(folder, dropout=0.0)
    list(Solver(solver, out="run", threads=3).solve())
    torch.set_num_threads(8)
    resumed = Solver(solver, out="run", snapshot="latest", overrides="max_iter: 17")
    assert all(fed.is_steady() for fed in resumed.state.tests)
    assert warnings(list(resumed.solve())) == []
    assert torch.get_num_threads() == 8


@needs_core
def test_a_run_goes_on_by_the_rule_that_it_began_with(folder: Path) -> None:
    solver = Solver(write_training(folder, dropout=0.0), out="run")
    list(solver.solve())
    assert in_force()["numbers"] == solver_state(folder)["kernels"]["numbers"]


def solver_state(folder: Path) -> dict:
    import json

    (path,) = (folder / "run").glob("snap_iter_16.resume.json")
    return json.loads(path.read_text())
