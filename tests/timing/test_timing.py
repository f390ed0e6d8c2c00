"""What the timing says beside times: whose a time is, how much arithmetic a layer does, and which kernel does it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepcae import zoo
from deepcae.errors import LayerError
from deepcae.kernels import calls, choice, convolution, native
from deepcae.kernels.rule import Rule
from deepcae.kernels.rulecache import FoundRule
from deepcae.layers import make_layer
from deepcae.layers.base import Context, Layer
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.tape import affine, tape
from deepcae.tape.op import Half, Op, Sheet
from deepcae.tape.tape import Tapes
from deepcae.timing import stamps
from deepcae.timing.stamps import Laps, Stamps
from deepcae.timing.timing import Inputs, Timing, measure

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 dim: 8 dim: 8 } } }\n'
FILLED = 'weight_filler { type: "xavier" }'
CONV = f"convolution_param {{ num_output: 4 kernel_size: 3 {FILLED} }}"
BRANCHES = f"""{INPUT}
layer {{ name: "conv1" type: "Convolution" bottom: "x" top: "a" {CONV} }}
layer {{ name: "act1" type: "Sigmoid" bottom: "a" top: "a" }}
layer {{ name: "same" type: "Dropout" bottom: "a" top: "a2" }}
layer {{ name: "parts" type: "Slice" bottom: "a2" top: "left" top: "right" }}
layer {{ name: "act2" type: "Sigmoid" bottom: "left" top: "left2" }}
layer {{ name: "join" type: "Concat" bottom: "right" bottom: "left2" top: "b" }}
layer {{ name: "conv2" type: "Convolution" bottom: "b" top: "c" {CONV} }}
layer {{ name: "act3" type: "Sigmoid" bottom: "c" top: "c2" }}
layer {{ name: "code" type: "InnerProduct" bottom: "c2" top: "code" inner_product_param {{ num_output: 5 {FILLED} }} }}
layer {{ name: "seen" type: "ArgMax" bottom: "c2" top: "seen" }}
layer {{ name: "l2" type: "EuclideanLoss" bottom: "c2" bottom: "c" top: "l2" }}
layer {{ name: "small" type: "Reduction" bottom: "code" top: "small" loss_weight: 1 }}
"""
LENET = """
layer { name: "in" type: "Input" top: "x" top: "label"
  input_param { shape { dim: 4 dim: 1 dim: 28 dim: 28 } shape { dim: 4 } } }
layer { name: "conv1" type: "Convolution" bottom: "x" top: "conv1"
  convolution_param { num_output: 20 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 50 kernel_size: 5 stride: 2 weight_filler { type: "xavier" } } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "drop2" type: "Dropout" bottom: "conv2" top: "conv2" }
layer { name: "ip1" type: "InnerProduct" bottom: "conv2" top: "ip1" param { name: "w" }
  inner_product_param { num_output: 200 weight_filler { type: "xavier" } } }
layer { name: "sig1" type: "Sigmoid" bottom: "ip1" top: "sig1" }
layer { name: "ip2" type: "InnerProduct" bottom: "sig1" top: "ip2" param { name: "v" }
  inner_product_param { num_output: 200 weight_filler { type: "xavier" } } }
layer { name: "ip3" type: "InnerProduct" bottom: "ip2" top: "ip3" param { name: "v" }
  inner_product_param { num_output: 200 weight_filler { type: "xavier" } } }
