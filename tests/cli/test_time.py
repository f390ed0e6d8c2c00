"""`deepcae time`: what it is fed with, what it tells, and that it leaves everything as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import pytest

from deepcae.cli import main
from deepcae.kernels import choice
from deepcae.kernels.rule import Rule
from deepcae.kernels.rulecache import FoundRule

KEYS = {
    "net", "phase", "batch", "device", "threads", "kernels", "fed_with", "iterations", "layers", "product_rate",
    "tape", "operations", "forward_backward", "outside", "passes", "update", "step", "limit",
}  # fmt: skip
FEW = ("--iterations", "2", "--threads", "1")
LAYER_KEYS = {"name", "type", "kernel", "forward", "backward", "operations", "rate"}
DEPLOY = """name: "small"
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 5 dim: 5 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 3 kernel_size: 4 } }
"""


class Timed(Protocol):
    """The figures of `deepcae time` in few passes: the one line that it answers with."""

    def __call__(self, *arguments: str) -> dict[str, Any]: ...


@pytest.fixture
def timed(capsys: pytest.CaptureFixture[str]) -> Timed:
    def figures(*arguments: str) -> dict[str, Any]:
        assert main(["time", *arguments, *FEW, "--json", "--quiet"]) == 0
        told = capsys.readouterr()
        assert told.err == ""
        found: dict[str, Any] = json.loads(told.out)
        return found

    return figures


def operations(found: dict[str, Any]) -> dict[str, int]:
    return {layer["name"]: layer["operations"] for layer in found["layers"] if layer["operations"]}


def test_the_figures_of_a_net_with_its_own_data(model: Path, timed: Timed, capsys: pytest.CaptureFixture[str]) -> None:
    found = timed("--model", str(model / "net.prototxt"))
    assert set(found) == KEYS
    assert all(set(layer) == LAYER_KEYS for layer in found["layers"])
    about = {name: found[name] for name in ("net", "phase", "batch", "device", "threads", "fed_with", "iterations")}
    assert about == {
        "net": "tiny", "phase": "TRAIN", "batch": 8, "device": "cpu", "threads": 1, "fed_with": "its own data",
        "iterations": 2,
    }  # fmt: skip
    assert found["step"] is None
    assert found["layers"][0]["name"] == "train"
    assert found["layers"][0]["forward"] > 0  # its reading
    assert operations(found) == {"conv": 2 * 2 * 8 * 2 * 9 * 16, "code": 2 * 3 * 8 * 32 * 2, "up": 2 * 3 * 8 * 2 * 36}
    assert main(["time", "--model", str(model / "net.prototxt"), *FEW]) == 0
    table = capsys.readouterr().out
    for layer in found["layers"]:
        assert sum(line.startswith(f"{layer['name']} ") for line in table.splitlines()) == 1
    for words in ("tiny (TRAIN), batch 8, fed with its own data", "all layers", "in no layer", "The limit is"):
        assert words in table


def test_the_test_phase_and_another_batch_size(model: Path, timed: Timed) -> None:
    found = timed("-model", str(model / "net.prototxt"), "-phase", "TEST", "-gpu", "-1", "--batch", "13")
    assert (found["phase"], found["batch"], found["fed_with"]) == ("TEST", 13, "its own data")
    assert operations(found)["code"] == 2 * 3 * 13 * 32 * 2


def test_random_numbers_where_the_files_are_not_there(
    model: Path, timed: Timed, capsys: pytest.CaptureFixture[str]
) -> None:
    (model / "train.txt").unlink()
    found = timed("--model", str(model / "net.prototxt"))
    assert found["fed_with"] == "random numbers for data"
    assert found["layers"][0]["forward"] == 0
    assert operations(found)["code"] == 2 * 3 * 8 * 2 * 2  # rows of 36, as the loss has them: 2 values in "conv"
    assert main(["time", "--model", str(model / "net.prototxt"), *FEW]) == 0
    assert "the shape of 'data' is assumed: its file is not there" in capsys.readouterr().out


def test_labels_of_a_missing_file_are_one_for_each_image(
    tmp_path: Path, timed: Timed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = (
        'layer { name: "d" type: "HDF5Data" top: "x" top: "label" hdf5_data_param { source: "no.txt" batch_size: 3 } }'
    )
    layers = """layer { name: "p" type: "Input" top: "p" input_param { shape { dim: 3 dim: 4 } } }
        layer { name: "like" type: "EuclideanLoss" bottom: "p" bottom: "x" top: "l2" }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "p" bottom: "label" top: "loss" }"""
    Path("n.prototxt").write_text(data + layers)
    assert timed("--model", "n.prototxt")["fed_with"] == "random numbers for x, label, p"


def test_a_shape_that_only_a_missing_file_knows_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = 'layer { name: "d" type: "HDF5Data" top: "x" hdf5_data_param { source: "no.txt" batch_size: 3 } }'
    Path("n.prototxt").write_text(data + 'layer { name: "s" type: "Sigmoid" bottom: "x" top: "y" }')
    assert main(["time", "--model", "n.prototxt"]) == 2
    assert capsys.readouterr().err == (
        "error: blob 'x': its shape is in the file that layer 'd' reads, and that is not there\n"
    )


@pytest.mark.parametrize("rule", ["torch", "banded"])
def test_a_deploy_net_goes_forward_by_the_kernels_that_the_environment_names(
    rule: str, tmp_path: Path, timed: Timed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(choice.VARIABLE, rule)
    monkeypatch.setattr(choice, "_preference", [])
    Path("deploy.prototxt").write_text(DEPLOY)
    found = timed("--model", "deploy.prototxt", "--batch", "6")
    assert found["kernels"] == {"rule": rule, "instructions": ""}
    assert not found["tape"]
    assert [(layer["kernel"], layer["backward"]) for layer in found["layers"]] == [("", None), (rule, None)]
    assert operations(found) == {"c": 2 * 6 * 3 * 2 * 16 * 4}
    assert main(["time", "--model", "deploy.prototxt", *FEW]) == 0
    assert f"kernels {rule}, passes by autograd;" in capsys.readouterr().out


def test_the_rule_of_the_processor_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    choice.take(FoundRule(Rule(pixel_pairs=77), "measured on a test"))
    try:
        assert main(["time", "--rule", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["source"], told["rule"]["pixel_pairs"]) == ("measured on a test", 77)
        assert main(["time", "--rule"]) == 0
        assert "source: measured on a test\n" in capsys.readouterr().out
    finally:
        choice.take(None)


def test_whole_steps_of_a_solver(model: Path, timed: Timed) -> None:
    """With a batch read and outputs that a training would write: nothing but the figures is written."""
    net = model / "net.prototxt"
    net.write_text(
        net.read_text() + 'layer { name: "out" type: "HDF5Output" bottom: "restored" bottom: "flat" '
        'hdf5_output_param { file_name: "out.h5" } }'
    )
    solver = model / "solver.prototxt"
    solver.write_text(solver.read_text() + "iter_size: 2")
    before = {path: path.read_bytes() for path in model.iterdir()}
    found = timed("-solver", str(solver))
    assert found["passes"] == 2
    assert found["operations"] == 2 * sum(operations(found).values())
    assert found["step"] > 0
    assert found["update"] == pytest.approx(found["step"] - 2 * found["forward_backward"])
    assert {path: path.read_bytes() for path in model.iterdir()} == before
    assert not list(Path().iterdir())


def test_a_solver_whose_data_are_not_there(model: Path, timed: Timed) -> None:
    for name in ("train", "test"):
        (model / f"{name}.txt").unlink()
    assert timed("--solver", str(model / "solver.prototxt"))["fed_with"] == "random numbers for data"


def test_given_weights_are_told_of(run: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["time", "--model", str(model / "net.prototxt"), "--weights", str(run), "--iterations", "1"]) == 0
    assert capsys.readouterr().err == "run/tiny_iter_6.caffemodel: 3 layer(s) loaded\n"
