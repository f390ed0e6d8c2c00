"""--precision: what rounding does, that it is told, kept in snapshots, and leaves everything else in float32."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from deepcae.errors import SpecError
from deepcae.kernels import choice
from deepcae.layers import Layer
from deepcae.net.net import Net
from deepcae.net.rounded import Rounded
from deepcae.solver.precision import check_precision, first_error
from deepcae.solver.records import Step, Warned, WarningKind
from deepcae.solver.solver import Solver
from solver.tiny import write_training

NET = """
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 1 dim: 8 dim: 8 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
        convolution_param { num_output: 2 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" top: "mask" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Deconvolution" bottom: "pool" top: "up"
        convolution_param { num_output: 1 kernel_size: 7 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SigmoidCrossEntropyLoss" bottom: "up" bottom: "x" top: "loss" }
"""


@pytest.fixture
def net(tmp_path: Path) -> Net:
    (tmp_path / "net.prototxt").write_text(NET)
    return Net(tmp_path / "net.prototxt", "TRAIN", seed=1)


def test_blobs_are_float32_in_every_precision(net: Net) -> None:
    x = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    exact = net.forward({"x": x})
    with choice.using("torch"):
        rounded = Rounded(net).forward({"x": x})
    assert {name: blob.dtype for name, blob in rounded.items()} == dict.fromkeys(exact, torch.float32)
    for name in ("conv", "up", "loss"):
        error = (rounded[name] - exact[name]).norm() / exact[name].norm()
        assert 0 < error < 2**-7  # eight bits
    assert set(rounded["mask"].unique().tolist()) <= set(range(16))  # places, which bf16 could not all name


def test_losses_are_computed_in_float32(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: dict[str, bool] = {}
    for step in net.plan.steps:
        assert step.layer is not None
        forward = step.layer.forward
        monkeypatch.setattr(
            step.layer,
            "forward",
            lambda *given, name=step.name, forward=forward: (
                inside.update({name: torch.is_autocast_enabled("cpu")}),
                forward(*given),
            )[1],
        )
    Rounded(net).forward({"x": torch.rand(4, 1, 8, 8)})
    assert {name for name, rounds in inside.items() if not rounds} == {"loss"}


def test_the_error_is_told_and_changes_nothing(net: Net) -> None:
    x, generator = torch.rand(4, 1, 8, 8), torch.Generator().manual_seed(3)
    before = generator.get_state()
    loss, norm = first_error(net, {"x": x}, generator, "bf16")
    assert 0 < loss < 0.01
    assert 0 < norm < 0.05
    assert torch.equal(generator.get_state(), before)
    assert all(tensor.grad is None for tensor in net.tensors)
    assert first_error(net, {"x": x}, generator, "fp32") == (0, 0)


def test_a_run_keeps_its_precision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write_training(tmp_path)
    monkeypatch.chdir(tmp_path)
    records = list(Solver(text, out="run", precision="bf16").solve())
    (told,) = [r.message for r in records if isinstance(r, Warned) and r.kind == WarningKind.PRECISION]
    assert told.startswith("precision bf16: on the first batch")
    wanted = Path("run/snap_iter_16.caffemodel").read_bytes()
    assert json.loads(Path("run/snap_iter_8.resume.json").read_text())["precision"] == "bf16"
    resumed = Solver(text, out="run", snapshot="run/snap_iter_8")
    assert resumed.state.precision == "bf16"
    list(resumed.solve())
    assert Path("run/snap_iter_16.caffemodel").read_bytes() == wanted
    other = list(Solver(text, out="run", snapshot="run/snap_iter_8", precision="fp32").solve())
    assert any(isinstance(r, Warned) and r.message == "the precision was bf16 and is fp32 now" for r in other)
    assert Path("run/snap_iter_16.caffemodel").read_bytes() != wanted
    steps = [[r.loss for r in each if isinstance(r, Step)][-1] for each in (records, other)]
    assert steps[0] == pytest.approx(steps[1], rel=0.02)


def test_fp32_says_nothing(tmp_path: Path) -> None:
    assert not any(isinstance(r, Warned) for r in Solver(write_training(tmp_path), out=tmp_path / "run").solve())


@pytest.mark.parametrize(
    ("name", "device", "sentence"),
    [
        ("fp8", "cpu", "precision 'fp8' is unknown; it may be fp32, tf32, bf16"),
        ("tf32", "cpu", "precision tf32 is for NVIDIA GPUs, and this run is on a cpu"),
        ("bf16", "mps", "precision bf16 is for CPUs and NVIDIA GPUs, and this run is on a mps"),
    ],
)
def test_what_a_device_cannot_is_refused(name: str, device: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        check_precision(name, torch.device(device))


def test_the_rule_of_kernels_comes_back() -> None:
    before = choice.preference()
    with choice.using("banded"):
        assert choice.preference() == "banded"
    assert choice.preference() == before


class Meeting:
    """A layer's forward pass that stands still, where it is rounded, until another thread has worked beside it."""

    def __init__(self, layer: Layer) -> None:
        self.within, self.done, self._forward = threading.Event(), threading.Event(), layer.forward
        layer.forward = self._met  # type: ignore[method-assign]

    def _met(self, *given: Any) -> Any:
        if choice.preference() == "torch":
            self.within.set()
            assert self.done.wait(60)
        return self._forward(*given)


@pytest.mark.parametrize("rule", ["auto", "banded"])
def test_a_net_beside_a_rounded_training_keeps_its_kernels(
    rule: choice.Preference, net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bf16 takes torch's convolutions: in its own thread, not in one that encodes meanwhile."""
    monkeypatch.delenv(choice.VARIABLE, raising=False)
    before = choice.preference()
    choice.prefer(rule)
    x = torch.rand(4, 1, 8, 8)
    expected, ways = net(x=x, want="up")["up"], ways_of(net)
    solver = Solver(write_training(tmp_path), precision="bf16")
    layer = next(step.layer for step in solver.net.plan.steps if step.params)
    assert layer is not None
    meeting = Meeting(layer)
    training = threading.Thread(target=solver.step, args=(1,))
    training.start()
    assert meeting.within.wait(60)
    found, seen, alive = net(x=x, want="up")["up"], ways_of(net), training.is_alive()
    meeting.done.set()
    training.join()
    choice.prefer(before)
    assert alive
    assert seen == ways
    assert torch.equal(found, expected)
    assert (rule != "banded") or ways == ["banded", "banded"]


def ways_of(net: Net) -> list[str]:
    layers = [step.layer for step in net.plan.steps if step.params]
    shapes = [net.plan.shapes[step.bottoms[0]] for step in net.plan.steps if step.params]
    return [
        layer.algorithm([shape], plain=True) for layer, shape in zip(layers, shapes, strict=True) if layer and shape
    ]
