"""One scalar weight, moved by hand-computed steps: clip, normalise, regularise, update, in this order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.kernels import choice, native
from deepcae.proto.schema import SolverParameter
from deepcae.solver.update import RULES, Updater

needs_core = pytest.mark.skipif(not native.instructions(), reason="deepcae was installed without a C++ compiler")
WAYS = ["torch", *(["core"] if native.instructions() else [])]


@pytest.fixture(autouse=True, params=WAYS)
def _way(request: pytest.FixtureRequest) -> Iterator[None]:
    """Every rule of Caffe stands twice: in PyTorch's operators and in the compiled core."""
    before = choice.preference()
    choice.prefer(request.param)
    yield
    choice.prefer(before)


@dataclass
class Blob:
    name: str
    tensor: torch.Tensor
    lr_mult: float = 1.0
    decay_mult: float = 1.0


def _updater(text: str, *values: Any, **mults: float) -> tuple[Updater, list[torch.Tensor]]:
    leaves = [torch.tensor(np.array(value, dtype=np.float32), requires_grad=True) for value in values]
    blobs = [Blob(f"w/{i}", leaf, **mults) for i, leaf in enumerate(leaves)]
    return Updater(text_format.Parse(text, SolverParameter()), blobs), leaves


def _walk(text: str, gradients: list[float], rates: list[float], weight: float = 1.0, **mults: float) -> list[float]:
    """The weight after each step."""
    updater, (leaf,) = _updater(text, [weight], **mults)
    path = []
    for iteration, (gradient, rate) in enumerate(zip(gradients, rates, strict=True)):
        g = [torch.tensor([gradient])]
        updater.step(g, float(updater.norm(g)), rate, iteration)
        path.append(leaf.item())
    return path


G = [1.0, -2.0, 0.5, 3.0, 0.0]
LR = [0.1, 0.1, 0.01, 0.01, 0.01]  # the rate drops while there is momentum


def _by_hand(rule: str) -> list[float]:
    """The formulas of the semantics, in float64, for w = 1."""
    w, h, h2, path = 1.0, 0.0, 0.0, []
    for i, (g, lr) in enumerate(zip(G, LR, strict=True)):
        if rule == "SGD":
            h = 0.9 * h + lr * g
            w -= h
        elif rule == "Nesterov":
            new = 0.9 * h + lr * g
            w -= 1.9 * new - 0.9 * h
            h = new
        elif rule == "AdaGrad":
            h += g * g
            w -= lr * g / (math.sqrt(h) + 0.001)
        elif rule == "RMSProp":
            h = 0.9 * h + 0.1 * g * g
            w -= lr * g / (math.sqrt(h) + 0.001)
        elif rule == "AdaDelta":
            h = 0.9 * h + 0.1 * g * g
            u = g * math.sqrt((h2 + 0.001) / (h + 0.001))
            h2 = 0.9 * h2 + 0.1 * u * u
            w -= lr * u
        elif rule == "Muon":
            h = 0.9 * h + 0.1 * g
            w -= lr * 0.2 * math.copysign(1, 0.1 * g + 0.9 * h)
        else:
            h, h2 = 0.9 * h + 0.1 * g, 0.99 * h2 + 0.01 * g * g
            correction = math.sqrt(1 - 0.99 ** (i + 1)) / (1 - 0.9 ** (i + 1))
            w -= lr * correction * h / (math.sqrt(h2) + 0.001)
        path.append(w)
    return path


@pytest.mark.parametrize("rule", list(RULES))
def test_five_steps_by_hand(rule: str) -> None:
    momentum = "momentum: 0.9" if RULES[rule].uses_momentum else ""
    text = f'type: "{rule}" {momentum} momentum2: 0.99 rms_decay: 0.9 delta: 0.001'
    assert _walk(text, G, LR) == pytest.approx(_by_hand(rule), rel=1e-6)


def test_sgd_keeps_the_rate_inside_the_momentum() -> None:
    """torch.optim.SGD would go by 0.01·(0.9·1 + 0): Caffe goes by 0.9·(0.1·1)."""
    path = _walk('type: "SGD" momentum: 0.9', [1.0, 0.0], [0.1, 0.01])
    assert path == pytest.approx([0.9, 0.81])


