"""A training does not end because a line cannot be written or nobody listens; what is missing in the end is exit 1."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deepcae.cli import main
from deepcae.solver.snapshot import latest

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
DEEPCAE = [sys.executable, "-c", "import sys; from deepcae.cli import main; sys.exit(main())"]
TRAIN = [*DEEPCAE, "train", "--device", "cpu", "--threads", "1", "--out", "run", "--solver"]


def _command(model: Path, *more: str) -> list[str]:
    return [*TRAIN, str(model / "solver.prototxt"), *more]


def test_a_full_disk_under_stderr(model: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(_command(model, "--json"), stdout=subprocess.PIPE, stderr=full, check=False, timeout=120)
    assert done.returncode == 0
    assert json.loads(done.stdout)["iterations"] == 6


@pytest.mark.parametrize("more", [(), ("--runs", "2", "--separate", "--seed", "1")])
def test_nobody_reads_stderr(more: tuple[str, ...], model: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(_command(model, *more), stdout=subprocess.PIPE, stderr=writing, check=False, timeout=120)
    os.close(writing)
    assert done.returncode == 0
    for folder in ("run/seed-1", "run/seed-2") if more else ("run",):
        newest = latest(folder)
        assert newest is not None
        assert newest.iteration == 6


def test_closed_stderr(model: Path) -> None:
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *_command(model, "--json")],
        stdout=subprocess.PIPE,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout)["iterations"] == 6  # nothing else went there


def test_a_full_disk_under_stdout_is_told(model: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            _command(model, "-q", "--json"), stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=120
        )
    assert done.returncode == 1
    assert done.stderr == "error: standard output: No space left on device\n"
    assert latest("run") is not None


@pytest.mark.parametrize("name", ["metrics.jsonl", "train.log"])
def test_what_cannot_be_opened_is_refused_before_training(
    name: str, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run", name).mkdir(parents=True)
    assert main(["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "-q"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: run/{name}: ")
    assert not list(Path("run").glob("*.caffemodel"))


@pytest.mark.usefixtures("short_page")
def test_a_damaged_newest_snapshot_is_told_by_whoever_opens_the_run(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = run / "tiny_iter_6.caffemodel"
    model.write_bytes(model.read_bytes()[:-1])
    wanted = (
        f"warning: {model}: {model.stat().st_size} bytes, but {model.stat().st_size + 1} were written; this snapshot"
    )
    for argv in (
        ["encode", "run", "-o", "codes.csv"],
        ["report", "run"],
        ["plot", "run"],
        ["eval", "run"],
        ["test", "run"],
    ):
        assert main(argv) == 0, capsys.readouterr()
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
        assert told == [f"{wanted} is passed over"], argv
    assert main(["train", "--out", "run", "--snapshot", "latest", "-q"]) == 0
    (told,) = capsys.readouterr().err.splitlines()
    assert "Iteration 4: run/tiny_iter_6.caffemodel: " in told


@pytest.mark.usefixtures("short_page")
def test_damaged_metrics_are_told_by_plot_and_report(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = run / "metrics.jsonl"
    path.write_bytes(b"\xff" + path.read_bytes())
    for argv in (["plot", "run"], ["report", "run"]):
        assert main(argv) == 0
        told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("warning: ")]
        assert told == ["warning: run/metrics.jsonl:1: damaged, left out: no JSON in UTF-8"]


def test_keep(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train", "--solver", str(model / "solver.prototxt"), "-q", "--set", "max_iter: 10", "--keep"]
    assert main([*argv, "2", "--out", "run"]) == 0
    assert sorted(path.name for path in Path("run").glob("*.ok.json")) == [
        "tiny_iter_10.ok.json",
        "tiny_iter_8.ok.json",
    ]
    assert main([*argv, "2", "--out", "runs", "--runs", "2", "--separate", "--seed", "1"]) == 0
    assert len(list(Path("runs/seed-2").glob("*.ok.json"))) == 2
    assert main([*argv, "1", "--out", "other"]) == 2
    assert "--keep" in capsys.readouterr().err
