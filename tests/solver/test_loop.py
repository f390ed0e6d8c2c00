"""The one loop: its column in Caffe's order, and the seam for the gradients of other processes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deepcae.kernels.choice import has_core
from deepcae.solver.loop import Loop
from deepcae.solver.records import Record, Snapshotted, Step, Test
from deepcae.solver.solver import Solver
from deepcae.solver.update import Updater
from solver.tiny import write_training

QUIET = "test_interval: 100 snapshot: 0 weight_decay: 0 display: 0"


def twice(gradients: list[torch.Tensor]) -> None:
    for gradient in gradients:
        gradient.mul_(2)


def losses(records: list[Record]) -> list[float]:
    return [record.loss for record in records if isinstance(record, Step)]


def test_an_iteration_is_caffes_column(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """test, forward, backward, reduce, update, which begins by clipping as Caffe's `ApplyUpdate`, display, snapshot."""
    overrides = "test_interval: 4 display: 4 snapshot: 1 clip_gradients: 0.001 iter_size: 2"
    seen: list[str] = []
    text, out = write_training(tmp_path), tmp_path / "run"
    solver = Solver(text, out=out, overrides=overrides, reduce=lambda gradients: seen.append("reduce"))

    def watch(owner: object, name: str, word: str) -> None:
        inner = getattr(owner, name)

        def outer(*given: object, **named: object) -> object:
            seen.append(word)
            return inner(*given, **named)

        monkeypatch.setattr(owner, name, outer)

    for name in ("forward", "backward", "update"):
        watch(solver.passes, name, name)
    watch(solver.state.updater, "_clip", "clip")
    words = {Test: "test", Step: "display", Snapshotted: "snapshot"}
    for record in solver.solve():
        if type(record) in words:
            seen.append(words[type(record)])
        if isinstance(record, Snapshotted):
            break
    both = ["forward", "backward"]
    assert seen == ["test", *both, *both, "reduce", "update", "clip", "display", "snapshot"]


@pytest.mark.parametrize("clip", ["", "clip_gradients: 0.05"])
@pytest.mark.parametrize("dropout", [0.0, 0.5])  # by autograd, and by the written pass where it can be
def test_reduce_is_given_the_sums_before_anybody_looks(clip: str, dropout: float, tmp_path: Path) -> None:
    """Two processes that get the same batch and add up their gradients are one whose gradients are twice as large."""
    text = write_training(tmp_path, dropout=dropout)
    wanted = Solver(text, overrides=f"{QUIET} base_lr: 0.1")
    doubled = Solver(text, overrides=f"{QUIET} base_lr: 0.05 {clip}", reduce=twice)
    first = doubled.step(1)
    (norm,) = [record.gradient_norm for record in first if isinstance(record, Step)]
    (single,) = [record.gradient_norm for record in wanted.step(1) if isinstance(record, Step)]
    assert norm == pytest.approx(2 * single, rel=1e-5)
    if not clip:
        assert losses(doubled.step(5)) == pytest.approx(losses(wanted.step(5)), rel=1e-5)
        for a, b in zip(doubled.net.tensors, wanted.net.tensors, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_batches_of_other_shapes_add_up_with_those_of_the_written_pass(tmp_path: Path) -> None:
    """iter_size 2: the second batch has fewer images than the pass was written for; both gradients count."""
    text = write_training(tmp_path, dropout=0.0)

    class Cut:
        def __init__(self, feed: object, sizes: tuple[int, int]) -> None:
            self.feed, self.sizes = feed, sizes

        def batch(self, index: int) -> dict[str, object]:
            return {name: rows[: self.sizes[index % 2]] for name, rows in self.feed.batch(index).items()}  # type: ignore[attr-defined]

    norms = {}
    for sizes in ((4, 2), (2, 4), (4, 4)):
        solver = Solver(text, overrides=f"{QUIET} iter_size: 2")
        solver.state.train.feed = Cut(solver.state.train.feed, sizes)
        inputs = [solver.state.train.next_inputs() for _ in range(2)]
        solver.passes.begin()
        for batch in inputs:
            solver.passes.forward(batch, solver.state.generator)
            solver.passes.backward()
        passed = solver.passes.passed()
        leaves = [tensor for tensor in solver.net.tensors if tensor.requires_grad]
        total = sum(solver.net.loss(solver.net.forward(batch)) for batch in inputs)
        expected = torch.autograd.grad(total, leaves)
        for gradient, wanted in zip(passed.gradients, expected, strict=True):
            torch.testing.assert_close(gradient, wanted, rtol=1e-4, atol=1e-6)
        assert float(passed.loss) == pytest.approx(float(total.detach()) / 2, rel=1e-5)
        norms[sizes] = float(solver.state.updater.norm(passed.gradients, passed.squares))
        assert norms[sizes] == float(solver.state.updater.norm(passed.gradients))
    assert len(set(norms.values())) == 3


def test_squares_of_the_written_pass_give_the_norm_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []

    def norm(updater: Updater, gradients: list[torch.Tensor], squares: torch.Tensor | None) -> torch.Tensor:
        assert squares is not None or not has_core()
        norms.append(float(as_before(updater, gradients)))
        return as_before(updater, gradients, squares)

    as_before = Updater.norm
    monkeypatch.setattr(Updater, "norm", norm)
    records = Solver(write_training(tmp_path, dropout=0.0), overrides=QUIET).step(3)
    assert [record.gradient_norm for record in records if isinstance(record, Step)] == norms
    assert len(set(norms)) == 3


def test_a_net_without_a_loss_has_the_loss_0(tmp_path: Path) -> None:
    write_training(tmp_path, dropout=0.0)
    net = tmp_path / "net.prototxt"
    net.write_text(net.read_text().replace('type: "EuclideanLoss"', 'type: "Concat"'))
    solver = Solver(tmp_path / "solver.prototxt", overrides=QUIET)
    (step,) = [record for record in solver.step(1) if isinstance(record, Step)]
    assert (step.loss, step.gradient_norm) == (0.0, 0.0)
    assert isinstance(step.loss, float)
    assert isinstance(step.gradient_norm, float)


def test_a_loop_of_nothing_makes_no_iteration(tmp_path: Path) -> None:
    solver = Solver(write_training(tmp_path), out=tmp_path / "run", overrides="max_iter: 0")
    records = list(solver.solve())
    assert not losses(records)
    assert isinstance(solver._loop, Loop)
    assert solver.iteration == 0
