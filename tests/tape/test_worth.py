"""Which nets with PyTorch's convolutions have their passes written down: where turning blobs is made up for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from deepcae.kernels import choice, native
from deepcae.kernels.rule import Rule
from deepcae.kernels.rulecache import FoundRule
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.tape.tape import Tapes

pytestmark = pytest.mark.skipif(
    native.instructions() in ("", "scalar"), reason="the core is not the rule's choice here"
)


@pytest.fixture(autouse=True)
def _fixed_rule() -> Iterator[None]:
    choice.prefer("auto")
    choice.take(FoundRule(Rule(), "the test's"))
    yield
    choice.take(None)


STRIDE = "kernel_size: 6 stride: 2 pad: 2"


def net_of(batch: int, plane: int, maps: int, between: str, deep: int = 4, first: str = "") -> Net:
    """`deep` 3×3 convolutions, which the rule leaves to PyTorch, each with an activation; before them `first`."""
    inner = plane // 2 if first else plane
    shapes = " ".join(f"shape {{ dim: {batch} dim: {maps} dim: {size} dim: {size} }}" for size in (plane, inner))
    lines, blob = [f'layer {{ name: "in" type: "Input" top: "x" top: "t" input_param {{ {shapes} }} }}'], "x"
    kernels = [*([first] if first else []), *["kernel_size: 3 pad: 1"] * deep]
    for i, kernel in enumerate(kernels):
        settings = f'num_output: {maps} {kernel} weight_filler {{ type: "xavier" }}'
        lines.append(f'layer {{ name: "c{i}" type: "Convolution" bottom: "{blob}" top: "c{i}" '
                     f'convolution_param {{ {settings} }} }}')  # fmt: skip
        lines.append(f'layer {{ name: "a{i}" type: "{between}" bottom: "c{i}" top: "a{i}" }}')
        blob = f"a{i}"
    lines.append(f'layer {{ name: "l2" type: "EuclideanLoss" bottom: "{blob}" bottom: "t" top: "l2" }}')
    return Net(read_net_text("\n".join(lines)), "TRAIN", seed=1)


@pytest.mark.parametrize(
    ("net", "written", "why"),
    [
        ((8, 24, 16, "ReLU"), False, "turning costs more than it brings"),
        ((8, 24, 8, "Sigmoid"), True, "walks of activations are saved"),
        ((8, 4, 16, "ReLU"), True, "blobs are small, calls are saved"),
        ((4, 4, 16, "ReLU"), False, "there are few images"),
        ((8, 12, 48, "ReLU"), True, "144 products and more for each number pay for turning it"),
        ((32, 16, 16, "ReLU", 1), False, "turning costs more than it brings"),
        ((32, 32, 16, "ReLU", 1, STRIDE), True, "autograd turns, too, behind the core's"),
    ],
)
def test_turning_is_weighed(net: tuple[Any, ...], written: bool, why: str) -> None:
    made = net_of(*net)
    tape = Tapes(made).now()
    assert (tape is not None) == written, why
    if tape is None:
        return
    random = np.random.default_rng(0)
    inputs = {name: torch.from_numpy(random.random(made.plan.shapes[name], np.float32)) for name in made.inputs}
    blobs = made.forward(inputs)
    loss = made.loss(blobs)
    loss.backward()
    assert tape.play(inputs) == pytest.approx(loss.item(), rel=1e-5)
    for learned, gradient in zip(made.learnable, tape.gradients, strict=True):
        wanted = learned.tensor.grad
        assert wanted is not None
        torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-4 * wanted.abs().max().item(), msg=learned.name)
