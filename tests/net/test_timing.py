"""What the timing says beside times: whose a time is, how much arithmetic a layer does, and which kernel does it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepcae.errors import LayerError
from deepcae.kernels import choice, convolution
from deepcae.layers import make_layer
from deepcae.layers.base import Context, Layer
from deepcae.net import stamps
from deepcae.net.net import Net
from deepcae.net.stamps import Stamps
from deepcae.net.timing import Inputs, Timing, measure
from deepcae.proto.read import read_net_text

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


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    preference = choice.preference()
    yield
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
    blobs = net.forward({name: torch.from_numpy(array) for name, array in random(net).items()}, watch=found)
    net.loss(blobs).backward()
    found.end()
    steps = [(i, step) for i, step in enumerate(net.plan.steps) if step.type != "Input"]
    assert found.forward == {i: 3.0 * (step.type == kind) for i, step in steps}
    assert {i: seconds for i, seconds in found.backward.items() if seconds} == {
        i: 5.0 for i, step in steps if step.type == kind and step.bottom_needs_backward[0]
    }
    assert found.stamping == 0


def test_every_layer_is_listed_once_with_the_passes_that_it_takes_part_in() -> None:
    net = net_of(BRANCHES)
    timing = timed(net)
    assert [(layer.name, layer.type) for layer in timing.layers] == [(step.name, step.type) for step in net.plan.steps]
    forward_only = {layer.name for layer in timing.layers if layer.backward is None}
    assert forward_only == {"in", "seen"}
    assert timing.goes_back
    assert min(timing.in_layers, timing.outside, timing.forward_backward, timing.product_rate) > 0


FROZEN = re.sub(r'(Convolution|InnerProduct)"', r'\1" param { lr_mult: 0 } param { lr_mult: 0 }', BRANCHES)
DEPLOY = BRANCHES.split('layer { name: "l2"')[0]


@pytest.mark.parametrize("text", [DEPLOY, FROZEN, INPUT], ids=["deploy", "frozen", "nothing"])
@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_a_net_that_cannot_learn_goes_forward_alone(text: str, phase: str) -> None:
    net = net_of(text, phase)
    timing = timed(net)
    assert not timing.goes_back
    assert timing.operations == sum(
        2 * step.layer.multiplications([net.plan.shapes[name] or () for name in step.bottoms])
        for step in net.plan.steps
        if step.layer is not None
    )


def test_timing_leaves_the_net_as_it_was() -> None:
    net = net_of(BRANCHES, "TRAIN")
    before = [tensor.detach().clone() for tensor in net.tensors]
    timed(net)
    assert all(map(torch.equal, before, net.tensors))
    assert all(tensor.grad is None for tensor in net.tensors)


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


@settings(max_examples=150, deadline=None)
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


def test_useful_operations_by_hand() -> None:
    """Forward once; back once for each gradient that is wanted. Nobody wants the first bottom's, a bias costs none."""
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

    def spied(case: choice.Case) -> choice.Way:
        taken.append(choice.choice(case))
        return taken[-1]

    monkeypatch.setattr(convolution, "choice", spied)
    net(random(net))
    told = {layer.name: layer.kernel for layer in timed(net).layers if layer.kernel}
    assert told.pop("code") == "torch"  # its matrix product is PyTorch's own, whatever the rule
    assert list(told) == ["wide", "step", "whole", "stamp", "back", "line", "point"]
    assert list(told.values()) == taken[: len(told)]
    assert preferred != "torch" or set(told.values()) == {"torch"}
