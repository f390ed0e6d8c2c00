"""A run whose record or texts are damaged or gone, or that was moved: its snapshots are used, or it says why not."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from deepcae.cli import main
from deepcae.errors import DataError, DeepcaeWarning, SpecError
from deepcae.solver.run import Run
from deepcae.solver.solver import Solver

from .tiny import write_training

DAMAGES: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "no JSON": b"{",
    "bytes": b'{"seed": 7, "name": "\xff\xfe"}',
    "a list": b"[1, 2]",
    "null": b"null",
    "deep": b"[" * 100_000,
    "no folders": b'{"seed": 7}',
    "no seed": b'{"folders": []}',
    "a seed that is none": b'{"seed": "x", "folders": ["/"]}',
    "folders that are none": b'{"seed": 7, "folders": 3}',
    "folders of numbers": b'{"seed": 7, "folders": [1]}',
    "texts that are none": b'{"seed": 7, "folders": [], "texts": [], "files": {"a": 1}}',
    "files that are none": b'{"seed": 7, "folders": [], "texts": {"a": 1}, "files": [null], "machine": []}',
}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished run in `run`; the texts and data lie in another folder than the working directory."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    list(Solver(write_training(tmp_path / "model"), out="run").solve())
    return Path("run")


def damage(run: Path, name: str, kind: str) -> None:
    data = DAMAGES[kind]
    (run / name).unlink()
    if data is not None:
        (run / name).write_bytes(data)


def train(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    code = main(["train", "--threads", "1", "-q", *argv])
    return code, capsys.readouterr().err


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_record_costs_no_snapshot(run: Path, capsys: pytest.CaptureFixture[str], kind: str) -> None:
    damage(run, "run.json", kind)
    names = sorted(os.listdir(run))
    code, err = train(capsys, "--solver", "../model/solver.prototxt", "--out", "run")
    assert (code, "run: holds a run already, at iteration 16; go on with it" in err) == (2, True)
    assert sorted(os.listdir(run)) == names
    code, err = train(
        capsys, "--solver", "../model/solver.prototxt", "--out", "run", "--snapshot", "latest", "--set", "max_iter: 17"
    )
    assert (code, "no snapshot yet" in err) == (0, False)
    assert (run / "snap_iter_17.caffemodel").exists()
    about = json.loads((run / "run.json").read_bytes())
    assert about["seed"] == 7


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_record_is_told_and_read_around(run: Path, kind: str) -> None:
    damage(run, "run.json", kind)
    with pytest.warns(DeepcaeWarning, match=r"^run/run\.json: .*(damaged|missing).*; files that the texts name are"):
        found = Run(run)
    snapshot = found.latest_snapshot()
    assert snapshot is not None
    assert snapshot.iteration == 16
    assert all(isinstance(folder, Path) for folder in found.folders)


def test_without_the_texts_the_run_says_how_it_goes_on(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, kind in (("net.prototxt", "missing"), ("net.prototxt", "no JSON"), ("solver.prototxt", "bytes")):
        before = (run / name).read_bytes()
        damage(run, name, kind)
        code, err = train(capsys, "--out", "run", "--snapshot", "latest")
        assert code == 2
        assert re.search(r"^error: run/.*", err, re.MULTILINE), err
        assert "its snapshots are there (run/snap_iter_...): give --solver" in err
        (run / name).write_bytes(before)
    (run / "solver.prototxt").unlink()
    code, err = train(capsys, "--out", "run", "--snapshot", "latest")
    assert (code, "give --solver" in err) == (2, True)
    sets = ["--set", "max_iter: 17"]
    code, err = train(capsys, "--solver", "../model/solver.prototxt", "--out", "run", "--snapshot", "latest", *sets)
    assert code == 0, err
    assert (run / "snap_iter_17.caffemodel").exists()


def test_a_folder_without_a_run_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_training(tmp_path)
    with pytest.raises(
        DataError, match=r"no run there, run\.json is missing; `deepcae fit` and `deepcae train` make one"
    ):
        Run(tmp_path)
    assert train(capsys, "--out", str(tmp_path), "--snapshot", "latest")[0] == 2


@pytest.mark.parametrize("name", ["run.json", "solver.prototxt", "net.prototxt", "snap_iter_16.ok.json"])
def test_a_pipe_in_a_files_place_is_waited_for_by_nobody(
    run: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (run / name).unlink()
    os.mkfifo(run / name)
    for argv in (["--solver", "../model/solver.prototxt"], ["--snapshot", "latest"]):
        code, err = train(capsys, "--out", "run", *argv)
        assert (code, "error: " in err) == (2, True) or name == "snap_iter_16.ok.json"
    assert (run / "snap_iter_16.caffemodel").exists()


def test_snapshots_under_another_name_are_not_trained_beside(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = ["--solver", "../model/solver.prototxt", "--out", "run", "--set", 'snapshot_prefix: "other"']
    assert "holds a run already, at iteration 16" in train(capsys, *other)[1]
    code, err = train(capsys, *other, "--snapshot", "latest")
    assert (code, "its snapshots are called 'snap', and the solver text says 'other'" in err) == (2, True)


def test_snapshots_that_cannot_be_used_are_not_trained_over(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--solver", "../model/solver.prototxt", "--out", "run"]
    for path in run.glob("*.caffemodel"):
        path.write_bytes(b"x")
    for more in ([], ["--snapshot", "latest"]):
        code, err = train(capsys, *argv, *more)
        assert (code, "holds a run already, but run/snap_iter_" in err) == (2, True)
    for path in run.glob("*.ok.json"):
        path.unlink()
    for more in ([], ["--snapshot", "latest"]):
        code, err = train(capsys, *argv, *more)
        assert (code, ".ok.json is missing; put that right" in err) == (2, True)


@pytest.mark.parametrize("absolute", [False, True])
def test_a_moved_run_goes_on(tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], absolute: bool) -> None:
    if absolute:
        prefix = tmp_path / "work/run/deep/snap"
        list(
            Solver(
                "../model/solver.prototxt", out="run", overrides=f'snapshot_prefix: "{prefix}"', overwrite=True
            ).solve()
        )
    shutil.move(run, tmp_path / "elsewhere")
    for name in ("work", "model"):
        (tmp_path / name).rename(tmp_path / f"{name}-2")
    os.chdir(tmp_path / "model-2")
    code, err = train(capsys, "--out", "../elsewhere", "--snapshot", "latest", "--set", "max_iter: 17")
    assert code == 0, err
    assert (tmp_path / "elsewhere" / ("deep" if absolute else ".") / "snap_iter_17.caffemodel").exists()


# From Python


def test_the_solver_refuses_a_used_folder(run: Path) -> None:
    names = sorted(os.listdir(run))
    with pytest.raises(DataError, match=r"^run: holds a run already, at iteration 16; go on with it"):
        next(Solver("../model/solver.prototxt", out="run").solve())
    assert sorted(os.listdir(run)) == names
    elsewhere = Solver("../model/solver.prototxt", out="other", overrides="max_iter: 4")
    list(elsewhere.solve())
    with pytest.raises(DataError, match="holds a run already"):
        next(Solver("../model/solver.prototxt", out="run", snapshot="other/snap_iter_4").solve())
    list(Solver("../model/solver.prototxt", out="run", overwrite=True, overrides="max_iter: 1").solve())
    assert [path.name for path in run.glob("*.solverstate")] == ["snap_iter_1.solverstate"]
    assert not list(run.glob("replaced*"))


def test_restoring_goes_on_in_the_folder(run: Path) -> None:
    solver = Solver("../model/solver.prototxt", out="run", overrides="max_iter: 18")
    solver.restore("run/snap_iter_12")
    list(solver.solve())
    assert (run / "snap_iter_18.caffemodel").exists()


def test_an_exception_says_where_the_old_run_is(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    solver = Solver("../model/solver.prototxt", out="run", overwrite=True)
    monkeypatch.setattr(solver.state.train, "next_inputs", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError) as failed:
        list(solver.solve())
    assert "is kept in run/replaced-run; `deepcae train --out run/replaced-run" in failed.value.__notes__[0]
    assert Run("run/replaced-run").latest_snapshot() is not None


def test_what_cannot_be_written_puts_the_old_run_back(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}

    def create_run(*_: object) -> None:
        raise OSError(28, "No space left on device", "run/run.json")

    monkeypatch.setattr("deepcae.solver.runfiles.create_run", create_run)
    with pytest.raises(DataError.__base__, match=r"run/run\.json: cannot be written: No space left on device"):
        list(Solver("../model/solver.prototxt", out="run", overwrite=True).solve())
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


@pytest.mark.parametrize("where", ["../out", "/nowhere/x", "link/snap", "a/../../x"])
def test_a_prefix_stays_in_the_run(tmp_path: Path, run: Path, where: str) -> None:
    (tmp_path / "work/new").mkdir()
    (tmp_path / "work/new/link").symlink_to(tmp_path / "model")
    with pytest.raises(SpecError, match=r"leads out of the run's folder 'new'.*give --allow-writes-elsewhere"):
        Solver("../model/solver.prototxt", out="new", overrides=f'snapshot_prefix: "{where}"')


def test_a_prefix_goes_elsewhere_when_that_is_allowed(tmp_path: Path, run: Path) -> None:
    prefix = tmp_path / "far/snap"
    text = f'max_iter: 2 snapshot_prefix: "{prefix}"'
    list(Solver("../model/solver.prototxt", out="new", overrides=text, allow_writes_elsewhere=True).solve())
    assert Run("new").prefix == str(prefix)
    with pytest.raises(DataError, match="holds a run already, at iteration 2"):
        list(Solver("../model/solver.prototxt", out="new", overrides=text, allow_writes_elsewhere=True).solve())
    again = Solver("../model/solver.prototxt", out="new", overrides=text, allow_writes_elsewhere=True, overwrite=True)
    with pytest.raises(DataError, match="the run's snapshots lie outside"):
        list(again.solve())
    assert Path(f"{prefix}_iter_2.caffemodel").exists()


PLANTED: dict[str, Callable[[Path, Path], None]] = {
    "link": lambda path, victim: path.symlink_to(victim),
    "hard link": lambda path, victim: os.link(victim, path),
}


@pytest.mark.parametrize("kind", PLANTED)
@pytest.mark.parametrize(
    "name", ["snap.lock", "train.log", "metrics.jsonl", "run.json", "solver.prototxt", "net.prototxt",
             "snap_iter_4.caffemodel", "snap_iter_4.ok.json"],
)  # fmt: skip
def test_what_a_planted_name_leads_to_stays(
    tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious\n")
    Path("new").mkdir()
    PLANTED[kind](Path("new", name), victim.absolute())
    code, err = train(capsys, "--solver", "../model/solver.prototxt", "--out", "new", "--set", "max_iter: 4")
    assert victim.read_text() == "precious\n"
    refused = name == "snap.lock" or (name, kind) == ("train.log", "link") or name.endswith("ok.json")
    assert (code != 0) == refused, err
    assert not refused or name in err
