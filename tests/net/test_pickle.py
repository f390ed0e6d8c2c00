"""A net can be pickled and copied: equal values come out, and nothing is shared with the original."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from deepcae.net.net import Net
from deepcae.solver.solver import Solver
from solver.tiny import write_training

SHARED = """
name: "shared"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" lr_mult: 0 } param { name: "b" }
        inner_product_param { num_output: 3 weight_filler { type: "gaussian" } } }
layer { name: "drop" type: "Dropout" bottom: "a" top: "a" include { phase: TRAIN } }
layer { name: "b" type: "InnerProduct" bottom: "a" top: "y" param { name: "w" } param { name: "b" }
        include { stage: "deep" } inner_product_param { num_output: 3 } }
"""
COPIES = [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))]


@pytest.fixture
def net(tmp_path: Path) -> Net:
    (tmp_path / "net.prototxt").write_text(SHARED)
    return Net(tmp_path / "net.prototxt", "TRAIN", stages=["deep"], seed=3)


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_is_equal_and_apart(net: Net, copied: Callable[[Net], Net]) -> None:
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    other = copied(copied(net))
    assert (repr(other), other.phase, other.inputs, other.outputs) == (repr(net), net.phase, net.inputs, net.outputs)
    assert other.plan.graph.stages == net.plan.graph.stages
    assert [blob.lr_mult for blob in other.learnable] == [blob.lr_mult for blob in net.learnable]
    assert [t.requires_grad for t in other.tensors] == [t.requires_grad for t in net.tensors]
    for _ in range(2):  # the random layer's stream, too
        torch.testing.assert_close(other(x=x)["y"], net(x=x)["y"], rtol=0, atol=0)
    with torch.no_grad():
        other.learnable[0].tensor.zero_()
    assert other.params["b"][0].eq(0).all()  # shared inside the copy
    assert not net.params["a"][0].eq(0).any()


def test_gradients_of_a_copy_are_its_own(tmp_path: Path) -> None:
    solver = Solver(write_training(tmp_path, dropout=0.0), seed=2)
    other = pickle.loads(pickle.dumps(solver.net))
    inputs = solver.state.train.next_inputs()
    for each in (solver.net, other):
        each.loss(each.forward(inputs)).backward()
    for a, b in zip(solver.net.tensors, other.tensors, strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=0, atol=0)
        assert a.grad is not b.grad


def test_another_process_needs_no_file_of_the_first(tmp_path: Path) -> None:
    """Of the text, and of the data that its data layers name."""
    home = tmp_path / "home"
    net = Solver(write_training(home, dropout=0.0), seed=2).net
    packed = pickle.dumps(net)
    home.rename(tmp_path / "gone")
    (tmp_path / "net.pickle").write_bytes(packed)
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).tensors[0].double().sum().item())"
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, str(tmp_path / "net.pickle")], capture_output=True, text=True, check=True
    )
    assert float(done.stdout) == net.tensors[0].double().sum().item()


def test_a_damaged_copy_is_no_net(net: Net) -> None:
    with pytest.raises((pickle.UnpicklingError, EOFError)):
        pickle.loads(pickle.dumps(net)[:-100])
