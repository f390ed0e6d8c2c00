"""The pass that is written down against the same net's `forward` and autograd: every blob, the loss, every gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepcae import zoo
from deepcae.errors import SpecError
from deepcae.kernels import choice, native
from deepcae.kernels.rule import Products, Rule
from deepcae.kernels.rulecache import FoundRule
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.tape.tape import Tape, Tapes

pytestmark = pytest.mark.skipif(not native.instructions(), reason="deepcae was installed without a C++ compiler")


def net_of(text: str, seed: int = 1) -> Net:
    return Net(read_net_text(text), "TRAIN", seed=seed)


def tape_of(net: Net) -> Tape | None:
    return Tapes(net).now()


def inputs_of(net: Net, seed: int = 0) -> dict[str, torch.Tensor]:
    random = np.random.default_rng(seed)
    inputs = {}
    for name in net.inputs:
        shape = net.plan.shapes[name] or ()
        values = random.integers(0, 3, shape) if name == "label" else random.random(shape)
        inputs[name] = torch.from_numpy(values.astype(np.float32))
    return inputs


def agrees(net: Net, tape: Tape, seed: int = 0) -> None:
    inputs = inputs_of(net, seed)
    for blob in net.learnable:
        blob.tensor.grad = None
    blobs = net.forward(inputs, torch.Generator().manual_seed(seed))
    loss = net.loss(blobs)
    if loss.requires_grad:
        loss.backward()
    told = tape.play(inputs, torch.Generator().manual_seed(seed))
    assert told == pytest.approx(loss.item(), rel=1e-5, abs=1e-6, nan_ok=True)
    for name, blob in blobs.items():
        close(tape.blobs[name], blob.detach(), name)
    gradients = [blob.tensor.grad for blob in net.learnable if blob.tensor.grad is not None]
    among = max(map(largest, gradients), default=0.0)
    for blob, gradient in zip(net.learnable, tape.gradients, strict=True):
        wanted = torch.zeros_like(gradient) if blob.tensor.grad is None else blob.tensor.grad
        close(gradient, wanted, blob.name, 5e-5, 1e-6 * among)  # terms of a sum may cancel each other
    close(tape.squares, torch.stack([gradient.double().square().sum() for gradient in tape.gradients]), "squares")


def close(ours: torch.Tensor, theirs: torch.Tensor, what: str, share: float = 1e-5, least: float = 0.0) -> None:
    assert ours.shape == theirs.shape, what
    torch.testing.assert_close(
        ours, theirs, rtol=share, atol=share * largest(theirs) + least + 1e-9, equal_nan=True,
        msg=lambda told: f"{what}: {told}",
    )  # fmt: skip


def largest(blob: torch.Tensor) -> float:
    """Of the finite values: PROD without stable_prod_grad divides by zeros, and NaN is NaN in both."""
    return float(torch.nan_to_num(blob, nan=0.0, posinf=0.0, neginf=0.0).abs().max()) if blob.numel() else 0.0


@pytest.mark.parametrize("name", ["cae1", "cae2", "classic-300", "siamese"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_zoo_is_written_down(name: str, threads: int, tmp_path: Any) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    zoo.write(zoo.build(name, 2), tmp_path)
    pixels = (2, 28, 28) if name == "siamese" else (1, 28, 28)
    shapes = {"data": (10, *pixels), "pair_data": (10, *pixels), "sim": (10,), "label": (10,)}
    net = Net(tmp_path / "net.prototxt", "TRAIN", seed=1, input_shapes=shapes)
    tape = tape_of(net)
    assert tape is not None
    for seed in range(2):  # the second pass finds what the first one left
        agrees(net, tape, seed)
    torch.set_num_threads(before)


LENET = """
layer { name: "in" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 9 dim: 1 dim: 28 dim: 28 } shape { dim: 9 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" param { lr_mult: 1 } param { lr_mult: 0 }
  convolution_param { num_output: 20 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
layer { name: "conv2" type: "Convolution" bottom: "pool1" top: "conv2"
  convolution_param { num_output: 50 kernel_size: 5 weight_filler { type: "xavier" } } }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2"
  pooling_param { pool: AVE kernel_size: 3 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool2" top: "ip1"
  inner_product_param { num_output: 30 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "ip1" top: "ip1" }
layer { name: "drop1" type: "Dropout" bottom: "ip1" top: "ip1" }
layer { name: "ip2" type: "InnerProduct" bottom: "ip1" top: "ip2"
  inner_product_param { num_output: 3 transpose: true weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip2" bottom: "label" top: "loss" }
layer { name: "accuracy" type: "Accuracy" bottom: "ip2" bottom: "label" top: "accuracy" }
"""


def test_what_has_no_calls_goes_through_autograd() -> None:
    net = net_of(LENET)
    tape = tape_of(net)
    assert tape is not None
    for seed in range(2):
        agrees(net, tape, seed)


SHARED = """
layer { name: "in" type: "Input" top: "x" top: "t" input_param { shape { dim: 4 dim: 6 } shape { dim: 4 dim: 6 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" } param { name: "b" }
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "as" type: "Sigmoid" bottom: "a" top: "a" }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "b" param { name: "w" } param { name: "b" }
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "br" type: "ReLU" bottom: "b" top: "b" relu_param { negative_slope: 0.1 } }
layer { name: "c" type: "InnerProduct" bottom: "b" top: "c" param { name: "w" } param { lr_mult: 0 }
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "sum" type: "Eltwise" bottom: "c" bottom: "a" bottom: "b" top: "sum" }
layer { name: "l2" type: "EuclideanLoss" bottom: "sum" bottom: "t" top: "l2" loss_weight: 2 }
layer { name: "ce" type: "SigmoidCrossEntropyLoss" bottom: "sum" bottom: "t" top: "ce" loss_weight: 0.5 }
layer { name: "unused" type: "InnerProduct" bottom: "b" top: "unused" inner_product_param { num_output: 2 } }
layer { name: "quiet" type: "Silence" bottom: "unused" }
"""


def test_shared_weights_get_the_sum_and_unreached_ones_nothing() -> None:
    net = net_of(SHARED)
    tape = tape_of(net)
    assert tape is not None
    for seed in range(2):
        for gradient in tape.gradients:
            gradient.fill_(7.0)  # as an update leaves them
        agrees(net, tape, seed)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ('bottom: "a" top: "b"|bottom: "a" top: "b" propagate_down: false', "a gradient that the text stops"),
        ("dim: 6 } } }|dim: 6 } shape { dim: 3 } } }", "two numbers of samples"),
        ('top: "sum" }|top: "sum" loss_weight: 1 }', "a weight on a blob of several numbers"),
    ],
)
def test_what_bends_the_gradients_is_left_to_autograd(change: str, why: str) -> None:
    old, _, new = change.partition("|")
    text = SHARED.replace(old, new)
    assert text != SHARED
    if "numbers of samples" in why:
        text = text.replace('top: "t" input', 'top: "t" top: "odd" input')
    assert tape_of(net_of(text)) is None, why


def test_without_the_core_there_is_none() -> None:
    for rule in ("torch", "banded"):
        choice.prefer(rule)
        assert tape_of(net_of(SHARED)) is None


HEAD = """
layer { name: "in" type: "Input" top: "x" top: "t" top: "chosen"
  input_param { shape { dim: 5 dim: 3 } shape { dim: 5 dim: 4 } shape { dim: 5 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a"
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" } } }
"""


@pytest.mark.parametrize("top", ["a", "y"])
def test_a_relu_that_turns_signs_has_its_slope_from_its_bottom(top: str) -> None:
    text = f"""{HEAD} layer {{ name: "r" type: "ReLU" bottom: "a" top: "{top}" relu_param {{ negative_slope: -0.5 }} }}
    layer {{ name: "l2" type: "EuclideanLoss" bottom: "{top}" bottom: "t" top: "l2" }}"""
    net = net_of(text)
    tape = tape_of(net)
    assert tape is not None
    agrees(net, tape)


@pytest.mark.parametrize("kind", ["ReLU", "Sigmoid"])
def test_an_activation_of_one_number(kind: str) -> None:
    text = f"""{HEAD} layer {{ name: "sum" type: "Reduction" bottom: "a" top: "sum" }}
    layer {{ name: "y" type: "{kind}" bottom: "sum" top: "y" loss_weight: 2 }}"""
    net = net_of(text)
    tape = tape_of(net)
    assert tape is not None
    agrees(net, tape)


def test_samples_that_are_chosen_by_the_data_are_left_to_autograd() -> None:
    text = f"""{HEAD} layer {{ name: "f" type: "Filter" bottom: "a" bottom: "t" bottom: "chosen" top: "fa" top: "ft" }}
    layer {{ name: "l2" type: "EuclideanLoss" bottom: "fa" bottom: "ft" top: "l2" }}"""
    assert tape_of(net_of(text)) is None


CURVES, LINES = ("Sigmoid", "ReLU", "TanH", "ELU", "Swish"), ("Power", "Bias")
JOINS = (
    "operation: SUM", "operation: SUM coeff: 1 coeff: 0.25", "operation: SUM coeff: -0.5 coeff: 2", "operation: MAX",
    "operation: PROD", "operation: PROD stable_prod_grad: false",
)  # fmt: skip


def settings_of(draw: st.DrawFn, kind: str) -> str:
    """Of a layer that goes element by element."""
    if kind == "ELU":
        return f"elu_param {{ alpha: {draw(st.sampled_from([1, 0.5, 0, -0.5]))} }}"
    if kind == "Power":
        power, scale = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 0.5, -1.5, 0]))
        return f"power_param {{ power: {power} scale: {scale} shift: {draw(st.sampled_from([0, 0.25]))} }}"
    if kind == "Bias":
        axes = draw(st.sampled_from(["axis: 1 num_axes: 1", "axis: 1 num_axes: -1", "num_axes: 0", "axis: -1"]))
        fixed = draw(st.sampled_from(["", "param { lr_mult: 0 }"]))
        return f'{fixed} bias_param {{ {axes} filler {{ type: "gaussian" std: 1 }} }}'
    return ""


@st.composite
def chains(draw: st.DrawFn) -> str:
    """Layers one after another, then a loss against another input."""
    batch = draw(st.sampled_from([1, 2, 5, 33]))
    channels, plane = draw(st.integers(1, 4)), (draw(st.integers(1, 9)), draw(st.integers(1, 9)))
    lines, blob, number = [], "x", draw(st.integers(1, 6))
    kinds = ["Convolution", "Deconvolution", "InnerProduct", "Pooling", "Flatten", "Eltwise", *CURVES, *LINES]
    for i in range(number):
        kind = draw(st.sampled_from(kinds))
        in_place = kind in (*CURVES, *LINES) and draw(st.booleans())
        top, extra = blob if in_place and blob != "x" else f"b{i}", settings_of(draw, kind)
        fillers = 'weight_filler { type: "xavier" } bias_filler { type: "gaussian" }'
        some, yes = (lambda most: draw(st.integers(1, most))), (lambda: str(draw(st.booleans())).lower())
        if kind in ("Convolution", "Deconvolution"):
            extra = (
                f"num_output: {some(4)} kernel_h: {some(4)} kernel_w: {some(4)} pad: {some(3) - 1} bias_term: {yes()}"
            )
            extra = f"convolution_param {{ {extra} {fillers} }}"
        elif kind == "InnerProduct":
            extra = f"inner_product_param {{ num_output: {some(7)} transpose: {yes()} {fillers} }}"
        elif kind == "Pooling":
            method = draw(st.sampled_from(["MAX", "AVE"]))
            extra = f"pooling_param {{ pool: {method} kernel_size: {some(3)} stride: {some(3)} }}"
        bottoms = f'bottom: "{blob}"'
        if kind == "Eltwise":  # of a blob and what another layer makes of it, in this order or the other, or of three
            extra = f"eltwise_param {{ {draw(st.sampled_from(JOINS))} }}"
            side = draw(st.sampled_from((*CURVES, *LINES)))
            lines.append(f'layer {{ name: "s{i}" type: "{side}" {bottoms} top: "s{i}" {settings_of(draw, side)} }}')
            pair = draw(st.permutations([bottoms, f'bottom: "s{i}"']))
            bottoms = " ".join([*pair, *([pair[0]] if "coeff" not in extra and draw(st.booleans()) else [])])
        lines.append(f'layer {{ name: "l{i}" type: "{kind}" {bottoms} top: "{top}" {extra} }}')
        blob = top
    lines.append(
        f'layer {{ name: "last" type: "InnerProduct" bottom: "{blob}" top: "y" inner_product_param {{ '
        'num_output: 5 weight_filler { type: "xavier" } } }'
    )
    loss = draw(st.sampled_from(["EuclideanLoss", "SigmoidCrossEntropyLoss"]))
    lines.append(f'layer {{ name: "loss" type: "{loss}" bottom: "y" bottom: "t" top: "loss" }}')
    shape = f"shape {{ dim: {batch} dim: {channels} dim: {plane[0]} dim: {plane[1]} }} shape {{ dim: {batch} dim: 5 }}"
    source = f'layer {{ name: "in" type: "Input" top: "x" top: "t" input_param {{ {shape} }} }}'
    return "\n".join([source, *lines])


@settings(max_examples=120)
@given(text=chains(), seed=st.integers(0, 1000))
def test_every_chain(text: str, seed: int) -> None:
    try:
        net = net_of(text, seed)
    except SpecError:
        assume(False)
    tape = tape_of(net)
    assert tape is not None
    assume(np.isfinite(tape.play(inputs_of(net, seed))))
    assume(all(blob.abs().max() < 1e30 for blob in tape.blobs.values()))  # a window outside the image: -FLT_MAX
    if "stable_prod_grad: false" in text:  # 0/0 behind a ReLU is NaN here and in Caffe, and 0 by autograd
        assume(all(gradient.isfinite().all() for gradient in tape.gradients))
    agrees(net, tape, seed)


UNSTEADY = {  # large products are MKL's here; PyTorch's losses and convolutions
    "classic-500", "classic-1000", "classic-2000", "classic-3000", "best", "siamese",
}  # fmt: skip


@pytest.mark.parametrize("name", zoo.names())
def test_networks_of_the_zoo_give_the_same_bits_with_any_number_of_threads(name: str, tmp_path: Any) -> None:
    """Those that say so: all of the paper's convolutional ones. Others say that they depend on it."""
    zoo.write(zoo.build(name, 2, batch=24), tmp_path)
    pixels = (24, 2 if name == "siamese" else 1, 28, 28)
    shapes = {"data": pixels, "pair_data": pixels, "sim": (24,), "label": (24,)}
    choice.prefer("auto")
    choice.take(FoundRule(Rule(many=Products("mkl", "mkl", "mkl")), "the test's"))
    before = torch.get_num_threads()
    try:
        net = Net(tmp_path / "net.prototxt", "TRAIN", seed=1, input_shapes=shapes)
        tape = tape_of(net)
        assert (tape is not None and tape.steady) == (name not in UNSTEADY)
        if tape is None or not tape.steady:
            return
        inputs, found = inputs_of(net), []
        for threads, most in ((1, None), (2, None), (3, None), (5, None), (5, 2)):
            torch.set_num_threads(threads)
            with native.at_most(most):
                loss = tape.play(inputs, torch.Generator().manual_seed(1))
            found.append((loss, [x.clone() for x in (*tape.blobs.values(), *tape.gradients)]))
        for loss, tensors in found[1:]:
            assert loss == found[0][0]
            assert all(map(torch.equal, tensors, found[0][1]))
    finally:
        torch.set_num_threads(before)
        choice.take(None)