@pytest.mark.parametrize(
    ("clip", "wanted"),
    [(5.1, [3.0, 4.0]), (5.0, [3.0, 4.0]), (2.5, [1.5, 2.0]), (0.0, [0.0, 0.0]), (-1, [3.0, 4.0])],
)
def test_clipping_by_the_norm_of_all_blobs(clip: float, wanted: list[float]) -> None:
    updater, leaves = _updater(f'type: "SGD" clip_gradients: {clip}', [0.0], [0.0])
    g = [torch.tensor([3.0]), torch.tensor([4.0])]
    updater.step(g, float(updater.norm(g)), 1.0, 0)
    assert [-leaf.item() for leaf in leaves] == pytest.approx(wanted)


def test_clipping_sees_the_sum_over_iter_size_and_no_decay() -> None:
    """Norm 8 of the sum is cut to 4, then divided by iter_size 4, then decay 0.5·w is added."""
    (path,) = _walk('type: "SGD" clip_gradients: 4 iter_size: 4 weight_decay: 0.5', [8.0], [1.0])
    assert path == pytest.approx(1.0 - (1.0 + 0.5))


@pytest.mark.parametrize(("weight", "sign"), [(2.0, 1.0), (-3.0, -1.0), (0.0, 0.0)])
def test_l1_pulls_by_the_sign(weight: float, sign: float) -> None:
    (path,) = _walk('type: "SGD" weight_decay: 0.25 regularization_type: "L1"', [0.0], [1.0], weight)
    assert path == pytest.approx(weight - 0.25 * sign)


def test_multipliers_of_rate_and_decay() -> None:
    (path,) = _walk('type: "SGD" weight_decay: 0.5', [1.0], [0.1], lr_mult=2.0, decay_mult=0.0)
    assert path == pytest.approx(0.8)
    (path,) = _walk('type: "SGD" weight_decay: 0.5', [1.0], [0.1], lr_mult=2.0, decay_mult=3.0)
    assert path == pytest.approx(1 - 0.2 * (1 + 1.5))


def test_what_a_script_sets_counts_from_the_next_step_on() -> None:
    updater, (leaf,) = _updater('type: "SGD" weight_decay: 0.25', [2.0])
    updater.step([torch.tensor([0.0])], 1.0, 1.0, 0)
    assert leaf.item() == pytest.approx(1.5)
    updater.param.weight_decay = 0.5
    updater.step([torch.tensor([0.0])], 1.0, 1.0, 1)
    assert leaf.item() == pytest.approx(0.75)
    updater.param.regularization_type = "L1"
    updater.step([torch.tensor([0.0])], 1.0, 1.0, 2)
    assert leaf.item() == pytest.approx(0.25)


@pytest.mark.parametrize("rule", list(RULES))
def test_a_frozen_blob_never_moves(rule: str) -> None:
    """Not by decay either; its history is kept, so that a state has Caffe's number of blobs."""
    momentum = "momentum: 0.9" if RULES[rule].uses_momentum else ""
    updater, (leaf,) = _updater(f'type: "{rule}" {momentum} weight_decay: 0.5', [1.0], lr_mult=0.0)
    leaf.grad = None
    updater.step(updater.gradients(), 1.0, 0.1, 0)
    assert leaf.item() == 1.0
    assert len(updater.history) == RULES[rule].num_history


def test_blobs_that_the_loss_does_not_reach_have_gradient_zero() -> None:
    updater, leaves = _updater('type: "SGD"', [1.0, 2.0], [3.0])
    (leaves[0] * 5).sum().backward()
    assert [gradient.tolist() for gradient in updater.gradients()] == [[5.0, 5.0], [0.0]]
    updater.clear_gradients()
    assert [gradient.tolist() for gradient in updater.gradients()] == [[0.0, 0.0], [0.0]]


