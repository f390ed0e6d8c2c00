"""A run that lies in the folder: never trained over by mistake, and given up only for one that has a snapshot."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deepcae.cli import main
from deepcae.solver.run import Run
from deepcae.solver.snapshot import latest
from killed import FORKS, killed_at

NONE = ["--set", "snapshot: 0 snapshot_after_train: false max_iter: 1"]  # no snapshot is taken
BOOT = "import sys; from deepcae.cli import main; sys.exit(main())"


def is_of_the_move(source: str, target: str) -> bool:
    return "replaced-run" in target and "replaced-run" not in source.replace("moving.json", "")


def train(capsys: pytest.CaptureFixture[str], model: Path, *argv: str) -> tuple[int, str]:
    code = main(["train", "--solver", str(model / "solver.prototxt"), "--threads", "1", *argv])
    return code, capsys.readouterr().err


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def spoil_list(model: Path) -> None:
    (model / "train.txt").unlink()


def spoil_data(model: Path) -> None:
    (model / "train.h5").unlink()


def spoil_net(model: Path) -> None:
    (model / "net.prototxt").write_text((model / "net.prototxt").read_text().replace('bottom: "conv"', 'bottom: "c"'))


def spoil_text(model: Path) -> None:
    (model / "solver.prototxt").write_text((model / "solver.prototxt").read_text() + "base_lrr: 1\n")


@pytest.mark.parametrize("spoil", [spoil_list, spoil_data, spoil_net, spoil_text])
def test_a_mistake_costs_nothing(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str], spoil: Callable[[Path], None]
) -> None:
    before = content(run)
    spoil(model)
    code, err = train(capsys, model, "--out", "run", "--overwrite", "-q")
    assert code == 2, err
    assert content(run) == before


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--set", "max_itre: 1"], "did you mean 'max_iter'"),
        (["--weights", "nowhere.caffemodel"], "nowhere.caffemodel"),
        (["--snapshot", "run/tiny_iter_4.solverstate"], "is of the run that would be overwritten"),
        (["--snapshot", "latest"], "give one"),
        (["--set", 'snapshot_prefix: "/tmp/elsewhere"'], "leads out of the run's folder"),
        (["--set", 'snapshot_prefix: "../elsewhere"'], "leads out of the run's folder"),
        (["--runs", "2", "--out", "seeds", "--set", "max_itre: 1"], "did you mean 'max_iter'"),
    ],
)
def test_a_mistake_on_the_command_line_costs_nothing(
    argv: list[str], sentence: str, run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(run, "seeds/seed-3")
    before = content(Path())
    code, err = train(capsys, model, "--out", "run", "--overwrite", "-q", *argv)
    assert code == 2, err
    assert sentence in err
    assert content(Path()) == before


def test_only_what_the_run_wrote_goes(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = ["tiny_iter_notes.txt", "tiny_iter_8.png", "tiny_iter_99.caffemodel", "notes.txt", "net-old.prototxt"]
    for name in mine:
        (run / name).write_text("mine")
    (run / "pictures").mkdir()
    (run / "pictures/codes.png").write_text("mine")
    code, err = train(capsys, model, "--out", "run", "--overwrite", "-q", "--set", "max_iter: 1")
    assert (code, err) == (0, "")
    for name in (*mine, "pictures/codes.png"):
        assert (run / name).read_text() == "mine"
    found = latest("run/tiny")
    assert found is not None
    assert found.iteration == 1
    assert not list(run.glob("tiny_iter_[246].*"))
    assert not list(run.glob("*replaced*"))
    assert (run / "train.log").read_text().count("Solving tiny") == 1


def test_a_record_of_earlier_versions_lists_nothing(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = json.loads((run / "run.json").read_text())
    assert {"solver.prototxt", "net.prototxt", "metrics.jsonl", "train.log"} <= set(about.pop("files"))
    (run / "run.json").write_text(json.dumps(about))
    assert train(capsys, model, "--out", "run", "--overwrite", "-q", "--set", "max_iter: 1")[0] == 0
    assert not list(run.glob("tiny_iter_[246].*"))
    assert (run / "train.log").read_text().count("Solving tiny") == 1


def test_a_text_that_leads_outside_deletes_nothing_there(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    victim = Path("victim")
    shutil.copytree(run, victim)
    (victim / "tiny_iter_notes.txt").write_text("precious")
    before = content(victim)
    for where in ("../victim/tiny", str(victim.absolute() / "tiny")):
        text = (run / "solver.prototxt").read_text()
        lines = [f'snapshot_prefix: "{where}"' if "snapshot_prefix" in line else line for line in text.splitlines()]
        (run / "solver.prototxt").write_text("\n".join(lines) + "\n")
        about = json.loads((run / "run.json").read_text())
        about["files"] = ["../victim/run.json", f"{victim.absolute()}/metrics.jsonl", "notes.txt", "../victim", "/"]
        (run / "run.json").write_text(json.dumps(about))
        (run / "notes.txt").write_text("mine")
        assert train(capsys, model, "--out", "run", "--overwrite", "-q")[0] == 0
        assert content(victim) == before
        assert (run / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("prefix", ["sub/snap", "deep/er/snap", "sub/"])
def test_snapshots_in_a_folder_below(model: Path, capsys: pytest.CaptureFixture[str], prefix: str) -> None:
    sets = ["--set", f'snapshot_prefix: "{prefix}"', "-q", "--out", "run"]
    assert train(capsys, model, *sets)[0] == 0
    folder = Path("run", prefix if prefix.endswith("/") else Path(prefix).parent)
    if prefix.endswith("/"):
        assert list(folder.glob("solver_iter_6.*"))
    (folder / "mine.txt").write_text("mine")
    code, err = train(capsys, model, *sets)
    assert (code, "holds a run already, at iteration 6" in err) == (2, True)
    Path("run/run.json").unlink()
    code, err = train(capsys, model, *sets)
    assert (code, "holds a run already, at iteration 6" in err) == (2, True)
    assert train(capsys, model, *sets, "--overwrite", "--set", "max_iter: 1")[0] == 0
    assert sorted({path.name.split("_iter_")[1][0] for path in folder.glob("*_iter_*")}) == ["1"]
    assert (folder / "mine.txt").read_text() == "mine"
    assert not list(Path("run").glob("replaced*"))
    told = train(capsys, model, *sets[:2], "--out", "run", "--overwrite")[1]
    name = f"{folder}/solver" if prefix.endswith("/") else f"run/{prefix}"
    assert f"snapshots: {name}_iter_N; snapshot_prefix '{prefix}' counts from the run's folder" in told


def test_a_folder_that_is_a_link(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run.rename("big")
    run.symlink_to("big")
    assert train(capsys, model, "--out", "run", "-q")[0] == 2
    assert train(capsys, model, "--out", "run", "--overwrite", "-q", "--set", "max_iter: 1")[0] == 0
    assert run.is_symlink()
    assert sorted(path.name for path in Path("big").glob("*.solverstate")) == ["tiny_iter_1.solverstate"]


def test_a_run_that_ends_without_a_snapshot_leaves_the_old_one(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(run)
    code, err = train(capsys, model, "--out", "run", "--overwrite", "-q", *NONE)
    told = "the one that was there before is kept in run/replaced-run; `deepcae train --out run/replaced-run --snapshot"
    assert (code, told in err) == (0, True)
    kept = {name: data for name, data in content(run / "replaced-run").items() if name != "replaced.json"}
    assert kept == before

    code, err = train(capsys, model, "--out", "run", "-q")  # neither gone on with nor lost: refused
    assert (code, "run/replaced-run" in err, "--overwrite" in err) == (2, True, True)
    code, err = train(capsys, model, "--out", "run", "-q", "--snapshot", "latest", *NONE)
    assert (code, "run/replaced-run" in err) == (0, True)
    assert content(run / "replaced-run").keys() - {"replaced.json"} == before.keys()
    code, err = train(capsys, model, "--out", "run", "-q", "--overwrite", "--set", "max_iter: 1")
    assert (code, err) == (0, "")
    assert not (run / "replaced-run").exists()


def test_a_run_kept_aside_is_gone_on_with_where_it_is(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(capsys, model, "--out", "run", "--overwrite", "-q", *NONE)
    kept = ["train", "--out", "run/replaced-run", "--snapshot", "latest", "-q", "--set"]
    assert main([*kept, "max_iter: 8"]) == 0
    assert train(capsys, model, "--out", "run", "-q", "--set", "max_iter: 2")[0] == 0
    found = Run("run/replaced-run").latest_snapshot()  # a run of its own by now
    assert found is not None
    assert found.iteration == 8


def test_a_failing_run_leaves_the_old_one_and_says_where(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        code, err = train(capsys, model, "--out", "run", "--overwrite", "-q", "--set", "base_lr: 1e38")
        assert (code, err.count("is kept in run/replaced-run;")) == (1, 1)
    found = Run("run/replaced-run").latest_snapshot()
    assert found is not None
    assert found.iteration == 6


@pytest.mark.skipif(not FORKS, reason="this system copies no process")
@pytest.mark.parametrize("move", [1, 4, 13, 17])
@pytest.mark.parametrize("then", ["latest", "overwrite", "plain"])
def test_a_kill_in_the_middle_of_the_move_is_undone(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str], move: int, then: str
) -> None:
    before = content(run)
    argv = ["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "--overwrite", "-q"]
    assert killed_at(move, [*argv, "--threads", "1"], is_of_the_move) == 9
    assert (run / "replaced-run/moving.json").exists()
    if then == "latest":
        assert main(["train", "--out", "run", "--snapshot", "latest", "-q", "--set", "max_iter: 8"]) == 0
        assert (run / "tiny_iter_8.caffemodel").exists()
        assert (run / "tiny_iter_2.caffemodel").exists()
    elif then == "plain":
        assert train(capsys, model, "--out", "run", "-q")[0] == 2
        after = {name: data for name, data in content(run).items() if not name.endswith(".lock")}
        assert after == before
    else:
        assert train(capsys, model, "--out", "run", "--overwrite", "-q", "--set", "max_iter: 1")[0] == 0
        assert not list(run.glob("tiny_iter_[246].*"))
    assert not (run / "replaced-run").exists()


def test_a_kill_before_the_first_snapshot_loses_neither(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(run)
    argv = ["train", "--solver", str(model / "solver.prototxt"), "--out", "run", "--overwrite", "--threads", "1"]
    endless = [
        "--set",
        "max_iter: 100000000 snapshot: 0 display: 1 test_interval: 100000000 test_initialization: false",
    ]
    child = subprocess.Popen([sys.executable, "-c", BOOT, *argv, *endless], stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    while "Iteration 3" not in child.stderr.readline():
        assert child.poll() is None
    child.kill()
    child.communicate(timeout=60)
    kept = {name: data for name, data in content(run / "replaced-run").items() if name != "replaced.json"}
    assert kept == before
    assert main(["train", "--out", "run", "--snapshot", "latest", "-q", "--set", "max_iter: 2 snapshot: 0"]) == 0
    err = capsys.readouterr().err
    assert "run: has no snapshot yet; the run whose place it takes is kept in run/replaced-run;" in err
    assert not (run / "replaced-run").exists()
    assert (run / "tiny_iter_2.caffemodel").exists()


def test_going_on_from_the_run_kept_aside_does_not_cost_it(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = train(capsys, model, "--out", "run", "--overwrite", "-q", *NONE)
    assert code == 0, err
    before = content(run)
    state = "run/replaced-run/tiny_iter_6.solverstate"
    assert state[4:] in before
    argv = ["--out", "run", "--snapshot", state, *NONE]
    code, err = train(capsys, model, *argv, "-q")
    assert code == 2
    assert "run: the run that was to be lost is kept in run/replaced-run;" in err
    code, err = train(capsys, model, *argv, "-q", "--overwrite")
    assert code == 2
    assert "is of the run that would be overwritten" in err
    assert {name: data for name, data in content(run).items() if not name.endswith(".lock")} == before


def test_caffes_snapshot_that_is_gone_on_from_is_no_run_that_could_take_a_place(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, err = train(capsys, model, "--out", "run", "--overwrite", "-q", *NONE)
    assert code == 0, err
    for ending in (".solverstate", ".caffemodel"):
        shutil.copy(run / "replaced-run" / f"tiny_iter_6{ending}", run / f"own_iter_6{ending}")
    train(capsys, model, "--out", "run", "--snapshot", "run/own_iter_6.solverstate", "-q", *NONE)
    assert (run / "replaced-run" / "tiny_iter_6.solverstate").exists()


def test_a_run_beside_it_is_not_touched(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    endless = [
        "--set",
        "max_iter: 100000000 snapshot: 50 display: 50 test_interval: 100000000 test_initialization: false",
        "--threads",
        "1",
    ]
    argv = ["train", "--solver", str(model / "solver.prototxt"), "--out", "live", *endless]
    child = subprocess.Popen([sys.executable, "-c", BOOT, *argv], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 100
    while latest("live/tiny") is None and time.monotonic() < end:
        time.sleep(0.05)
    for other in ([], ["--set", 'snapshot_prefix: "other"'], ["--set", 'snapshot_prefix: "sub/other"']):
        code, err = train(capsys, model, "--out", "live", "--overwrite", "-q", *other)
        assert (code, f"pid {child.pid} on" in err) == (1, True)
        assert "Solving" not in err
    assert {"run.json", "net.prototxt", "solver.prototxt"} <= {path.name for path in Path("live").iterdir()}
    child.send_signal(signal.SIGINT)
    assert child.wait(timeout=60) == 0
    assert (Path("live/train.log")).read_text().count("Solving tiny") == 1
    found = latest("live/tiny")
    assert found is not None
    assert main(["train", "--out", "live", "--snapshot", "latest", "-q", "--set", f"max_iter: {found.iteration}"]) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_as_it_was(
    run: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(run)
    run.chmod(0o555)
    try:
        code, err = train(capsys, model, "--out", "run", "--overwrite", "-q")
    finally:
        run.chmod(0o755)
    assert (code, "run/tiny.lock: cannot be written: Permission denied" in err) == (2, True)
    assert content(run) == before


def test_several_runs_are_overwritten_each_in_its_folder(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = ["--out", "runs", "--runs", "2", "--separate", "--seed", "3", "-q"]
    for seed in ("3", "4"):  # as such runs are: tests/cli/test_runs.py
        assert train(capsys, model, "--out", f"runs/seed-{seed}", "--seed", seed, "-q")[0] == 0
    Path("runs/seed-4/mine.txt").write_text("mine")
    code, err = train(capsys, model, *sets)
    assert (code, "runs/seed-3: holds a run already" in err) == (2, True)
    assert train(capsys, model, *sets, "--overwrite", "--set", "max_iter: 1")[0] == 0
    for seed in (3, 4):
        assert not list(Path(f"runs/seed-{seed}").glob("tiny_iter_[246].*"))
        assert Path(f"runs/seed-{seed}/tiny_iter_1.caffemodel").exists()
        assert not Path(f"runs/seed-{seed}/replaced-run").exists()
    assert Path("runs/seed-4/mine.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["solver.prototxt", "net.prototxt"])
def test_texts_that_no_run_wrote_are_kept(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("# my own\n")
    code, err = train(capsys, model, "--out", "mine")
    assert code == 0, err
    assert f"mine/{name} was no run's file; it is kept as mine/{name}~" in err
    assert (tmp_path / "mine" / f"{name}~").read_text() == "# my own\n"
    assert train(capsys, model, "--out", "mine", "--snapshot", "latest", "--set", "max_iter: 12")[0] == 0
    assert not (tmp_path / "mine" / f"{name}~2").exists()  # the run's own text is replaced


def test_a_training_into_the_model_s_folder_keeps_the_author_s_solver(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (model / "solver.prototxt").read_bytes()
    net = (model / "net.prototxt").read_bytes()
    assert train(capsys, model, "--out", str(model), "-q")[0] == 0
    assert (model / "solver.prototxt~").read_bytes() == text
    assert (model / "net.prototxt").read_bytes() == net
