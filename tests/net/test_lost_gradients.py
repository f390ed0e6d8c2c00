"""Gradients that Caffe loses, and so do we: of loss tops that are read too, and of blobs that a layer writes over."""

from __future__ import annotations

import pytest
import torch

from deepcae.net.layerwise import Layerwise
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.solver.solver import Solver

X = torch.tensor([[1.0, -2.0, 3.0], [0.5, 4.0, -1.0]])
INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }\n'
READ = (
    INPUT
    + """
layer { name: "b" type: "Bias" bottom: "x" top: "y" }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "loss" LOSS_WEIGHT }
layer { name: "p" type: "READER" bottom: "loss" TOP }
"""
)


def both(text: str, x: torch.Tensor, fill: float = 0.5) -> tuple[float, list[torch.Tensor]]:
    """Loss and gradients of the learned blobs: the same from the whole graph and layer by layer."""
    net = Net(read_net_text(text), "TRAIN", seed=0)
    with torch.no_grad():
        for tensor in net.tensors:
            tensor.fill_(fill)
    view = Layerwise(net)
    told = view.forward({"x": x})
    view.backward()
    loss = net.loss(net.forward({"x": x}))
    if loss.requires_grad:
        loss.backward()
    owners = [i for i, param in enumerate(net.plan.params) if param.owner is None]
    for i in owners:
        grad = net.tensors[i].grad
        torch.testing.assert_close(view.params[i].diff, torch.zeros_like(view.params[i].diff) if grad is None else grad)
    assert told.item() == pytest.approx(loss.item())
    return loss.item(), [view.params[i].diff for i in owners]


@pytest.mark.parametrize(
    ("weight", "reader", "top", "loss", "gradient"),
    [
        ("", "Power", 'top: "p" loss_weight: 3', 1 + 3, 3),  # 1 is counted, the reader alone drives
        ("loss_weight: 2", "Power", 'top: "p" loss_weight: 3', 1 + 2 + 3, 2 + 3),  # the default 1 comes on top
        ("loss_weight: 2", "Power", 'top: "p"', 1 + 2, 2),
        ("", "Power", 'top: "p"', 1, 0),  # no loss depends on the reader: nobody wants a gradient of its bottom
        ("", "Silence", "", 1, 0),
    ],
)
def test_a_loss_top_that_is_read_too(weight: str, reader: str, top: str, loss: float, gradient: float) -> None:
    text = READ.replace("LOSS_WEIGHT", weight).replace("READER", reader).replace("TOP", top)
    value = (0.25 * 6) / (2 * 2)  # (b - 0)² / 2N
    got, (diff,) = both(text, X)
    assert got == pytest.approx(loss * value)
    torch.testing.assert_close(diff, torch.full((3,), gradient * 0.5))  # Σ over the batch of 0.5 / N


SCALES = (
    INPUT
    + """
layer { name: "s0" type: "Bias" bottom: "x" top: "a" bias_param { axis: 0 num_axes: 2 } param { name: "w" } }
layer { name: "s1" type: "Scale" bottom: "x" top: "b" scale_param { axis: 0 num_axes: 2 } param { name: "w" } }
layer { name: "s2" type: "Bias" bottom: "x" top: "c" bias_param { axis: 0 num_axes: 2 } param { name: "w" } }
layer { name: "sum" type: "Eltwise" bottom: "a" bottom: "b" bottom: "c" top: "y" loss_weight: 1 }
"""
)


def test_a_scale_as_large_as_its_bottom_has_the_last_word_among_sharers() -> None:
    """Backward comes from s2 (1 each), then s1 writes x over it, then s0 adds 1."""
    _, (diff,) = both(SCALES, X)
    torch.testing.assert_close(diff, X + 1)


@pytest.mark.parametrize(
    ("settings", "shape", "lost"),
    [
        ("axis: 0 num_axes: 2", (2, 3), True),
        ("axis: 0", (2, 3), True),
        ("axis: 1", (2, 3), False),
        ("axis: 1", (1, 3), True),  # nothing but an axis of size 1 before it
        ("axis: 0", (1, 3), False),  # one element: added up
        ("num_axes: 0", (2, 3), False),
        ("num_axes: 0", (1, 1), True),  # as many elements as the bottom
    ],
)
def test_which_scales_write_over_their_gradient(settings: str, shape: tuple[int, int], lost: bool) -> None:
    text = INPUT.replace("dim: 2 dim: 3", f"dim: {shape[0]} dim: {shape[1]}") + (
        f'layer {{ name: "s" type: "Scale" bottom: "x" top: "y" scale_param {{ {settings} }} loss_weight: 1 }}'
    )
    net = Net(read_net_text(text), "TRAIN", seed=0)
    assert bool(net.overwritten) == lost
    view = Layerwise(net)
    diffs = []
    for value in (1.0, 2.0):
        view.forward({"x": torch.full(shape, value)})
        view.backward()
        diffs.append(view.params[0].diff.clone())
    torch.testing.assert_close(diffs[1], diffs[0] * (2 if lost else 3))


class TwoBatches:
    def batch(self, index: int) -> dict[str, object]:
        return {"x": (X * (index + 1)).numpy()}


@pytest.mark.parametrize(("axis", "factor"), [(0, 2), (1, 3)])
def test_of_several_passes_the_last_counts(axis: int, factor: float) -> None:
    """iter_size 2: the passes give g and 2g; Caffe keeps 2g where the scale writes over it, elsewhere 3g."""
    net = INPUT + (
        'layer { name: "s" type: "Scale" bottom: "x" top: "y" loss_weight: 1 '
        f"scale_param {{ axis: {axis} num_axes: {1 - axis if axis else 2} }} }}"
    )
    text = f"net_param {{ {net} }} base_lr: 1 lr_policy: 'fixed' iter_size: 2 snapshot_after_train: false"
    text = text.replace("num_axes: 0", "num_axes: 1")
    from deepcae.proto.read import read_solver_text

    solver = Solver(read_solver_text(text, "solver.prototxt"), seed=0)
    solver.state.train.feed = TwoBatches()
    solver.step(1)
    once = X if axis == 0 else X.sum(0)
    torch.testing.assert_close(solver.net.tensors[0].detach(), 1 - factor * once / 2)


def test_a_parameters_gradient_is_that_of_the_last_pass() -> None:
    text = INPUT + (
        'layer { name: "w" type: "Parameter" top: "w" parameter_param { shape { dim: 2 dim: 3 } } }\n'
        'layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "w" top: "l" }'
    )
    net = Net(read_net_text(text), "TRAIN", seed=0)
    assert [tensor is net.tensors[0] for tensor in net.overwritten] == [True]
    view = Layerwise(net)
    for value in (X, 3 * X):
        view.forward({"x": value})
        view.backward()
    torch.testing.assert_close(view.params[0].diff, -3 * X / 2)
