"""Whether a net's strided convolutions are the core's: one choice for all of them."""

from __future__ import annotations

import pytest
import torch

from deepcae import Net
from deepcae.kernels import choice, native
from deepcae.kernels.rule import ZEN3
from deepcae.kernels.rulecache import FoundRule
from deepcae.net.strides import products_by_algorithm
from deepcae.proto.read import read_net_text

pytestmark = pytest.mark.skipif(native.instructions() in ("", "scalar"), reason="needs the compiled core with vectors")


@pytest.fixture(autouse=True)
def _rule():
    rule = ZEN3._replace(core_pairs=(256, 1000, 1024), strided_pairs=(8, 4096, 4096), core_area=16)
    choice.take(FoundRule(rule, "a test's"))
    yield
    choice.take(None)


def net_of(beside: int) -> Net:
    """Two convolutions with a stride, and so many of 3×3 without one, of too many channels for the core."""
    layers = ['layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 40 dim: 8 dim: 16 dim: 16 } } }']
    bottom = "x"
    for index in range(2 + beside):
        maps, more = (16, "stride: 2 pad: 1") if index < 2 else (64, "pad: 1")
        layers.append(
            f'layer {{ name: "c{index}" type: "Convolution" bottom: "{bottom}" top: "c{index}" convolution_param {{ '
            f'num_output: {maps} kernel_size: 3 {more} weight_filler {{ type: "xavier" }} }} }}'
        )
        bottom = f"c{index}"
    return Net(read_net_text("\n".join(layers)), "TRAIN", seed=1)


def ways(net: Net) -> list[str]:
    steps = [step for step in net.plan.steps if step.kind.convolves]
    return [step.layer.algorithm([net.plan.shapes[name] for name in step.bottoms], plain=True) for step in steps]


def test_strides_are_the_core_s_where_they_make_most_of_the_products():
    assert ways(net_of(beside=0)) == ["core", "core"]


def test_strides_are_pytorch_s_beside_many_products_of_pytorch_s():
    net = net_of(beside=2)
    assert ways(net) == ["torch"] * 4
    assert products_by_algorithm(net.plan, True)["core"] < products_by_algorithm(net.plan, False)["torch"]


def test_both_choices_give_the_same_numbers():
    net = net_of(beside=1)
    x = torch.rand(40, 8, 16, 16, generator=torch.Generator().manual_seed(2))
    found = []
    for flag in (False, True):
        products_by_algorithm(net.plan, flag)
        found.append(net(x=x, want="c2")["c2"])
    torch.testing.assert_close(found[0], found[1], rtol=1e-5, atol=1e-5)