@pytest.mark.parametrize("rule", list(RULES))
@settings(max_examples=20)
@given(data=st.data())
def test_many_blobs_move_as_each_alone(rule: str, data: st.DataObject) -> None:
    """Blobs of several shapes and multipliers at once: what each would do by itself."""
    momentum = "momentum: 0.5" if RULES[rule].uses_momentum else ""
    text = f'type: "{rule}" {momentum} weight_decay: 0.125'
    shapes = data.draw(st.lists(st.sampled_from([(), (3,), (2, 2), (1, 2, 1, 3)]), min_size=1, max_size=5))
    mults = [(data.draw(st.sampled_from([0.0, 1.0, 2.0])), data.draw(st.sampled_from([0.0, 1.0]))) for _ in shapes]
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    values = [np.asarray(random.normal(size=shape), dtype=np.float32) for shape in shapes]
    steps = [[np.asarray(random.normal(size=shape), dtype=np.float32) for shape in shapes] for _ in range(3)]
    param = text_format.Parse(text, SolverParameter())

    def blob(i: int) -> Blob:
        return Blob(f"w/{i}", torch.from_numpy(values[i].copy()), *mults[i])

    together = [blob(i) for i in range(len(shapes))]
    updater = Updater(param, together)
    alone = [blob(i) for i in range(len(shapes))]
    updaters = [Updater(param, [each]) for each in alone]
    for iteration, gradients in enumerate(steps):
        updater.step([torch.from_numpy(g.copy()) for g in gradients], 1.0, 0.1, iteration)
        for own, g in zip(updaters, gradients, strict=True):
            own.step([torch.from_numpy(g.copy())], 1.0, 0.1, iteration)
    for one, other in zip(together, alone, strict=True):
        assert torch.equal(one.tensor, other.tensor)


@needs_core
@settings(max_examples=60)
@given(data=st.data(), rule=st.sampled_from(list(RULES)))
def test_the_core_moves_as_torch_does(data: st.DataObject, rule: str) -> None:
    """Large and small blobs, clipping, iter_size, both decays, wanted updates, one and two threads.

    No gradient is near 0, where those rules that divide by its size would blow rounding up.
    """
    clip, size, kept, left, l1, threads = data.draw(
        st.tuples(
            st.sampled_from([-1.0, 0.5]), st.sampled_from([1, 3]), st.booleans(), st.booleans(), st.booleans(),
            st.sampled_from([1, 2]),
        )
    )  # fmt: skip
    text = (
        f'type: "{rule}" weight_decay: 0.03 clip_gradients: {clip} iter_size: {size} snapshot_diff: {str(kept).lower()}'
    )
    text += ' regularization_type: "L1"' if l1 else ""
    text += " momentum: 0.9" if RULES[rule].uses_momentum else ""
    shapes = data.draw(st.lists(st.sampled_from([(), (3,), (40, 500), (17, 1, 31)]), min_size=1, max_size=4))
    mults = [(data.draw(st.sampled_from([0.0, 1.0, 2.0])), data.draw(st.sampled_from([0.0, 1.0]))) for _ in shapes]
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    values = [(random.normal(size=shape) / 1000).astype(np.float32) for shape in shapes]
    signs = ([np.asarray(random.choice([-1, 1], size=shape)) for shape in shapes] for _ in range(3))
    steps = [[np.asarray(sign * random.uniform(0.5, 2, sign.shape), np.float32) for sign in each] for each in signs]
    made = []
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    for way in ("torch", "core"):
        choice.prefer(way)
        blobs = [Blob(f"w/{i}", torch.tensor(value), *mults[i]) for i, value in enumerate(values)]
        updater = Updater(text_format.Parse(text, SolverParameter()), blobs)
        for iteration, each in enumerate(steps):
            gradients = [torch.tensor(g) for g in each]
            updater.step(gradients, float(updater.norm(gradients)), 0.1, iteration, leave_update=left)
        made.append(
            [*(blob.tensor for blob in blobs), *updater.history, *updater.updates, *(gradients if left else [])]
        )
    torch.set_num_threads(before)
    for one, other in zip(*made, strict=True):
        torch.testing.assert_close(one, other, rtol=5e-5, atol=5e-6)
