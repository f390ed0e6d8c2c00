"""Pooling with a mask and unpooling in the written pass, against `Net.forward` and autograd: blobs, loss, gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from deepcae.errors import DataError
from deepcae.kernels import native
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.tape.tape import Tape, Tapes

pytestmark = pytest.mark.skipif(not native.instructions(), reason="deepcae was installed without a C++ compiler")

CELL = "kernel_size: 2 stride: 2"


def net_of(
    pooling: str, unpooling: str, masked: bool, plane: tuple[int, int] = (6, 7), above: str = "d", segnet: str = ""
) -> Net:
    """`segnet`: the settings of an Upsample in the Unpooling's place.

    x → convolution → pooling → deconvolution (blob d, unless `above` is p) → unpooling → convolution → loss."""
    height, width = plane
    text = f"""
    layer {{ name: "in" type: "Input" top: "x" top: "t" input_param {{
      shape {{ dim: 5 dim: 2 dim: {height} dim: {width} }} shape {{ dim: 5 dim: 3 dim: {height} dim: {width} }} }} }}
    layer {{ name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param {{ num_output: 3 kernel_size: 1
      weight_filler {{ type: "gaussian" std: 1 }} }} }}
    layer {{ name: "p" type: "Pooling" bottom: "c" top: "p" {'top: "m"' if masked else ""}
      pooling_param {{ {pooling} }} }}
    layer {{ name: "d" type: "Deconvolution" bottom: "p" top: "d" convolution_param {{ num_output: 3 kernel_size: 3
      pad: 1 weight_filler {{ type: "gaussian" std: 1 }} }} }}
    layer {{ name: "u" type: "Unpooling" bottom: "{above}" {'bottom: "m"' if masked else ""}
      top: "u" unpooling_param {{ {unpooling} unpool_h: {height} unpool_w: {width} }} }}
    layer {{ name: "e" type: "Convolution" bottom: "u" top: "e" convolution_param {{ num_output: 3 kernel_size: 3
      pad: 1 weight_filler {{ type: "gaussian" std: 1 }} }} }}
    layer {{ name: "loss" type: "EuclideanLoss" bottom: "e" bottom: "t" top: "loss" }}"""
    if segnet:
        text = text.replace('"Unpooling"', '"Upsample"').replace(
            f"unpooling_param {{ {unpooling} unpool_h: {height} unpool_w: {width} }}", f"upsample_param {{ {segnet} }}"
        )
    return Net(read_net_text(text), "TRAIN", seed=1)


def tape_of(net: Net) -> Tape | None:
    return Tapes(net).now()


def inputs_of(net: Net, seed: int) -> dict[str, torch.Tensor]:
    random = np.random.default_rng(seed)
    return {
        name: torch.from_numpy(random.standard_normal(net.plan.shapes[name] or ()).astype(np.float32))
        for name in net.inputs
    }


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("cell", [CELL, "kernel_size: 3 stride: 3", "kernel_h: 3 kernel_w: 1 stride_h: 3 stride_w: 1"])
@pytest.mark.parametrize("plane", [(6, 6), (6, 7), (5, 9)])
@pytest.mark.parametrize("above", ["d", "p"])
def test_is_written_down(masked: bool, cell: str, plane: tuple[int, int], above: str) -> None:
    check_written(net_of(f"pool: MAX {cell}", f"unpool: MAX {cell}", masked, plane, above))


@pytest.mark.parametrize(
    ("segnet", "plane"),
    [("scale: 2", (6, 8)), ("scale: 2 pad_out_h: true", (5, 8)), ("upsample_h: 5 upsample_w: 7", (5, 7))],
)
def test_segnets_upsample_is_written_down(segnet: str, plane: tuple[int, int]) -> None:
    check_written(net_of(f"pool: MAX {CELL}", f"unpool: MAX {CELL}", True, plane, segnet=segnet))


def check_written(net: Net) -> None:
    tape = tape_of(net)
    assert tape is not None
    for seed in range(2):  # the second pass finds what the first one left
        for learned in net.learnable:
            learned.tensor.grad = None
        inputs = inputs_of(net, seed)
        blobs = net.forward(inputs)
        loss = net.loss(blobs)
        loss.backward()
        assert tape.play(inputs) == pytest.approx(loss.item(), rel=1e-5)
        for name, blob in blobs.items():
            torch.testing.assert_close(tape.blobs[name], blob.detach(), rtol=1e-5, atol=1e-5, msg=name)
        for learned, gradient in zip(net.learnable, tape.gradients, strict=True):
            wanted = torch.zeros_like(gradient) if learned.tensor.grad is None else learned.tensor.grad
            torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-4, msg=learned.name)


@pytest.mark.parametrize(
    ("pooling", "unpooling", "masked"),
    [
        (f"pool: MAX {CELL}", "unpool: MAX kernel_size: 3 stride: 2", True),
        ("pool: MAX kernel_size: 3 stride: 2", "unpool: MAX kernel_size: 3 stride: 2", True),
        ("pool: MAX kernel_size: 3 stride: 3 pad: 1", "unpool: MAX kernel_size: 3 stride: 3", True),
        (f"pool: MAX {CELL}", f"unpool: AVE {CELL}", False),
        (f"pool: MAX {CELL}", f"unpool: TILE {CELL}", False),
    ],
)
def test_other_cells_are_left_to_autograd(pooling: str, unpooling: str, masked: bool) -> None:
    assert tape_of(net_of(pooling, unpooling, masked)) is None


def test_a_mask_that_no_pooling_made_is_left_to_autograd() -> None:
    text = """
    layer { name: "in" type: "Input" top: "x" top: "m" top: "t" input_param { shape { dim: 2 dim: 1 dim: 2 dim: 2 }
      shape { dim: 2 dim: 1 dim: 2 dim: 2 } shape { dim: 2 dim: 1 dim: 4 dim: 4 } } }
    layer { name: "u" type: "Unpooling" bottom: "x" bottom: "m" top: "u"
      unpooling_param { kernel_size: 2 stride: 2 unpool_size: 4 } }
    layer { name: "c" type: "Convolution" bottom: "u" top: "c" convolution_param { num_output: 1 kernel_size: 1 } }
    layer { name: "loss" type: "EuclideanLoss" bottom: "c" bottom: "t" top: "loss" }"""
    assert tape_of(Net(read_net_text(text), "TRAIN", seed=1)) is None


def test_a_window_without_a_number_is_refused_in_both_ways() -> None:
    net = net_of(f"pool: MAX {CELL}", f"unpool: MAX {CELL}", True)
    inputs = inputs_of(net, 0)
    inputs["x"][1, :, :2, :2] = torch.nan
    with pytest.raises(DataError, match="the mask holds -1"):
        net.forward(inputs)
    tape = tape_of(net)
    assert tape is not None
    with pytest.raises(DataError, match="the mask holds -1"):
        tape.play(inputs)
