"""A run's folder that is not as a training left it: what is there counts, and nothing is written over in silence."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deepcae.errors import DataError, DeepcaeError, Incomplete, SnapshotError
from deepcae.solver.kept import NEXT, find_best
from deepcae.solver.records import Finished, Snapshotted, Warned, WarningKind
from deepcae.solver.run import Run
from deepcae.solver.snapshot import MANIFEST, find, latest
from deepcae.solver.solver import Solver
from solver.tiny import write_training

BEST = "snapshot_best: true test_interval: 2"


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_training(tmp_path)


def run(training: Path, overrides: str = BEST, **more: Any) -> list[Any]:
    return list(Solver(training, out="run", overrides=overrides, **more).solve())


def content(folder: str = "run") -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def leave_the_best() -> None:
    for path in Path("run").glob("snap_iter_*"):
        path.unlink()


def test_a_best_snapshot_that_alone_is_left_is_a_run(training: Path) -> None:
    run(training)
    leave_the_best()
    before, found = content(), find_best("run/snap")
    assert found is not None
    with pytest.raises(DataError, match=rf"holds a run already, at iteration {found.iteration};"):
        run(training)
    assert content() == before
    for path in ("run", "run/snap"):
        assert find(path) == latest(path) == found.snapshot
    chosen = Run("run").choose("last")
    assert (chosen.snapshot, chosen.iteration) == (found.snapshot, found.iteration)


@pytest.mark.parametrize("settings", [BEST, BEST + " snapshot: 0 snapshot_after_train: false", BEST + " base_lr: 0.5"])
def test_it_is_gone_on_with_as_if_nothing_had_been(settings: str, training: Path) -> None:
    records = run(training, settings)
    wanted = content()
    leave_the_best()
    resumed = run(training, settings, snapshot="latest")
    found = find_best("run/snap")
    assert found is not None
    assert resumed[0].iteration == found.iteration
    assert resumed[-1].test == records[-1].test
    names = [name for name in content() if name.startswith("snap_")]
    assert {name: content()[name] for name in names if not name.endswith(MANIFEST)} == {
        name: wanted[name] for name in names if not name.endswith(MANIFEST)
    }


def test_its_last_iteration_gets_a_numbered_snapshot_again(training: Path) -> None:
    run(training, BEST + " base_lr: 1e-9 max_iter: 4 snapshot: 0")
    leave_the_best()
    run(training, BEST + " max_iter: 4", snapshot="latest")
    assert latest("run/snap") == find("run/snap_iter_4")


def test_a_damaged_one_is_refused(training: Path) -> None:
    run(training)
    leave_the_best()
    Path("run/snap_best.solverstate").write_bytes(b"x")
    for more in ({}, {"snapshot": "latest"}):
        with pytest.raises(DeepcaeError, match=r"snap_best\.solverstate: 1 bytes|no complete snapshot"):
            run(training, **more)


def test_taking_its_place_wants_a_word(training: Path) -> None:
    run(training)
    leave_the_best()
    run(training, "max_iter: 4", overwrite=True)
    assert find_best("run/snap") is None


def pipe(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("make", [pipe, folder])
@pytest.mark.parametrize("part", [MANIFEST, ".caffemodel"])
def test_what_stands_in_the_way_of_the_best_is_told_and_nothing_is_left(
    make: Callable[[Path], None], part: str, training: Path
) -> None:
    run(training)
    path = Path(f"run/snap_best{part}{NEXT}")
    make(path)
    before = content()
    if (make, part) == (pipe, ".caffemodel"):  # what has that name goes, when the next best is written or before
        run(training, snapshot="latest")
        assert not path.exists()
        return
    with pytest.raises(SnapshotError, match=rf"^{path}: cannot be written: .*; the training has not begun$"):
        run(training, snapshot="latest")
    assert content() == before  # no lock is left


def test_a_list_of_the_next_best_that_is_too_deep_is_no_list(training: Path) -> None:
    run(training)
    path = Path(f"run/snap_best{MANIFEST}{NEXT}")
    path.write_text("[" * 200_000)
    Path(f"run/snap_best.caffemodel{NEXT}").write_bytes(b"half")
    told = [each.message for each in run(training, snapshot="latest") if isinstance(each, Warned)]
    assert any(message.startswith(f"{path}: damaged, not a JSON file") for message in told)
    assert not list(Path("run").glob(f"*{NEXT}"))


@pytest.mark.parametrize("leave", [shutil.rmtree, lambda path: Path(path).rename("elsewhere")])
def test_a_folder_that_goes_while_the_training_runs_is_told(leave: Callable[[str], None], training: Path) -> None:
    records = []

    def train() -> None:
        for record in Solver(training, out="run").solve():
            records.append(record)
            if isinstance(record, Snapshotted) and record.iteration == 4:
                leave("run")

    with pytest.raises(Incomplete, match=r"^run: was moved or removed while the training ran"):
        train()
    told = [record for record in records if isinstance(record, Warned) and "was moved or removed" in record.message]
    assert [(record.iteration, record.kind) for record in told] == [(8, WarningKind.UNWRITTEN)]
    assert isinstance(records[-1], Finished)
    assert latest("run/snap") == find("run/snap_iter_16")


def test_a_file_is_no_run(training: Path) -> None:
    with pytest.raises(DataError, match=r"^net\.prototxt: is a file; a run is a folder, "):
        Run("net.prototxt")


def test_a_folder_that_stays_is_not(training: Path) -> None:
    assert not any(isinstance(record, Warned) for record in run(training, ""))
