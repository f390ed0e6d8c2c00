"""`deepcae train --runs K`: a folder per seed, each as a single run makes it; stop, resume, and what they come to."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from deepcae.cli import main
from deepcae.jobs import Job, Pool

BOOT = "import sys; from deepcae.cli import main; sys.exit(main())"
SEEDS = (3, 4, 5)  # the text's random_seed is 3


def train(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = main(["train", *argv])
    out, err = capsys.readouterr()
    return code, out, err


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_runs_apart_are_single_runs_and_as_one_program_nearly(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    solver = ["--solver", str(model / "solver.prototxt")]
    three = [*solver, "--runs", "3", "--json", "--threads", "1"]
    code, out, err = train(capsys, *three, "--out", "all", "--device", "cpu", "--separate")
    assert code == 0
    same_as_one_program(capsys, three, json.loads(out))
    for seed in SEEDS:
        Path("all").rename("kept") if Path("all").exists() else None
        assert train(capsys, *solver, "--out", f"all/seed-{seed}", "--seed", str(seed), "-q", "--threads", "1")[0] == 0
        one, among = Path("all") / f"seed-{seed}", Path("kept") / f"seed-{seed}"
        assert files(one) == files(among)
        for name in files(one):
            if "_iter_" in name:
                assert (one / name).read_bytes() == (among / name).read_bytes(), name
        assert f"seed-{seed}: I" in err
        Path("all").rename(f"single-{seed}")
    answer = json.loads(out)
    assert list(answer) == ["runs", "test", "stable", "why", "seconds"]
    assert [run["seed"] for run in answer["runs"]] == list(SEEDS)
    assert [run["iterations"] for run in answer["runs"]] == [6, 6, 6]
    entropies = [run["test"]["entropy"] for run in answer["runs"]]
    assert len(set(entropies)) == 3
    assert answer["test"]["entropy"]["mean"] == pytest.approx(sum(entropies) / 3)
    assert answer["stable"] is True
    assert re.search(r"^test entropy: [\d.]+ ± [\d.e-]+ \([\d.]+ to [\d.]+\) over 3 runs$", err, re.MULTILINE)
    assert re.search(r"^stable: '\w+' differs by .* % between the runs", err, re.MULTILINE)


def same_as_one_program(capsys: pytest.CaptureFixture[str], argv: list[str], a: dict[str, Any]) -> None:
    """The runs together answer what `a` says of them apart."""
    code, out, err = train(capsys, *argv, "--out", "joint", "--batched", "-q")
    assert (code, err) == (0, "")
    b = json.loads(out)
    for one, other in zip(a["runs"], b["runs"], strict=True):
        assert other["test"] == pytest.approx(one["test"], rel=1e-5)
        assert other["train"] == pytest.approx(one["train"], rel=1e-5)
        assert list(other) == list(one)
        assert files(Path(other["folder"])) == files(Path(one["folder"]))
    assert b["stable"] is a["stable"]


@pytest.mark.parametrize("way", ["--separate", "--batched"])
def test_all_are_gone_on_with(way: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--solver", str(model / "solver.prototxt"), "--runs", "2", "-q", "--threads", "1", way]
    if way == "--batched":
        assert train(capsys, *argv, "--out", "whole")[0] == 0
        assert train(capsys, *argv, "--out", "half", "--set", "max_iter: 4")[0] == 0
    for seed in map(str, SEEDS[:2] if way == "--separate" else ()):  # each as a single run makes it: see above
        single = [*argv[:2], "--seed", seed, "-q", "--threads", "1", "--out"]
        assert train(capsys, *single, f"whole/seed-{seed}")[0] == 0
        assert train(capsys, *single, f"half/seed-{seed}", "--set", "max_iter: 4")[0] == 0
    assert train(capsys, *argv, "--out", "half", "--snapshot", "latest")[0] == 0
    for seed in SEEDS[:2]:
        model_file = f"seed-{seed}/tiny_iter_6.caffemodel"
        assert (Path("half") / model_file).read_bytes() == (Path("whole") / model_file).read_bytes()
    code, _, err = train(capsys, *argv, "--out", "half")
    assert code == 2
    assert "half/seed-3: holds a run already" in err


def test_runs_at_different_iterations_go_on_as_one_program(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--solver", str(model / "solver.prototxt"), "--runs", "2", "--threads", "1", "--batched", "--out", "all"]
    assert train(capsys, *argv, "-q")[0] == 0
    last = [Path("all") / f"seed-{seed}" / "tiny_iter_6.caffemodel" for seed in SEEDS[:2]]
    whole = [path.read_bytes() for path in last]
    for path in (*last[0].parent.glob("tiny_iter_6.*"), *last[0].parent.glob("tiny_iter_4.*")):
        path.unlink()
    code, _, err = train(capsys, *argv, "--snapshot", "latest")
    assert code == 0
    assert "seed-4: is at iteration 6, and waits there for the others" in err
    assert "seed-3: is at" not in err
    assert "one by one" not in err
    assert [path.read_bytes() for path in last] == whole


def test_what_is_wrong_is_said_once(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--solver", str(model / "solver.prototxt"), "--runs", "2", "-q"]
    code, _, err = train(capsys, *argv, "--set", "base_lr: 1 bas_lr: 2")
    assert code == 2
    assert err.count("did you mean 'base_lr'") == 1
    code, _, err = train(capsys, *argv, "--precision", "tf32")
    assert code == 2
    assert err.count("error: precision tf32 is for NVIDIA GPUs") == 1
    code, _, err = train(capsys, *argv, "--snapshot", "a_iter_4.solverstate")
    assert (code, err.count("give --snapshot latest")) == (2, 1)


@pytest.mark.parametrize("way", ["--separate", "--batched"])
def test_a_run_that_fails_is_named(way: str, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--solver", str(model / "solver.prototxt"), "--runs", "2", "--out", "all", "-q", "--json", way]
    code, out, err = train(capsys, *argv, "--set", "base_lr: 1e30")
    assert code == 1
    assert len(re.findall(r"^error: (seed-[34]: )?iteration \d+: ", err, re.MULTILINE)) in (1, 2)
    answer = json.loads(out)
    assert answer["stable"] is False
    assert answer["why"] == "2 of the runs did not come to their end"
    assert [list(run) for run in answer["runs"]] == [["seed", "folder"]] * 2


def test_a_killed_run_is_no_stopped_one(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Killing(Pool):
        def start(self, job: Job) -> None:
            super().start(job)
            if job.name == "seed-4":
                self._running[job].kill()

    monkeypatch.setattr("deepcae.cli.runs.Pool", Killing)
    argv = ["--solver", str(model / "solver.prototxt"), "--runs", "2", "--out", "all", "-q", "--separate"]
    code, _, err = train(capsys, *argv)
    assert code == 1
    assert "error: seed-4: its process was killed by signal 9\n" in err
    assert "stopped" not in err


def test_random_layers_are_trained_one_by_one(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = (model / "net.prototxt").read_text()
    drop = 'layer { name: "drop" type: "Dropout" bottom: "code" top: "code" }\nlayer { name: "up"'
    (model / "net.prototxt").write_text(net.replace('layer { name: "up"', drop))
    argv = ["--solver", str(model / "solver.prototxt"), "--runs", "2", "--out", "all", "--set", "max_iter: 2"]
    code, _, err = train(capsys, *argv, "--batched")
    assert code == 0
    assert err.count("trained one by one, not as one program: net 'tiny': ") == 1
    assert "no verdict on stability: the verdict needs at least 3 runs" in err


@pytest.mark.parametrize("way", ["--separate", "--batched"])
def test_ctrl_c_stops_all_with_snapshots(way: str, model: Path) -> None:
    long = "max_iter: 10000000 display: 0 snapshot: 0 test_interval: 10000000"
    argv = ["train", "--solver", str(model / "solver.prototxt"), "--out", "all", "--runs", "2", way, "--set", long]
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", BOOT, *argv, "--threads", "1"], stderr=subprocess.PIPE, text=True
    )
    logs = [Path("all") / f"seed-{seed}" / "train.log" for seed in SEEDS[:2]]
    deadline = time.monotonic() + 120
    while not all(log.exists() and "Iteration 0, Testing net" in log.read_text() for log in logs):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.1)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0
    (command,) = re.findall(r"^stopped; go on with: deepcae train (.*)", err, re.MULTILINE)
    same = ["--snapshot", "latest", way, "--threads", "1", "--set", long]  # or the runs go on in another way
    wanted = ["--solver", f"{model}/solver.prototxt", "--out", "all", "--runs", "2", "--seed", "3", *same]
    assert shlex.split(command) == wanted
    for log in logs:
        assert list(log.parent.glob("tiny_iter_*.ok.json"))
