"""The snapshot of the best test: which one it is, that it is complete, and that no stop or kill loses it."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from deepcae.errors import DataError, SnapshotError, TrainingError
from deepcae.solver import best as best_module
from deepcae.solver import kept as kept_module
from deepcae.solver.kept import NEXT, complete, find_best
from deepcae.solver.records import Kept, Record, Test, Warned, WarningKind
from deepcae.solver.run import Run
from deepcae.solver.snapshot import MANIFEST, find, latest
from deepcae.solver.solver import Solver
from deepcae.solver.stacked import StackedTraining
from solver.tiny import write_training

SETTINGS = {"snapshot_best": "true", "test_interval": "2", "max_iter": "16", "base_lr": "0.5"}  # best at iteration 8
FILES = (".caffemodel", ".solverstate", ".resume.json", ".ok.json")


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_training(tmp_path)


def settings(extra: str = "") -> str:
    """Those of these tests, with others in their place."""
    given = dict(pair.split(": ", 1) for pair in extra.split("; ") if pair)
    return " ".join(f"{name}: {value}" for name, value in (SETTINGS | given).items())


def run(training: Path, out: str = "run", extra: str = "", **more: Any) -> list[Record]:
    return list(Solver(training, out=out, overrides=settings(extra), **more).solve())


def losses_of(records: list[Record]) -> dict[int, float]:
    """Of the first test net; the last pass of an iteration counts."""
    return {each.iteration: each.loss for each in records if isinstance(each, Test) and each.net_index == 0}


def contents(folder: str, stem: str = "snap_best", ending: str = "") -> list[bytes]:
    names = [f"{part}{ending}" if part.startswith((".caffe", ".solver")) else part for part in FILES]
    return [Path(folder, stem + name).read_bytes() for name in names]


def lines(folder: str) -> list[dict[str, Any]]:
    """What does not tell of time, or of the stop itself."""
    entries = (entry for entry in Run(folder).metrics() if entry["kind"] not in ("started", "finished"))
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


@pytest.mark.parametrize("drop", [0.0, 0.5])
@pytest.mark.parametrize("extra", ["", "iter_size: 2", "type: 'Adam'", "base_lr: 1e-9", "test_initialization: false"])
def test_the_least_test_loss_is_kept(extra: str, drop: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    training = write_training(tmp_path, dropout=drop)
    records = run(training, extra=extra)
    tests = losses_of(records)
    wanted = min(tests, key=lambda iteration: (tests[iteration], iteration))
    found = find_best("run/snap")
    assert found is not None
    assert (found.iteration, found.loss) == (wanted, tests[wanted])
    kept = [each for each in records if isinstance(each, Kept)]
    assert kept[-1] == Kept(wanted, "run/snap_best.caffemodel", tests[wanted])
    solver = Solver(training, overrides=settings(extra), snapshot="run/snap_best.solverstate")
    assert solver.iteration == wanted
    assert solver.test().loss == tests[wanted]


def test_training_goes_on_from_the_best_as_if_it_had_never_stopped(training: Path) -> None:
    """Its state is that before the test: positions, generator, what the guard and the tests had seen."""
    records = run(training)
    found = find_best("run/snap")
    assert found is not None
    assert 0 < found.iteration < 16
    wanted = contents("run", "snap_iter_16")
    shutil.copytree("run", "other/run")
    os.chdir("other")
    resumed = list(
        Solver(
            training,
            out="run",
            overrides=settings(),
            snapshot="run/snap_best.solverstate",
        ).solve()
    )
    assert losses_of(resumed) == {at: loss for at, loss in losses_of(records).items() if at >= found.iteration}
    assert contents("run", "snap_iter_16")[:3] == wanted[:3]


@pytest.mark.parametrize("stop", [1, 4, 7, 8, 10, 15])
@pytest.mark.parametrize("form", ["", "snapshot_format: HDF5"])
def test_a_resumed_run_ends_with_the_same_best(form: str, stop: int, training: Path) -> None:
    ending = ".h5" if form else ""
    run(training, extra=form)
    wanted, told = contents("run", ending=ending), lines("run")
    Path("run").rename("unbroken")
    stopped = Solver(training, out="run", overrides=settings(form))
    for _ in stopped.solve():
        if stopped.iteration == stop:
            stopped.request_stop()
    run(training, extra=form, snapshot="latest")
    assert contents("run", ending=ending) == wanted
    tests = [entry for entry in lines("run") if entry["kind"] in ("test", "warned")]
    assert tests == [entry for entry in told if entry["kind"] in ("test", "warned")]
    assert contents("run", "snap_iter_16", ending)[:3] == contents("unbroken", "snap_iter_16", ending)[:3]


@pytest.mark.parametrize("back_to", [4, 8, 12])
def test_a_kill_loses_nothing(back_to: int, training: Path) -> None:
    """The newest snapshots are gone, as if they had never been written; the best is of a later time."""
    run(training)
    wanted, told = contents("run"), lines("run")
    for path in Path("run").glob("snap_iter_*"):
        if int(path.name.split("_")[2].split(".")[0]) > back_to:
            path.unlink()
    run(training, snapshot="latest")
    assert contents("run") == wanted
    went_back = [entry for entry in lines("run") if "replaces it" in entry.get("message", "")]
    assert len(went_back) == (back_to < 8)
    assert [entry for entry in lines("run") if entry not in went_back] == told


@pytest.mark.parametrize("back_to", [4, 6])
def test_going_back_behind_the_best_is_told(back_to: int, training: Path) -> None:
    """Another course from there on: its own best takes the place, and what stands there until then is told."""
    run(training, extra="snapshot: 2")
    best = find_best("run/snap")
    assert best is not None
    assert best.iteration == 8
    other = "snapshot: 2; base_lr: 1e-9"
    records = run(training, extra=other, snapshot=f"run/snap_iter_{back_to}.solverstate")
    (told,) = [each.message for each in records if isinstance(each, Warned) and "_best" in each.message]
    before = json.loads(Path(f"run/snap_iter_{back_to}.resume.json").read_text())["tests"]["best"]
    assert told == (
        f"snap_best is of iteration 8 (test loss {best.loss:.6g}), after the {back_to} where this goes on; "
        f"the first test below {before[1]:.6g} replaces it"
    )
    kept = [each for each in records if isinstance(each, Kept)]
    found = find_best("run/snap")
    assert found is not None
    if kept:
        assert (found.iteration, found.loss) == (kept[-1].iteration, kept[-1].loss)
        assert found.loss < before[1]
    else:
        assert found == best
        assert min(losses_of(records).values()) >= before[1]


@pytest.mark.parametrize("renames", range(5))
@pytest.mark.parametrize("extra", ["", "snapshot_format: HDF5"])
def test_a_kill_while_it_is_written(extra: str, renames: int, training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After any number of renames the next holder of the lock has the old one or the new one, whole."""
    run(training, extra="max_iter: 1")
    old = find_best("run/snap")
    assert old is not None

    class Killed(BaseException):
        pass

    real, done = os.replace, 0

    def replace(source: Any, target: Any) -> None:
        nonlocal done
        if not str(target).endswith(NEXT):
            if done == renames:
                raise Killed
            done += 1
        real(source, target)

    parts = {f"{part}.h5" if extra and part[1] in "cs" else part: part.encode() * 9 for part in FILES[:3]}
    with monkeypatch.context() as patched, suppress(Killed):
        patched.setattr(kept_module.os, "replace", replace)
        kept_module.commit("run/snap_best", 7, 0.5, parts)
    complete("run/snap")
    found = find_best("run/snap")
    assert found is not None
    assert (found.iteration, found.loss) == (7, 0.5)
    assert len(list(Path("run").glob("snap_best*"))) == 4


