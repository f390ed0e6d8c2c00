"""`deepcae train` and `test`: a whole run, its last line, its log, going on, stopping, and refusing to lose one."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

import deepcae
from deepcae.cli import main
from deepcae.solver.begin import default_out
from solver.tiny import write_training


def train(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["train", *argv])
    out, err = capsys.readouterr()
    return code, out, err


def test_a_run_ends_with_one_json_line(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = train(capsys, "-solver", str(model / "solver.prototxt"), "--out", "run", "--seed", "1", "--json")
    assert code == 0
    last = json.loads(out)
    results = ["train", "test", "seconds", "seconds_per_iteration", "snapshot"]
    assert list(last) == ["folder", "iterations", "reason", *results]
    assert last["iterations"] == 6
    assert set(last["train"]) == set(last["test"]) == {"entropy", "l2"}
    assert all(isinstance(value, float) for value in (*last["train"].values(), *last["test"].values()))
    assert 0 < last["seconds_per_iteration"] < last["seconds"]
    assert last["snapshot"] == "run/tiny_iter_6.caffemodel"
    assert Path(last["snapshot"]).is_file()
    assert re.search(r"^I\d{4} [\d:.]+ +\d+ solver\.cpp:\d+\] Iteration 4 \(.*\), loss = ", err, re.MULTILINE)
    assert err == Path("run/train.log").read_text() + "next: deepcae report run\n"
    wanted = {"net.prototxt", "solver.prototxt", "metrics.jsonl", "run.json", "train.log", "tiny_iter_2.caffemodel"}
    assert wanted <= {path.name for path in Path("run").iterdir()}


def test_the_test_is_of_the_last_iteration(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """max_iter 5 is no multiple of test_interval 3: the solver's own last test is of iteration 3."""
    solver = str(model / "solver.prototxt")
    _, out, _ = train(capsys, "--solver", solver, "--out", "run", "--set", "max_iter: 5", "-q", "--json")
    last = json.loads(out)
    weights = ["--weights", last["snapshot"], "--iterations", "3", "--json", "--quiet"]
    assert main(["test", "--model", str(model / "net.prototxt"), *weights]) == 0
    tested = json.loads(capsys.readouterr().out)
    assert last["test"] == pytest.approx(tested["outputs"], rel=1e-6)


