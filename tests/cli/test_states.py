"""Commands that build one phase: the usual one, or the one that the text has; and they say which."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepcae.cli import main
from deepcae.net.net import Net
from deepcae.net.weights import save_weights
from deepcae.proto.read import read_net_text

DATA = 'layer {{ name: "in" type: "DummyData" top: "x" {} dummy_data_param {{ shape {{ dim: 4 dim: 6 }} }} }}\n'
REST = """layer { name: "few" type: "InnerProduct" bottom: "x" top: "few" inner_product_param { num_output: 3 } }
layer { name: "many" type: "InnerProduct" bottom: "few" top: "many" inner_product_param { num_output: 6 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "many" bottom: "x" top: "loss" }
"""
TEST_ONLY = DATA.format("include { phase: TEST }") + REST
TRAIN_ONLY = DATA.format("include { phase: TRAIN }") + REST
STAGED = DATA.format('include { phase: TEST stage: "deep" }') + REST


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], text: str, *argv: str) -> tuple[int, str, str]:
    Path("n.prototxt").write_text(text)
    code = main(list(argv))
    return (code, *capsys.readouterr())


COMMANDS = [
    ("summary", "n.prototxt"),
    ("draw", "n.prototxt", "-o", "n.svg"),
    ("draw", "n.prototxt", "-o", "a.svg", "--style", "architecture"),
    ("time", "--model", "n.prototxt", "--iterations", "1", "--device", "cpu"),
]


def test_a_deployed_net_has_no_test_data(capsys: pytest.CaptureFixture[str]) -> None:
    text = 'layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 6 } } }\n' + REST
    save_weights(Net(read_net_text(text), "TEST"), "w.caffemodel")
    code, _, err = run(capsys, text, "test", "--model", "n.prototxt", "--weights", "w.caffemodel")
    assert code == 2
    assert "has no test data: 'x' is fed from outside, as in a deployed net; `deepcae encode --model" in err


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
@pytest.mark.parametrize(("text", "which"), [(TEST_ONLY, "phase TEST"), (STAGED, "phase TEST, stage deep")])
def test_the_only_phase_is_taken_and_told(
    argv: tuple[str, ...], text: str, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, text, *argv)
    assert code == 0
    assert f"n.prototxt: this is {which}; phase TRAIN lacks layers that others read from" in err


@pytest.mark.parametrize("argv", COMMANDS, ids=" ".join)
def test_the_usual_phase_needs_no_word(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, TRAIN_ONLY, *argv)
    assert code == 0
    assert "phase" not in err.replace("TRAIN phase", "")


@pytest.mark.parametrize("argv", [COMMANDS[0], *COMMANDS[2:]], ids=" ".join)
def test_a_phase_that_is_asked_for_and_not_there(argv: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, TEST_ONLY, *argv, "--phase", "TRAIN")
    assert code == 2
    (first, *_) = err.splitlines()
    assert "bottom 'x' is made by layer 'in', which does not take part (in phase TRAIN)" in first


def test_no_layer_takes_part(capsys: pytest.CaptureFixture[str]) -> None:
    text = DATA.format("include { phase: TEST }")
    assert run(capsys, text, "summary", "n.prototxt")[0] == 0
    code, _, err = run(capsys, text, "summary", "n.prototxt", "--phase", "TRAIN")
    assert (code, err) == (2, "error: n.prototxt: no layer takes part in phase TRAIN; it has phase TEST\n")


def test_the_other_way_round(capsys: pytest.CaptureFixture[str]) -> None:
    """Commands that build TEST as a rule take TRAIN where there is nothing else."""
    save_weights(Net(read_net_text(TRAIN_ONLY), "TRAIN"), "w.caffemodel")
    convert = ("convert", "n.prototxt", "w.caffemodel", "--to", "safetensors")
    average = ("test", "--model", "n.prototxt", "--weights", "w.caffemodel", "--iterations", "1")
    for argv in (convert, average):
        code, _, err = run(capsys, TRAIN_ONLY, *argv)
        assert code == 0
        assert "n.prototxt: this is phase TRAIN; phase TEST lacks layers" in err