@pytest.mark.parametrize("renames", range(4))
@pytest.mark.parametrize("written", range(4))
def test_one_that_was_cut_off_is_completed_before_the_next(
    written: int, renames: int, training: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two kills, each within a best snapshot: no mixture of both is ever taken for one."""
    run(training, extra="max_iter: 1")
    left = {"in place": renames, "written": 4}

    class Killed(BaseException):
        pass

    real = os.replace

    def replace(source: Any, target: Any) -> None:
        kind = "written" if str(target).endswith(NEXT) else "in place"
        if left[kind] == 0:
            raise Killed
        left[kind] -= 1
        real(source, target)

    def commit(iteration: int) -> None:
        parts = {part: f"{part} of {iteration}".encode() for part in FILES[:3]}
        with suppress(Killed):
            kept_module.commit("run/snap_best", iteration, 1 / iteration, parts)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        commit(7)
        left = {"in place": 4, "written": written}
        commit(9)
    complete("run/snap")
    found = find_best("run/snap")
    assert found is not None
    assert (found.iteration, found.loss) == (7, 1 / 7)
    commit(11)
    assert [f"{part} of 11".encode() for part in FILES[:3]] == [
        Path(f"run/snap_best{p}").read_bytes() for p in FILES[:3]
    ]


@pytest.mark.parametrize("manifest", [None, b"", b"[]", b"{}", b'{"files": 7}', b'{"files": ["a/b"]}'])
def test_what_was_half_written_is_gone_and_the_old_one_there(manifest: bytes | None, training: Path) -> None:
    run(training)
    wanted = contents("run")
    Path(f"run/snap_best.caffemodel{NEXT}").write_bytes(b"half")
    if manifest is not None:
        Path(f"run/snap_best.ok.json{NEXT}").write_bytes(manifest)
    complete("run/snap")
    assert contents("run") == wanted
    assert len(list(Path("run").glob("snap_best*"))) == 4


def test_it_is_no_numbered_snapshot(training: Path) -> None:
    run(training, keep=2)
    assert find_best("run/snap") is not None  # it was not pruned
    assert latest("run") == latest("run/snap") == find("run/snap_iter_16")
    Path("run/snap_iter_16.ok.json").unlink()
    newest = latest("run")
    assert newest is not None
    assert newest.iteration == 12
    assert find("run/snap_best").stem == "run/snap_best"


def test_it_is_tried_again_where_the_disk_was_full(training: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = best_module.commit, 0

    def full(*given: Any) -> Any:
        nonlocal failures
        if failures < 2:
            failures += 1
            raise OSError(28, "No space left on device")
        return real(*given)

    monkeypatch.setattr(best_module, "commit", full)
    records = run(training)
    warned = [each.message for each in records if isinstance(each, Warned) and each.kind == WarningKind.UNWRITTEN]
    assert len(warned) == 2
    assert "the best snapshot: run/snap_best.caffemodel: cannot be written: No space left on device" in warned[0]
    assert find_best("run/snap") is not None


def test_a_failure_keeps_the_best_of_before(training: Path) -> None:
    solver = Solver(training, out="run", overrides=settings("snapshot: 0"))
    seen: dict[int, float] = {}
    with suppress(TrainingError):
        for record in solver.solve():
            if isinstance(record, Test):
                seen[record.iteration] = record.loss
            if solver.iteration == 9:
                with torch.no_grad():
                    solver.net.params["fc2"][0].fill_(float("nan"))
    assert 16 not in seen
    found = find_best("run/snap")
    assert found is not None
    assert (found.loss, found.iteration) == min((loss, at) for at, loss in seen.items() if loss == loss)


def test_what_it_goes_by_is_told(training: Path) -> None:
    two = run(training, extra="test_iter: 3 test_iter: 2")
    assert [(each.kind, each.message) for each in two if isinstance(each, Warned)] == [
        (WarningKind.SETTINGS, "snapshot_best: of the 2 test nets the first decides")
    ]
    text = training.read_text().replace("test_iter: 3", "").replace("test_interval: 5", "")
    training.write_text(text)
    none = list(Solver(training, out="none", overrides="snapshot_best: true").solve())
    assert [each.message for each in none if isinstance(each, Warned)] == [
        "snapshot_best keeps nothing: the solver makes no tests (test_iter, test_interval)"
    ]


def test_without_the_option_nothing_is_kept(training: Path) -> None:
    records = list(Solver(training, out="run").solve())
    assert not any(isinstance(each, Kept) for each in records)
    assert not list(Path("run").glob("snap_best*"))


def test_the_losses_are_the_same_with_and_without_it(training: Path) -> None:
    with_it = run(training)
    without = run(training, "other", extra="snapshot_best: false")

    def losses(records: list[Record]) -> list[Any]:
        return [getattr(each, "loss", None) for each in records if not isinstance(each, Kept)]

    assert losses(with_it) == losses(without)


def test_several_runs_as_one_program_keep_each_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    training = write_training(tmp_path, dropout=0)
    solvers = [Solver(training, out=f"run{seed}", seed=seed, overrides=settings()) for seed in (1, 2)]
    tests: dict[int, dict[int, float]] = {0: {}, 1: {}}
    for k, record in StackedTraining(solvers).solve():
        if isinstance(record, Test):
            tests[k][record.iteration] = record.loss
    for k, seed in enumerate((1, 2)):
        found = find_best(f"run{seed}/snap")
        assert found is not None
        assert (found.loss, found.iteration) == min((loss, at) for at, loss in tests[k].items())
        assert (
            Solver(training, overrides=settings(), snapshot=f"run{seed}/snap_best.solverstate").test().loss
            == found.loss
        )


def test_old_snapshots_go_on(training: Path) -> None:
    """Those that knew nothing of tests seen."""
    run(training, extra="max_iter: 8; snapshot_best: false")
    path = Path("run/snap_iter_8.resume.json")
    extras = json.loads(path.read_bytes())
    del extras["tests"]
    path.write_text(json.dumps(extras))
    Path("run/snap_iter_8.ok.json").unlink()
    manifest = {"files": {}, "sequence": 9, "iteration": 8}
    for part in FILES[:3]:
        data = Path(f"run/snap_iter_8{part}").read_bytes()
        manifest["files"][f"snap_iter_8{part}"] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}  # type: ignore[index]
    Path(f"run/snap_iter_8{MANIFEST}").write_text(json.dumps(manifest))
    records = run(training, snapshot="latest")
    assert isinstance(records[-1].iteration, int)
    assert find_best("run/snap") is not None


# Which one is looked at


def test_the_best_is_looked_at_unless_another_is_named(training: Path) -> None:
    run(training)
    found = find_best("run/snap")
    assert found is not None
    chosen = Run("run").choose()
    assert chosen.snapshot == found.snapshot
    assert chosen.told == (
        f"weights of iteration {found.iteration}, whose test was best (loss {found.loss:.6g}); "
        "the last are those of iteration 16 (--snapshot last)"
    )
    assert Run("run").choose("last").iteration == 16
    assert Run("run").choose("8").snapshot.stem == "run/snap_iter_8"
    models = {which: Run("run").net(snapshot=which).params["fc1"][0].clone() for which in (None, "best", "last")}
    assert torch.equal(models[None], models["best"])
    assert not torch.equal(models[None], models["last"])


@pytest.mark.parametrize(
    ("which", "sentence"),
    [
        ("best", "run: kept no best snapshot; `snapshot_best: true` in its solver text makes it keep one"),
        ("7", "run: no complete snapshot of iteration 7"),
        ("first", "the snapshot of a run is best, last or an iteration, not 'first'"),
        ("-1", "not '-1'"),
    ],
)
def test_what_is_not_there_is_refused(which: str, sentence: str, training: Path) -> None:
    list(Solver(training, out="run").solve())
    assert Run("run").choose().told == ""
    with pytest.raises(DataError, match="run") as refused:
        Run("run").choose(which)
    assert sentence in str(refused.value)


def test_a_damaged_best_is_told_and_the_last_taken(training: Path) -> None:
    run(training)
    Path("run/snap_best.caffemodel").write_bytes(b"x")
    told: list[str] = []
    assert Run("run").choose(None, told.append).iteration == 16
    (line,) = told
    assert "snap_best.caffemodel: 1 bytes" in line
    assert line.endswith("the last snapshot is taken")
    with pytest.raises(SnapshotError, match="1 bytes"):
        Run("run").choose("best")


def test_a_run_that_keeps_none_has_none(training: Path) -> None:
    """Gone on with without the option, the old one stays on disk and is not taken; a run that is given up loses it."""
    run(training)
    run(training, extra="snapshot_best: false; max_iter: 18", snapshot="latest")
    assert Path("run/snap_best.ok.json").exists()
    assert Run("run").choose().iteration == 18
    run(training, extra="snapshot_best: false", overwrite=True)
    assert not list(Path("run").glob("**/snap_best*"))


@pytest.mark.parametrize(
    ("gain", "batches", "beaten"),
    [
        (0.0, [3.99, 3.99, 3.99, 3.99], True),
        (0.01, [3.99, 3.99, 3.99, 3.99], False),  # a quarter of a per cent
        (0.01, [3.9, 3.9, 3.9, 3.9], True),
        (0.01, [1.0, 4.9, 4.9, 4.9], False),  # 2 %, and all of it from one batch
        (0.3, [3.9, 3.9, 3.9, 3.9], False),
        (0.01, [3.9], True),  # a single batch tells nothing of chance
        (0.01, [3.99], False),
    ],
)
def test_what_it_began_with_gives_way_to_what_is_surely_better(
    gain: float, batches: list[float], beaten: bool, training: Path
) -> None:
    """`best_gain`."""
    solver = Solver(training, overrides=f"snapshot_best: true best_gain: {gain} test_interval: 2")
    best, first = solver.training.best, [4.0] * len(batches)
    for iteration, losses in ((0, first), (2, batches), (4, [loss - 1e-4 for loss in batches])):
        best.at_border()
        list(best.tested([Test(iteration, 0, {}, sum(losses) / len(losses), {"loss": 1.0})], losses))
        assert best.history.best is not None
        assert best.history.best[0] == (iteration if beaten else 0)


def test_a_run_that_goes_on_knows_what_is_to_be_beaten(training: Path) -> None:
    extra = "best_gain: 0.9; test_iter: 2; snapshot: 4; max_iter: 4"
    run(training, extra=extra)
    found = find_best("run/snap")
    assert found is not None
    assert found.iteration == 0
    went_on = Solver(training, out="run", overrides=settings(f"{extra}; max_iter: 16"), snapshot="latest")
    assert len(went_on.state.test_history.first) == 2
    run(training, extra=f"{extra}; max_iter: 16", snapshot="latest")
    assert find_best("run/snap") == found
