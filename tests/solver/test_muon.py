"""Muon: steps along the nearest matrix of equal singular values, whatever the gradient's scale."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from google.protobuf import text_format

from deepcae.net.stack import Unbatchable
from deepcae.proto.schema import SolverParameter
from deepcae.solver.muon import muon, orthogonal
from deepcae.solver.solver import Solver
from deepcae.solver.stacked import StackedTraining

NET = """
layer { name: "in" type: "DummyData" top: "x"
  dummy_data_param { shape { dim: 4 dim: 5 } data_filler { type: "gaussian" } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "y0" top: "loss" }
"""


@pytest.mark.parametrize("shape", [(6, 6), (3, 40), (40, 3), (1, 7), (7, 1), (12, 20)])
def test_all_singular_values_are_brought_near_1(shape: tuple[int, int]) -> None:
    """Their spread was tenfold; the directions stay."""
    rows, columns = shape
    least = min(shape)
    u, _ = torch.linalg.qr(torch.randn(rows, least, generator=torch.Generator().manual_seed(1)))
    v, _ = torch.linalg.qr(torch.randn(columns, least, generator=torch.Generator().manual_seed(2)))
    made = orthogonal(u @ torch.diag(torch.logspace(0, -1, least)) @ v.T)
    turned = u.T @ made @ v
    assert 0.6 < torch.diagonal(turned).min() <= torch.diagonal(turned).max() < 1.25
    assert (turned - torch.diag(torch.diagonal(turned))).abs().max() < 1e-4
    assert made.shape == shape


def test_nothing_of_nothing() -> None:
    assert torch.equal(orthogonal(torch.zeros(3, 5)), torch.zeros(3, 5))


@pytest.mark.parametrize("shape", [(), (9,), (8, 30), (4, 3, 5, 5)])
def test_a_step_is_a_fifth_of_the_rate_at_any_scale(shape: tuple[int, ...]) -> None:
    """In the root mean square, as Adam's is: Newton-Schulz leaves some of it out."""
    param = text_format.Parse("momentum: 0.95", SolverParameter())
    g = torch.randn(shape, generator=torch.Generator().manual_seed(3))
    steps = [muon([scale * g], [[torch.zeros(shape)]], 0.01, param, 0)[0] for scale in (1e-6, 1.0, 1e6)]
    for step in steps:
        assert step.shape == shape
        assert step.square().mean().sqrt() == pytest.approx(0.002, rel=0.3)
        torch.testing.assert_close(step, steps[1], rtol=1e-3, atol=1e-6)


def test_momentum_is_looked_ahead_as_nesterovs() -> None:
    param = text_format.Parse("momentum: 0.5", SolverParameter())
    history = [torch.tensor([2.0, 0.0])]
    (step,) = muon([torch.tensor([0.0, 4.0])], [history], 1.0, param, 0)
    assert history[0].tolist() == [1.0, 2.0]
    wanted = torch.tensor([0.5, 3.0])  # half of the gradient, half of the history
    torch.testing.assert_close(step, 0.2 * math.sqrt(2) * wanted / wanted.norm())


def test_runs_are_not_stacked(tmp_path: Path) -> None:
    """A stack of K weights is no matrix of one net."""
    text = NET.replace('bottom: "y0"', 'bottom: "y"')
    (tmp_path / "net.prototxt").write_text(text)
    given = f'net: "{tmp_path}/net.prototxt" type: "Muon" base_lr: 0.1 lr_policy: "fixed" max_iter: 2'
    (tmp_path / "solver.prototxt").write_text(given)
    solvers = [Solver(str(tmp_path / "solver.prototxt"), seed=seed) for seed in (1, 2)]
    with pytest.raises(Unbatchable, match="one matrix"):
        StackedTraining(solvers)
