"""A run that overfits, on the command line: told at once, the best weights kept and taken, the others on demand."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae import codes
from deepcae.cli import main
from deepcae.page.html import Picture
from deepcae.report.build import page
from deepcae.report.material import gather
from deepcae.solver.run import Run
from deepcae.trained.network import Trained

ITERATIONS = 400


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A designed network, and 20 random images to learn by heart."""
    folder = tmp_path_factory.mktemp("overfit")
    rng = np.random.default_rng(2)
    for name, rows in (("train", 20), ("test", 30)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"] = rng.random((rows, 1, 8, 8), dtype=np.float32)
        (folder / f"{name}.txt").write_text(f"{name}.h5\n")
    lists = ["--data", str(folder / "train.txt"), str(folder / "test.txt")]
    command = ["zoo", "design", "--plain", "--input", "1x8x8", "--dims", "8", *lists]
    assert main([*command, "-o", str(folder / "model")]) == 0
    return folder / "model"


@pytest.fixture(scope="module")
def run(model: Path) -> Path:
    folder = model.parent / "run"
    settings = f"test_interval: 20 max_iter: {ITERATIONS} snapshot: 200 random_seed: 1"
    solver = ["--solver", str(model / "solver.prototxt"), "--out", str(folder), "--set", settings]
    assert main(["train", *solver, "--threads", "1", "-q"]) == 0
    return folder


def told(capsys: pytest.CaptureFixture[str], *argv: object, code: int = 0) -> str:
    capsys.readouterr()
    assert main([str(word) for word in argv]) == code
    return capsys.readouterr().err


def best_of(run: Path) -> tuple[int, float]:
    tests = {each["iteration"]: each["loss"] for each in Run(run).metrics() if each["kind"] == "test"}
    return min(tests.items(), key=lambda item: item[1])


def test_it_is_told_in_log_and_metrics(run: Path) -> None:
    iteration, loss = best_of(run)
    assert iteration < ITERATIONS / 2
    (warned,) = [each for each in Run(run).metrics() if each["kind"] == "warned"]
    assert warned["warning"] == "overfitting"
    assert warned["facts"]["best_iteration"] == iteration
    assert warned["facts"]["best_loss"] == loss
    assert warned["message"].startswith(f"overfitting: the test loss was best at iteration {iteration} ({loss:.6g})")
    assert warned["message"].endswith("the weights of then are kept: design_best")
    assert warned["message"] in (run / "train.log").read_text()
    assert len(warned["message"]) < 220
    kept = [each for each in Run(run).metrics() if each["kind"] == "kept"]
    assert (kept[-1]["iteration"], kept[-1]["loss"]) == (iteration, loss)


def test_it_is_told_on_the_screen_even_of_a_quiet_run(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = f"test_interval: 20 max_iter: {ITERATIONS} random_seed: 1 snapshot_best: false"
    argv = ["train", "--solver", model / "solver.prototxt", "--out", tmp_path / "run", "--threads", 1, "-q"]
    (line,) = told(capsys, *argv, "--set", settings).splitlines()
    assert "overfitting: the test loss was best at iteration" in line
    assert line.endswith("snapshot_best: true keeps the best weights")
    assert not list((tmp_path / "run").glob("*_best*"))


@pytest.mark.parametrize(
    "command",
    [
        ["encode", "RUN", "-o", "codes.h5"],
        ["layers", "RUN", "-o", "layers.png"],
        ["plot", "RUN", "-o", "map.png", "--what", "filters"],
        ["test", "RUN", "--iterations", "1"],
        ["eval", "RUN"],
        ["report", "RUN", "-o", "page.html"],
        ["decode", "RUN", "mine.csv", "-o", "images.h5"],
        ["convert", "RUN", "--to", "safetensors", "-o", "weights.safetensors"],
        ["encode", "--model", "RUN/net.prototxt", "--weights", "RUN", "-o", "codes.h5"],
    ],
)
@pytest.mark.usefixtures("short_page")
def test_every_command_says_which_it_takes_and_can_take_the_other(
    command: list[str], run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.csv").write_text(",".join(f"code_{i}" for i in range(1, 9)) + "\n" + ",".join("0" * 8) + "\n")
    argv = [word.replace("RUN", str(run)) for word in command]
    iteration, loss = best_of(run)
    said = f"weights of iteration {iteration}, whose test was best (loss {loss:.6g})"
    assert said in told(capsys, *argv)
    assert "weights of iteration" not in told(capsys, *argv, "--snapshot", "last")
    assert "weights of iteration 200" in told(capsys, *argv, "--snapshot", "200")
    assert "no complete snapshot of iteration 7" in told(capsys, *argv, "--snapshot", "7", code=2)


def test_the_weights_are_those_that_are_said(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {}
    for which in ("best", "last", "200"):
        told(capsys, "encode", run, "-o", tmp_path / f"{which}.h5", "--snapshot", which)
        found[which] = codes.load(tmp_path / f"{which}.h5").codes
    told(capsys, "encode", run, "-o", tmp_path / "none.h5")
    np.testing.assert_array_equal(codes.load(tmp_path / "none.h5").codes, found["best"])
    assert not np.allclose(found["best"], found["last"])
    assert not np.allclose(found["200"], found["last"])
    capsys.readouterr()
    losses = {}
    for which in ("best", "last"):
        assert main(["test", str(run), "--snapshot", which, "--json"]) == 0
        losses[which] = json.loads(capsys.readouterr().out)["loss"]
    assert losses["best"] == pytest.approx(best_of(run)[1], rel=1e-5)
    assert losses["best"] < losses["last"]


def test_the_report_warns_on_top_and_marks_the_best(run: Path) -> None:
    iteration, loss = best_of(run)
    material = gather(Trained.of_run(Run(run)), None, 1000)
    found = page(material)
    by_pca, warning = found.warnings  # which has more weights than there are random images
    assert "PCA with as many numbers" in by_pca
    assert f"overfitting: the test loss was best at iteration {iteration}" in warning
    assert f"Shown: weights of iteration {iteration}, whose test was best (loss {loss:.6g})" in found.lead
    (losses,) = [
        block
        for each in found.sections
        if each.title == "Losses"
        for block in each.blocks
        if isinstance(block, Picture)
    ]
    words = [text.get_text() for axes in losses.figure.axes for text in axes.get_legend().get_texts()]
    assert sum(word.startswith(f"best test, iteration {iteration}: ") for word in words) == 2
    last = page(gather(Trained.of_run(Run(run), snapshot="last"), None, 1000))
    assert "Shown:" not in last.lead
    assert last.warnings[1:] == found.warnings[1:]


def test_fine_tuning_begins_with_the_best(
    model: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["train", "--solver", model / "solver.prototxt", "--out", tmp_path / "run", "--set", "max_iter: 1"]
    err = told(capsys, *argv, "--weights", run)
    assert f"weights of iteration {best_of(run)[0]}, whose test was best" in err
    assert f"{run}/design_best.caffemodel" in err
    first = next(each for each in Run(tmp_path / "run").metrics() if each["kind"] == "test")
    assert first["loss"] == pytest.approx(best_of(run)[1], rel=1e-5)


def test_a_run_that_is_given_up_leaves_no_best(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["train", "--solver", model / "solver.prototxt", "--out", tmp_path / "run", "--threads", 1, "-q", "--set"]
    told(capsys, *argv, "max_iter: 20 test_interval: 10")
    assert (tmp_path / "run" / "design_best.ok.json").exists()
    told(capsys, *argv, "max_iter: 20 test_interval: 10 snapshot_best: false", "--overwrite")
    assert not list((tmp_path / "run").glob("design_best*"))