layer { name: "l2" type: "EuclideanLoss" bottom: "ip3" bottom: "sig1" top: "l2" loss_weight: 0.01 }
layer { name: "unused" type: "InnerProduct" bottom: "ip2" top: "unused" inner_product_param { num_output: 3 } }
layer { name: "quiet" type: "Silence" bottom: "unused" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip3" bottom: "label" top: "loss" }
"""

with_core = pytest.mark.skipif(not native.instructions(), reason="deepcae was installed without a C++ compiler")
rules = pytest.mark.parametrize("rule", [pytest.param("core", marks=with_core), "torch"])


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    preference = choice.preference()
    yield
    choice.take(None)
    choice.prefer(preference)


def net_of(text: str, phase: str = "TEST") -> Net:
    return Net(read_net_text(text), phase, seed=0)


def timed(net: Net, iterations: int = 2, **options: Any) -> Timing:
    return measure(net, Inputs(random(net)), iterations, **options)


def random(net: Net) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    return {name: generator.random(net.plan.shapes[name], dtype=np.float32) for name in net.inputs}


# Whose a time is


class _Slow(torch.autograd.Function):
    """Takes 3 of a clock's seconds forward and 5 backward."""

    clock: list[float]

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        _Slow.clock[0] += 3
        return x * 1

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        _Slow.clock[0] += 5
        return grads[0]


@pytest.mark.parametrize(
    "kind", ["Convolution", "Sigmoid", "Dropout", "Slice", "Concat", "Split", "InnerProduct", "EuclideanLoss"]
)
def test_each_layer_is_given_its_own_time(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over branches, a layer in place and one that hands on what it gets: one slow type, and a clock of its own."""
    if kind != "Dropout":
        monkeypatch.setattr(Layer.registry["Dropout"], "forward", lambda self, bottoms, params, context: bottoms)
    net = net_of(BRANCHES)
    _Slow.clock = [0.0]
    monkeypatch.setattr(stamps, "time", SimpleNamespace(perf_counter=lambda: _Slow.clock[0]))
    layer = Layer.registry[kind]
    forward = layer.forward
    monkeypatch.setattr(
        layer, "forward", lambda self, x, params, context: forward(self, [_Slow.apply(x[0]), *x[1:]], params, context)
    )
    found = Stamps(net)
    blobs = net.forward({name: torch.from_numpy(array) for name, array in random(net).items()}, hook=found)
    net.loss(blobs).backward()
    found.end()
    steps = [(i, step) for i, step in enumerate(net.plan.steps) if step.type != "Input"]
    assert found.forward == {i: 3.0 * (step.type == kind) for i, step in steps}
    assert {i: seconds for i, seconds in found.backward.items() if seconds} == {
        i: 5.0 for i, step in steps if step.type == kind and step.bottom_needs_backward[0]
    }
    assert found.stamping == 0


@rules
def test_every_layer_is_listed_once_with_the_passes_that_it_takes_part_in(rule: str) -> None:
    choice.prefer(rule)
    net = net_of(BRANCHES)
    timing = timed(net)
    assert timing.tape == (rule == "core")
    assert [(layer.name, layer.type) for layer in timing.layers] == [(step.name, step.type) for step in net.plan.steps]
    forward_only = {layer.name for layer in timing.layers if layer.backward is None}
    assert forward_only == {"in", "seen", *(["l2"] if timing.tape else [])}  # whose gradient is made forward
    assert timing.goes_back
    assert min(timing.in_layers, timing.outside, timing.forward_backward, timing.product_rate) > 0


FROZEN = re.sub(r'(Convolution|InnerProduct)"', r'\1" param { lr_mult: 0 } param { lr_mult: 0 }', BRANCHES)
DEPLOY = BRANCHES.split('layer { name: "l2"')[0]


@pytest.mark.parametrize("text", [DEPLOY, FROZEN, INPUT], ids=["deploy", "frozen", "nothing"])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
@rules
def test_a_net_that_cannot_learn_goes_forward_alone(text: str, phase: str, rule: str) -> None:
    choice.prefer(rule)
    net = net_of(text, phase)
    timing = timed(net)
    assert not timing.goes_back
    assert timing.operations == sum(
        2 * step.layer.multiplications([net.plan.shapes[name] or () for name in step.bottoms])
        for step in net.plan.steps
        if step.layer is not None
    )


@rules
def test_timing_leaves_the_net_as_it_was(rule: str) -> None:
    choice.prefer(rule)
    net = net_of(BRANCHES, "TRAIN")
    before = [tensor.detach().clone() for tensor in net.tensors]
    timed(net)
    assert all(map(torch.equal, before, net.tensors))
    assert all(tensor.grad is None for tensor in net.tensors)


class _Written:
    """A spied tape: each call of the library or of Python counts as its layer's, and takes a second of a clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds: Counter[tuple[str, int]] = Counter()  # of which half of which step: as the ops wrote them
        self.functions: dict[str, set[str]] = {}  # of the library, by layer
        self.clock = 0.0
        self._at: tuple[str, int] = ("", -1)
        self._layer = ""
        for kind in (*Op.__subclasses__(), *affine.Affine.__subclasses__()):
            for half in {"forward", "backward"}.intersection(vars(kind)):
                monkeypatch.setattr(kind, half, self._entered(getattr(kind, half), half))
        bound, write, write_all = calls.bound, Sheet.write, tape._write
        monkeypatch.setattr(calls, "bound", lambda name, *rest: self._called(name) or bound(name, *rest))
        monkeypatch.setattr(Sheet, "write", lambda sheet, call: write(sheet, self._counted(call)))
        monkeypatch.setattr(tape, "_write", lambda sheet: (write_all(sheet), self._left())[0])

    def _entered(self, method: Any, half: str) -> Any:
        def spied(op: Op, blobs: Any) -> Any:
            self._at, self._layer = (half, op.index), op.step.name
            return method(op, blobs)

        return spied

    def _left(self) -> None:
        self._layer = ""

    def _called(self, name: str) -> None:
        self.functions.setdefault(self._layer, set()).add(name)

    def _counted(self, call: Any) -> Any:
        self.seconds[self._at] += 1

        def ticking() -> None:
            self.clock += 1
            call()

        return ticking


@with_core
@pytest.mark.parametrize("text", [LENET, BRANCHES], ids=["lenet", "branches"])
def test_the_layers_time_is_that_of_the_calls_that_they_wrote(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And taking the inputs is no layer's."""
    choice.prefer("core")
    written = _Written(monkeypatch)
    monkeypatch.setattr(stamps, "time", SimpleNamespace(perf_counter=lambda: written.clock))
    net = net_of(text, "TRAIN")
    tape = Tapes(net).now()
    assert tape is not None
    arrays, laps = random(net), Laps(net.device)

    class Inputs(dict[str, torch.Tensor]):
        def __getitem__(self, name: str) -> torch.Tensor:
            written.clock += 1
            return torch.from_numpy(arrays[name])

    tape.play(Inputs(), hook=laps)
    told = {("forward", i): taken for i, taken in laps.forward.items()}
    told |= {("backward", i): taken for i, taken in laps.backward.items()}
    assert told == written.seconds
    assert sum(told.values()) == written.clock - len(net.inputs)
    assert max(told.values()) > 1


@with_core
def test_a_pass_that_is_watched_is_the_same_and_comes_to_each_half_of_a_layer_once() -> None:
    choice.prefer("core")
    net = net_of(LENET, "TRAIN")
    tape = Tapes(net).now()
    assert tape is not None
    inputs = {name: torch.from_numpy(array) for name, array in random(net).items()}
    loss = tape.play(inputs, torch.Generator().manual_seed(1))
    gradients = [gradient.clone() for gradient in tape.gradients]
    places: list[Half | None] = []
    assert tape.play(inputs, torch.Generator().manual_seed(1), places.append) == loss
    assert all(map(torch.equal, gradients, tape.gradients))
    halves = [place for place in places if place is not None]
    forward = [place.step for place in halves if not place.backward]
    backward = [place.step for place in halves if place.backward]
    assert halves == [*(Half(i, False) for i in forward), *(Half(i, True) for i in backward)]
    assert forward == sorted(set(forward))
    assert backward == sorted(set(backward), reverse=True)


def test_data_layers_are_read_anew_for_each_pass_and_timed() -> None:
    net = net_of('layer { name: "d" type: "DummyData" top: "x" dummy_data_param { shape { dim: 2 } } }')
    read: list[int] = []

    def source(index: int) -> dict[str, np.ndarray]:
        read.append(index)
        return {"x": np.ones(2)}

    inputs = Inputs({}, {0: source})
    timing = measure(net, inputs, 2)
    assert read == list(range(len(read)))
    assert len(read) > 4
    assert timing.layers[0].forward > 0
    assert list(inputs.batch(7)) == ["x"]


def test_the_solvers_step_counts_for_the_whole() -> None:
    steps: list[int] = []
    timing = timed(net_of(BRANCHES), 2, step=lambda: steps.append(1), passes=3)
    assert len(steps) >= 2
    assert timing.whole == timing.step
    assert timing.operations == 3 * sum(layer.operations for layer in timing.layers)


# How much arithmetic


@settings(max_examples=150)
@given(st.data())
def test_multiplications_are_those_with_numbers_of_the_bottom(data: st.DataObject) -> None:
    """Of ones by ones every product is 1: the top's sum counts them; products with a padding's zeros give none."""
    rank, kind = data.draw(st.integers(0, 3)), data.draw(st.sampled_from(["Convolution", "Deconvolution"]))
    sizes = data.draw(st.lists(st.integers(1, 6), min_size=rank, max_size=rank))
    group, per_group, outputs = (data.draw(st.integers(1, 3)) for _ in range(3))
    settings_ = " ".join(
        f"{name}: {data.draw(st.integers(least, 4))}"
        for name, least in (("kernel_size", 1), ("stride", 1), ("pad", 0), ("dilation", 1))
        for _ in range(rank)
    )
    text = f"""layer {{ name: "l" type: "{kind}" bottom: "x" bottom: "y" top: "u" top: "v" convolution_param {{
        num_output: {group * outputs} group: {group} {settings_} bias_term: false }} }}"""
    layer = make_layer(read_net_text(text).message.layer[0], 0)
    shape = (2, group * per_group, *sizes)
    try:
        layer.shapes([shape, shape])
    except LayerError:
        assume(False)
    (weight,) = layer.learned([shape, shape])
    tops = layer.forward([torch.ones(shape)] * 2, [torch.ones(weight.shape)], Context())
    assert layer.multiplications([shape, shape]) == sum(int(top.double().sum()) for top in tops)


@pytest.mark.parametrize("transpose", ["false", "true"])
def test_multiplications_of_an_inner_product(transpose: str) -> None:
    text = f"""layer {{ name: "l" type: "InnerProduct" bottom: "x" top: "y"
        inner_product_param {{ num_output: 7 axis: 2 transpose: {transpose} }} }}"""
    layer = make_layer(read_net_text(text).message.layer[0], 0)
    assert layer.multiplications([(2, 3, 4, 5)]) == 2 * 3 * (4 * 5) * 7


@rules
def test_useful_operations_by_hand(rule: str) -> None:
    """Forward once; back once for each gradient that is wanted. Nobody wants the first bottom's, a bias costs none."""
    choice.prefer(rule)
    text = BRANCHES.replace('top: "c" ', 'top: "c" param { lr_mult: 0 } ')  # conv2's weights stay, its bias learns
    timing = timed(net_of(text))
    operations = {layer.name: layer.operations for layer in timing.layers if layer.operations}
    conv1 = 3 * (2 * 4 * 3 * 3) * (6 * 6)
    conv2 = 3 * (4 * 4 * 3 * 3) * (4 * 4)
    code = 3 * (4 * 4 * 4) * 5
    assert operations == {"conv1": 2 * 2 * conv1, "conv2": 2 * 2 * conv2, "code": 2 * 3 * code}
    assert timing.operations == sum(operations.values())
    assert timing.limit == pytest.approx(timing.operations / timing.product_rate)
    rates = {layer.name: layer.rate for layer in timing.layers}
    assert rates["act1"] is None
    assert rates["code"] == pytest.approx(operations["code"] / timing.layers[[*rates].index("code")].seconds)


# Which kernel

WAYS = INPUT + "".join(
    f'layer {{ name: "{name}" type: "{kind}" bottom: "{bottom}" top: "{name}" '
    f"convolution_param {{ num_output: 2 {settings_} {FILLED} }} }}\n"
    for name, kind, bottom, settings_ in (
        ("wide", "Convolution", "x", "kernel_size: 5"),
        ("step", "Convolution", "x", "kernel_size: 3 stride: 2"),
        ("whole", "Convolution", "x", "kernel_size: 8"),
        ("stamp", "Deconvolution", "whole", "kernel_size: 7"),
        ("back", "Deconvolution", "wide", "kernel_size: 5"),
        ("line", "Convolution", "x", "kernel_size: 4 axis: 2"),
    )
)
WAYS += f"""
layer {{ name: "code" type: "InnerProduct" bottom: "x" top: "code" inner_product_param {{ num_output: 2 {FILLED} }} }}
layer {{ name: "point" type: "Convolution" bottom: "code" top: "point" convolution_param {{ num_output: 2 {FILLED} }} }}
"""


@pytest.mark.parametrize("preferred", ["auto", "core", "banded", "torch"])
def test_the_kernel_that_is_told_is_the_one_that_computes(preferred: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choice.prefer(preferred)
    net = net_of(WAYS)
    taken: list[str] = []

    def spied(case: choice.Case) -> choice.Algorithm:
        taken.append(choice.choice(case))
        return taken[-1]

    monkeypatch.setattr(convolution, "choice", spied)
    net(random(net))
    told = {layer.name: layer.kernel for layer in timed(net).layers if layer.kernel}
    assert told.pop("code") == "torch"  # its matrix product is PyTorch's own, whatever the rule
    assert list(told) == ["wide", "step", "whole", "stamp", "back", "line", "point"]
    assert list(told.values()) == taken[: len(told)]
    assert preferred != "torch" or set(told.values()) == {"torch"}


KERNELS = {
    "lenet": {
        "conv1": "core", "pool1": "core", "conv2": "torch (turned)", "relu2": "core", "drop2": "autograd",
        "ip1": "product", "sig1": "core", "ip2": "product", "ip3": "product", "l2": "core", "unused": "product",
        "loss": "core",
    },
    "cae1": {
        "conv1": "core", "conv1sig": "core", "conv2": "core", "conv2sig": "core", "ip1encode": "product",
        "ip1encodesig": "core", "ip2encode": "product", "ip1decode": "product", "ip1decodesig": "core",
        "deconv2": "product", "deconv2sig": "core", "deconv1": "core", "deconv1sig": "core", "deconv1neur": "core",
        "deconv1neursig": "core", "cross_entropy_loss": "core", "l2_error": "core",
    },
    "classic-300": {
        **{f"{half}{i}": "product" for half in ("encode", "decode") for i in range(1, 5)},
        **{f"encode{i}neuron": "core" for i in range(1, 4)}, **{f"decode{i}neuron": "core" for i in range(1, 5)},
        "cross_entropy_loss": "core", "l2_error": "core",
    },
}  # fmt: skip


def _net(name: str, folder: Path) -> Net:
    if name == "lenet":
        return net_of(LENET, "TRAIN")
    zoo.write(zoo.build(name, 2), folder)
    return Net(folder / "net.prototxt", "TRAIN", seed=0, input_shapes={"data": (32, 1, 28, 28)})


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.skipif(native.instructions() in ("", "scalar"), reason="the core is not the rule's choice here")
def test_the_kernels_of_a_tape(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And each is what the layer calls: the library's functions for its own, none where autograd does it."""
    choice.prefer("auto")
    choice.take(FoundRule(Rule(), "a test"))  # whatever processor it runs on
    functions = _Written(monkeypatch).functions
    timing = timed(_net(name, tmp_path), 1)
    assert timing.tape
    told = {layer.name: layer.kernel for layer in timing.layers if layer.kernel}
    assert told == KERNELS[name]
    for layer in timing.layers:
        called = functions.get(layer.name, set()) - {"squared"}  # for the norm, whoever made the gradient
        called -= {"join"} if layer.type == "Split" else set()  # the sum of its tops' gradients
        assert {
            "core": called and not called & {"product", "transpose"},
            "product": "product" in called,
            "torch (turned)": called == {"transpose"},
        }.get(layer.kernel, not called), layer.name


@pytest.mark.parametrize("name", KERNELS)
def test_the_kernels_of_autograds_passes(name: str, tmp_path: Path) -> None:
    choice.prefer("torch")
    timing = timed(_net(name, tmp_path), 1)
    assert not timing.tape
    told = {layer.name: layer.kernel for layer in timing.layers if layer.kernel}
    assert told == {
        layer.name: "torch" for layer in timing.layers if layer.type in ("Convolution", "Deconvolution", "InnerProduct")
    }
