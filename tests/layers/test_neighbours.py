"""NeighbourLoss against loops in numpy, and that a code learns neighbours by it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from deepcae import Net
from deepcae.errors import LayerError, SpecError
from deepcae.layers import Context, Layer, make_layer
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import TRAIN


def build(settings: str = "neighbour_loss_param { perplexity: 3 }") -> Layer:
    text = f'layer {{ name: "l" type: "NeighbourLoss" bottom: "code" bottom: "data" top: "l" {settings} }}'
    return make_layer(read_net_text(text).message.layer[0], TRAIN)


def value(layer: Layer, code: np.ndarray, images: np.ndarray) -> float:
    return float(layer.forward([torch.from_numpy(code), torch.from_numpy(images)], [], Context())[0])


def shares(squares: np.ndarray, beta: float) -> np.ndarray:
    weights = np.exp(-beta * (squares - squares.min()))
    return weights / weights.sum()


def entropy(p: np.ndarray) -> float:
    return -sum(each * math.log(each) for each in p if each > 0)


def slow(code: np.ndarray, images: np.ndarray, perplexity: float) -> float:
    """The formula of the docstring, pair by pair; beta by bisection on a scale of its own."""
    count = len(code)
    near, close = np.zeros((count, count)), np.zeros((count, count))
    for i in range(count):
        others = [j for j in range(count) if j != i]
        squares = np.array([np.square(images[i] - images[j]).sum() for j in others])
        low, high = 0.0, 1e6 / squares.max()
        for _ in range(200):
            middle = (low + high) / 2
            low, high = (middle, high) if entropy(shares(squares, middle)) > math.log(perplexity) else (low, middle)
        near[i, others] = shares(squares, low)
        assert math.exp(entropy(near[i, others])) == pytest.approx(perplexity)
        close[i, others] = [1 / (1 + np.square(code[i] - code[j]).sum()) for j in others]
    p, q = (near + near.T) / (2 * count), close / close.sum()
    return sum(p[i, j] * math.log(p[i, j] / q[i, j]) for i in range(count) for j in range(count) if p[i, j] > 0)


@pytest.mark.parametrize(("count", "perplexity"), [(7, 2.0), (12, 5.5), (31, 15.0)])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 255.0])
def test_value_is_the_oracles(count: int, perplexity: float, scale: float) -> None:
    rng = np.random.default_rng(count)
    code, images = rng.normal(size=(count, 2)), scale * (rng.normal(size=(count, 1, 3, 2)) + 5)
    made = value(build(f"neighbour_loss_param {{ perplexity: {perplexity} }}"), code, images)
    assert made == pytest.approx(slow(code, images, perplexity), rel=1e-6)
    single = value(build(f"neighbour_loss_param {{ perplexity: {perplexity} }}"), *map(np.float32, (code, images)))
    assert single == pytest.approx(made, rel=1e-3)


def test_images_alike_and_outliers_give_a_finite_value_and_gradient() -> None:
    alike = np.ones((20, 4), np.float32)
    twins = np.repeat(np.random.default_rng(0).normal(size=(4, 4)), 5, axis=0).astype(np.float32)
    outlier = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    outlier[3] = 1e6
    layer = build()
    for images in (alike, twins, outlier):
        for made in (np.zeros((20, 2)), 1e3 * np.random.default_rng(2).normal(size=(20, 2))):
            code = torch.tensor(made, dtype=torch.float32, requires_grad=True)
            loss = layer.forward([code, torch.from_numpy(images)], [], Context())[0]
            loss.backward()
            assert code.grad is not None
            assert math.isfinite(loss.item())
            assert torch.isfinite(code.grad).all()


def test_no_gradient_goes_to_the_images() -> None:
    code, images = (torch.randn(9, 3, requires_grad=True) for _ in range(2))
    build().forward([code, images], [], Context())[0].backward()
    assert images.grad is None
    assert code.grad is not None


def test_descent_brings_neighbours_together() -> None:
    """Three bunches of images; codes that begin anywhere end as three bunches."""
    generator = torch.Generator().manual_seed(0)
    kinds = torch.arange(30) % 3
    images = 5 * torch.eye(3)[kinds] + torch.randn(30, 3, generator=generator)
    code = torch.randn(30, 2, generator=generator).requires_grad_()
    optimizer, layer = torch.optim.Adam([code], 0.2), build("neighbour_loss_param { perplexity: 6 }")

    def bunched() -> float:
        nearest = (torch.cdist(code, code) + 1e9 * torch.eye(30)).argmin(1)
        return float((kinds[nearest] == kinds).double().mean())

    before = bunched()
    for _ in range(150):
        optimizer.zero_grad()
        layer.forward([code, images], [], Context())[0].backward()
        optimizer.step()
    assert before < 0.7
    assert bunched() > 0.95


@pytest.mark.parametrize("settings", ["perplexity: 1", "perplexity: -3", "perplexity: nan", "perplexity: inf"])
def test_perplexities_that_are_none_are_refused(settings: str) -> None:
    with pytest.raises(LayerError, match="must be a number of neighbours above 1"):
        build(f"neighbour_loss_param {{ {settings} }}")


def test_one_image_has_no_neighbours() -> None:
    assert value(build(), np.ones((1, 2)), np.ones((1, 5))) == 0


def test_shapes_that_do_not_fit_are_refused() -> None:
    layer = build()
    assert layer.shapes([(9, 2), (9, 1, 4, 4)]) == [()]
    with pytest.raises(LayerError, match=r"one image for each code, but the code is \[9, 2\]"):
        layer.shapes([(9, 2), (8, 5)])
    with pytest.raises(LayerError, match=r"bottom 0 must be \(N, ...\)"):
        layer.shapes([(9,), (9, 5)])
    with pytest.raises(LayerError, match=r"a batch of 6 allows 2\.5 at most"):
        layer.shapes([(6, 2), (6, 5)])


def test_a_text_is_told_where_it_is_wrong() -> None:
    text = """
input: "data" input_shape { dim: 10 dim: 4 }
layer { name: "code" type: "InnerProduct" bottom: "data" top: "code" inner_product_param { num_output: 2 } }
layer { name: "near" type: "NeighbourLoss" bottom: "code" bottom: "data" top: "near" }
"""
    with pytest.raises(SpecError, match=r"layer 'near' \(NeighbourLoss\): perplexity is 15, but a batch of 10"):
        Net(read_net_text(text))
