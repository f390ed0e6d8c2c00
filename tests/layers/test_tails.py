"""Where an activation is nearly flat, told by its top: judged by its own slope, over all of a line of values."""

from __future__ import annotations

import pytest
import torch

from deepcae.layers import make_layer
from deepcae.layers.activation import FLAT
from deepcae.layers.base import Context, Layer
from deepcae.proto.read import read_net_text

LINE = torch.linspace(-30, 30, 60_001)[:-1] + 0.0003  # meets no bound and no kink
NOWHERE = (0.0, 0.0)


def activation(text: str) -> Layer:
    (param,) = read_net_text(f'layer {{ name: "a" bottom: "x" top: "y" {text} }}').message.layer
    return make_layer(param, 0)


def seen(layer: Layer, params: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x (1, N), y and dy/dx."""
    x = LINE[None].clone().requires_grad_()
    (y,) = layer.forward([x], params, Context())
    (slope,) = torch.autograd.grad(y.sum(), x)
    return x.detach(), y.detach(), slope


@pytest.mark.parametrize(
    ("text", "params", "untold"),
    [
        ('type: "Sigmoid"', [], NOWHERE),
        ('type: "TanH"', [], NOWHERE),
        ('type: "BNLL"', [], NOWHERE),
        ('type: "ELU"', [], NOWHERE),
        ('type: "ELU" elu_param { alpha: 0.02 }', [], NOWHERE),
        ('type: "ELU" elu_param { alpha: 3 }', [], NOWHERE),
        ('type: "Clip" clip_param { min: -1 max: 2 }', [], NOWHERE),
        ('type: "ReLU" relu_param { negative_slope: 0.01 }', [], NOWHERE),
        ('type: "PReLU"', [torch.tensor(0.02)], NOWHERE),
        ('type: "Swish"', [], (-1.6, 0)),
        ('type: "Swish" swish_param { beta: 4 }', [], (-0.4, 0)),
        ('type: "Swish" swish_param { beta: -1 }', [], (0, 1.6)),
    ],
)
def test_the_tails_are_where_the_slope_is_small(
    text: str, params: list[torch.Tensor], untold: tuple[float, float]
) -> None:
    """`untold`: between a Swish's turning point, where it is flat for a moment, and 0, where y has a second x."""
    layer = activation(text)
    x, y, slope = seen(layer, params)
    flat = slope.abs() < FLAT * slope.abs().max()
    found = layer.tails(y, params)
    assert layer.is_activation
    assert found is not None
    judged = (x <= untold[0]) | (x >= untold[1])
    edge = (slope.abs() / slope.abs().max() - FLAT).abs() < 2e-4  # float32 may round it to either side
    assert bool((found == flat)[judged & ~edge].all())
    assert 0.1 < float(flat.float().mean()) < 0.99


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ('type: "ReLU"', []),
        ('type: "ReLU" relu_param { negative_slope: 0.1 }', []),
        ('type: "ReLU" relu_param { negative_slope: -0.01 }', []),
        ('type: "ELU" elu_param { alpha: -1 }', []),
        ('type: "Swish" swish_param { beta: 0 }', []),
        ('type: "PReLU"', [torch.tensor(0.25)]),
        ('type: "PReLU"', [torch.tensor(0.0)]),
        ('type: "AbsVal"', []),
        ('type: "Exp"', []),
        ('type: "Power" power_param { power: 2 }', []),
    ],
)
def test_what_is_steep_or_cannot_be_told_has_no_tails(text: str, params: list[torch.Tensor]) -> None:
    layer = activation(text)
    found = layer.tails(seen(layer, params)[1], params)
    assert found is None or not bool(found.any())


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ('type: "ReLU"', []),
        ('type: "ELU" elu_param { alpha: 0 }', []),
        ('type: "Clip" clip_param { min: -1 max: 2 }', []),
        ('type: "PReLU"', [torch.tensor(0.0)]),
    ],
)
def test_what_passes_no_gradient_is_gone(text: str, params: list[torch.Tensor]) -> None:
    layer = activation(text)
    _, y, slope = seen(layer, params)
    found = layer.gone(y, params)
    assert found is not None
    assert torch.equal(found, slope == 0)
    assert 0 < int(found.sum()) < found.numel()


@pytest.mark.parametrize("text", ['type: "Sigmoid"', 'type: "BNLL"', 'type: "ReLU" relu_param { negative_slope: 0.1 }'])
def test_a_slope_that_is_never_0_is_never_gone(text: str) -> None:
    layer = activation(text)
    assert layer.gone(seen(layer, [])[1], []) is None


def test_each_channel_of_a_prelu_has_its_own_slope() -> None:
    layer, slopes = activation('type: "PReLU"'), [torch.tensor([0.25, 0.01, 0.0])]
    y = torch.tensor([[[-1.0, 1.0], [-1.0, 1.0], [0.0, 1.0]]])
    tails, gone = layer.tails(y, slopes), layer.gone(y, slopes)
    assert tails is not None
    assert gone is not None
    assert tails.tolist() == [[[False, False], [True, False], [False, False]]]
    assert gone.tolist() == [[[False, False], [False, False], [True, False]]]