def test_overrides_are_laid_over_one_after_the_other(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solver = str(model / "solver.prototxt")
    sets = ["--set", "max_iter: 9 snapshot: 0", "--set", "max_iter: 2", "--set", "test_iter: 1"]
    code, out, _ = train(capsys, "--solver", solver, "--out", "run", *sets, "--json", "--quiet")
    assert code == 0
    assert json.loads(out)["iterations"] == 2
    code, _, err = train(capsys, "--solver", solver, "--out", "r2", "--set", "max_iter: 1", "--set", "max_itre: 1")
    assert code == 2
    assert err.startswith("error: --set(2):1:1: ")
    assert "did you mean 'max_iter'" in err


def test_level_and_stage_are_the_train_nets(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solver = str(model / "solver.prototxt")
    code, _, _ = train(capsys, "-solver", solver, "-level", "2", "-stage", 'a,"b"', "--set", "max_iter: 1", "-q")
    assert code == 0
    state = deepcae.Run("runs/model").solver_document.message.train_state
    assert (state.level, list(state.stage)) == (2, ["a", '"b"'])


def test_quiet(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(capsys, "--solver", str(model / "solver.prototxt"), "--out", "run", "-q") == (0, "", "")
    assert "Iteration 0" in Path("run/train.log").read_text()


def test_a_finished_run_is_not_lost(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solver = str(model / "solver.prototxt")
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    code, _, err = train(capsys, "--solver", solver, "--out", "run")
    assert code == 2
    assert "holds a run already, at iteration 6" in err
    assert "--snapshot latest" in err
    assert before == {path.name: path.read_bytes() for path in run.iterdir()}
    (run / "notes.txt").write_text("mine")
    code, out, _ = train(
        capsys, "--solver", solver, "--out", "run", "--overwrite", "-q", "--json", "--set", "max_iter: 1"
    )
    assert (code, json.loads(out)["iterations"]) == (0, 1)
    assert not (run / "tiny_iter_6.caffemodel").exists()
    assert (run / "notes.txt").read_text() == "mine"


def test_a_resumed_run_is_the_unbroken_one(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solver = str(model / "solver.prototxt")
    assert train(capsys, "--solver", solver, "--out", "half", "--set", "max_iter: 4", "-q")[0] == 0
    code, _, err = train(capsys, "-solver", solver, "--out", "half", "-snapshot", "latest")
    assert code == 0
    assert "Resuming from half/tiny_iter_4.solverstate" in err
    assert (Path("half") / "tiny_iter_6.caffemodel").read_bytes() == (run / "tiny_iter_6.caffemodel").read_bytes()


def test_a_run_goes_on_from_its_own_texts(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = train(capsys, "--out", "run", "--snapshot", "latest", "--set", "max_iter: 8", "--json", "-q")
    assert code == 0
    assert json.loads(out)["snapshot"] == "run/tiny_iter_8.caffemodel"


def test_latest_of_nothing_begins_at_the_beginning(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = train(capsys, "--solver", str(model / "solver.prototxt"), "--out", "run", "--snapshot", "latest")
    assert code == 0
    assert "no snapshot yet" in err


def test_weights_begin_a_new_training(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--solver", str(model / "solver.prototxt"), "--out", "tuned", "--set", "base_lr: 0 max_iter: 1", "-q"]
    assert train(capsys, *argv, "--weights", f"{run}/tiny_iter_2.caffemodel,{run}/tiny_iter_6.caffemodel")[0] == 0
    assert Path("tuned/tiny_iter_1.caffemodel").read_bytes() == (run / "tiny_iter_6.caffemodel").read_bytes()


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        ("--snapshot run/tiny_iter_6.caffemodel", "is a model; training goes on from its state"),
        ("--snapshot run/tiny_iter_5.solverstate", "no such file"),
        ("--weights run/tiny_iter_6.solverstate", "tiny_iter_6.solverstate"),
        ("--weights nowhere.caffemodel", "nowhere.caffemodel"),
        ("--out run/run.json", "is a file"),
        ("--device cuda:99", "CUDA"),
    ],
)
def test_wrong_files_are_refused(
    argv: str, sentence: str, run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = [] if "--out" in argv else ["--out", "other"]
    code, stdout, err = train(capsys, "--solver", str(model / "solver.prototxt"), *out, *argv.split())
    assert (code, stdout) == (2, "")
    assert re.fullmatch(r"error: .+\n", err)
    assert sentence in err


def test_a_failed_run_is_exit_code_1(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solver = str(model / "solver.prototxt")
    code, out, err = train(capsys, "--solver", solver, "--out", "run", "--set", "base_lr: 1e30 max_iter: 50", "--json")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"error: .*iteration.*", err.splitlines()[-1])


def test_ctrl_c_stops_with_a_snapshot_and_says_how_to_go_on(model: Path) -> None:
    code = "import sys; from deepcae.cli import main; sys.exit(main(sys.argv[1:]))"
    argv = ["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "--json", "--threads", "1"]
    child = subprocess.Popen(
        [sys.executable, "-c", code, *argv, "--set", "max_iter: 9999999 display: 1 snapshot: 0 test_interval: 9999999"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = Path("run/train.log")
    deadline = time.monotonic() + 100
    while not (log.exists() and "Iteration 3 " in log.read_text()):
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGINT)
    out, err = child.communicate(timeout=100)
    assert child.returncode == 0
    last = json.loads(out)
    assert Path(last["snapshot"]).is_file()
    assert last["iterations"] > 3
    assert err.splitlines()[-1] == (
        f"stopped at iteration {last['iterations']}; go on with: deepcae train --out run --snapshot latest"
    )


def test_test_of_a_run_and_of_files_agree(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "run", "--json", "-q"]) == 0
    by_run = json.loads(capsys.readouterr().out)
    weights = f"-weights={run}/tiny_iter_6.caffemodel"
    assert main(["test", "-model", str(model / "net.prototxt"), weights, "-iterations=3", "--json", "-q"]) == 0
    by_files = json.loads(capsys.readouterr().out)
    assert by_run == by_files
    assert set(by_run) == {"outputs", "loss"}
    assert by_run["loss"] == pytest.approx(sum(by_run["outputs"].values()))


def test_test_prints_caffes_lines(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["test", "run", "--iterations", "2"]) == 0
    out, err = capsys.readouterr()
    assert re.fullmatch(r"Loss: \S+\nentropy = (\S+) \(\* 1 = \1 loss\)\nl2 = (\S+) \(\* 1 = \2 loss\)\n", out)
    assert "Running for 2 iterations." in err


@pytest.mark.parametrize(
    ("solver", "out"),
    [("models/cae1/solver.prototxt", "runs/cae1"), ("mnist_solver.prototxt", "runs/mnist"), ("x/a.txt", "runs/a")],
)
def test_default_out(solver: str, out: str) -> None:
    assert default_out(Path(solver)) == Path(out)


def test_a_run_stands_for_its_newest_weights(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = []
    for weights in (run, run / "tiny_iter_6.caffemodel"):
        argv = ["test", "--model", model / "net.prototxt", "--weights", weights, "--iterations", 3, "--json", "-q"]
        assert main([str(word) for word in argv]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1]
    argv = ["train", "--solver", model / "solver.prototxt", "--weights", run, "--out", "more", "-q"]
    assert main([str(word) for word in argv]) == 0
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--weights", str(model), "--out", "x"]) == 2
    assert "no run there" in capsys.readouterr().err


def test_data_that_a_disk_does_not_give_are_no_fault_of_the_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object, **__: object) -> object:
        raise OSError("file read failed: time = 0, errno = 5, error message = 'Input/output error'")

    solver = write_training(tmp_path)
    monkeypatch.setattr(h5py, "File", failing)
    assert main(["train", "--solver", str(solver), "--out", str(tmp_path / "run"), "-q"]) == 1
    assert "cannot be read: Input/output error" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("missing", "sentence"),
    [
        ((), ""),
        ((2,), "run/tiny_iter_2.caffemodel: the snapshot cannot be written"),
        ((4,), "run/tiny_iter_4.caffemodel: the snapshot cannot be written"),
        ((2, 4), "run/tiny_iter_2: the snapshot is missing, too"),
        ((6,), "run/tiny_iter_6.caffemodel: the snapshot cannot be written"),
    ],
)
def test_a_numbered_snapshot_that_is_missing_in_the_end_is_exit_code_1(
    missing: tuple[int, ...],
    sentence: str,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = os.replace

    def replace(source: str | Path, target: str | Path) -> None:
        if any(Path(target).name == f"tiny_iter_{iteration}.caffemodel" for iteration in missing):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    code = main(["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "--device", "cpu", "-q"])
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert code == (1 if missing else 0)
    assert len(errors) == len(missing)
    assert [line for line in errors if line.startswith(f"error: {sentence}")] if missing else not errors
    there = {iteration for iteration in (2, 4, 6) if Path(f"run/tiny_iter_{iteration}.ok.json").exists()}
    assert there == {2, 4, 6} - set(missing)
