"""The three scripts of examples/pycaffe, run as their authors would: they know only `import caffe`."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepcae.cli import main
from deepcae.proto.read import read_net

EXAMPLES = Path(__file__).parents[2] / "examples" / "pycaffe"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the digits and a short training."""
    folder = tmp_path_factory.mktemp("lenet")
    assert main(["data", "digits", "-o", str(folder / "digits"), "--quiet"]) == 0
    run("train_lenet.py", "digits", "lenet", "--iterations", "61", "--test-interval", "30", folder=folder)
    return folder


def run(script: str, *arguments: str, folder: Path) -> str:
    command = [sys.executable, "-W", "error", "-m", "deepcae.pycaffe", str(EXAMPLES / script), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=240, cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pictures(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / "lenet" / "digits").glob("*.png"))


@pytest.mark.parametrize("script", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_scripts_know_nothing_of_deepcae(script: Path) -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(script.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([a.name for a in node.names] if isinstance(node, ast.Import) else [node.module or ""])
    }
    assert "caffe" in imported
    assert "deepcae" not in imported


def test_training_learns_and_plots(folder: Path) -> None:
    out = folder / "lenet"
    assert (out / "training.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "lenet.caffemodel").stat().st_size > 100_000
    assert [layer.type for layer in read_net(out / "lenet_deploy.prototxt").message.layer][-1] == "Softmax"
    assert len(pictures(folder)) == 5


def test_pictures_are_classified(folder: Path) -> None:
    files = pictures(folder)
    model = ("lenet/lenet_deploy.prototxt", "lenet/lenet.caffemodel")
    lines = run("classify.py", *model, *files, "--mean", "lenet/mean.npy", folder=folder).splitlines()
    assert len(lines) == len(files)
    right = [line.split(": ")[1][0] == Path(name).name[0] for name, line in zip(files, lines, strict=True)]
    assert np.mean(right) >= 0.8
    (folder / "names.txt").write_text("".join(f"number {k}\n" for k in range(10)))
    named = run("classify.py", *model, files[0], "--labels", "names.txt", "--top", "2", folder=folder)
    assert named.count("number ") == 2


def test_surgery_keeps_the_nets_answers(folder: Path) -> None:
    files = pictures(folder)
    model = ("lenet/lenet_deploy.prototxt", "lenet/lenet.caffemodel")
    said = run("classify.py", *model, *files, "--mean", "lenet/mean.npy", "--top", "1", folder=folder).splitlines()
    told = run("net_surgery.py", *model, *files, "--mean", "lenet/mean.npy", folder=folder).splitlines()
    assert "score (10, 100) -> score-conv (10, 100, 1, 1)" in told
    assert "strip (28, 140) -> map of classes (1, 29)" in told
    at_pictures = told[-1].removeprefix("at the pictures: ").split()
    assert at_pictures == [line.split(": ")[1].split()[0] for line in said]
