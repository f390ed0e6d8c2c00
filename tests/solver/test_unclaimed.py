"""Files in the places of snapshots that belong to nobody who is known: never replaced without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcae.errors import DataError
from deepcae.solver.solver import Solver
from deepcae.solver.unclaimed import unclaimed
from solver.tiny import write_training

NAMES = (
    "snap_iter_8.caffemodel",
    "snap_iter_8.solverstate",
    "snap_iter_4.caffemodel.h5",
    "snap_iter_16.solverstate.h5",
)


@pytest.fixture
def solver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("run").mkdir()
    return write_training(tmp_path)


def train(solver: Path, **options: object) -> Solver:
    made = Solver(solver, out="run", seed=0, **options)  # type: ignore[arg-type]
    list(made.solve())
    return made


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_new_run_does_not_replace_it(solver: Path, name: str, overwrite: bool) -> None:
    (Path("run") / name).write_text("mine")
    with pytest.raises(DataError, match=rf"run/{name}: is there already.*move it away"):
        train(solver, overwrite=overwrite)
    assert [path.name for path in Path("run").iterdir() if path.suffix != ".lock"] == [name]
    assert (Path("run") / name).read_text() == "mine"


def test_one_that_the_run_never_comes_to_is_nobodys_business(solver: Path) -> None:
    Path("run/snap_iter_999.caffemodel").write_text("mine")
    train(solver)
    assert Path("run/snap_iter_999.caffemodel").read_text() == "mine"


@pytest.mark.parametrize("name", ["snap_iter_16.caffemodel", "snap_iter_16.solverstate"])
def test_a_run_that_goes_on_keeps_it_aside_and_says_so(solver: Path, name: str) -> None:
    whole = train(solver)
    for path in Path("run").glob("snap_iter_16.*"):
        path.unlink()
    (Path("run") / name).write_text("mine")
    (Path("run") / f"{name}~").write_text("mine, too")
    resumed = Solver(solver, out="run", seed=0, snapshot="latest")
    told = [record.message for record in resumed.solve() if hasattr(record, "message")]
    assert any(f"run/{name} is of no snapshot that is known; it is kept as run/{name}~2" in each for each in told)
    assert (Path("run") / f"{name}~").read_text() == "mine, too"
    assert (Path("run") / f"{name}~2").read_text() == "mine"
    assert resumed.iteration == whole.iteration


def test_what_a_kill_left_half_written_is_no_hindrance(solver: Path) -> None:
    Path("run/snap_iter_4.caffemodel").write_text("half")
    Path("run/snap_iter_4.ok.json.tmp.1").write_text("{}")
    assert not list(unclaimed("run/snap", 16))
