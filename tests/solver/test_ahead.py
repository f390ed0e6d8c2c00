"""Iterations that nobody waits for tell and leave what the waited-for ones do; a recorder stands in for CUDA's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from deepcae.errors import TrainingError
from deepcae.solver.capture import WARM_UP, Work
from deepcae.solver.iteration import Passed
from deepcae.solver.metrics import read_metrics
from deepcae.solver.records import Debugged, Record, Snapshotted, Step, Test
from deepcae.solver.solver import Solver
from deepcae.solver.update import RULES
from solver.tiny import write_training


class Memory:
    """A recorder without a device: does the recorded work anew, its loss and norm always in the same memory."""

    def __init__(self, waits: bool = False, refuses: bool = False) -> None:
        self.waits, self.refuses = waits, refuses
        self.recorded = self.replayed = 0

    def warm_up(self, work: Work) -> tuple[Passed, bool]:
        return work(), self.waits

    def record(self, work: Work) -> Work:
        if self.refuses:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        self.recorded += 1
        loss, norm = torch.zeros(()), torch.zeros(())

        def replay() -> Passed:
            self.replayed += 1
            passed = work()
            return replace(passed, loss=loss.copy_(passed.loss), norm=norm.copy_(torch.as_tensor(passed.norm)))

        return replay


def told(records: list[Record]) -> list[tuple[object, ...]]:
    """What records say, less times and paths; lists of equal kinds compare with pytest.approx."""
    found: list[tuple[object, ...]] = []
    for record in records:
        if isinstance(record, Step):
            found.append((record.iteration, record.loss, record.smoothed_loss, record.lr, record.gradient_norm))
            found.append((record.clipped_to or 0.0, record.raised_step or 0, *record.outputs.values()))
        elif isinstance(record, Test):
            found.append((record.iteration, record.net_index, record.loss, *record.outputs.values()))
        elif isinstance(record, Snapshotted | Debugged):
            found.append((record.iteration,))
    return found


def both(
    folder: Path, memory: Memory, set: str = "", **settings: object
) -> tuple[Solver, Solver, list[Record], list[Record]]:
    text = write_training(folder, **settings)  # type: ignore[arg-type]
    waited, ahead = (Solver(text, out=folder / name, overrides=set) for name in ("waited", "ahead"))
    ahead.run_ahead(memory)
    return waited, ahead, list(waited.solve()), list(ahead.solve())


def check_equal(waited: Solver, ahead: Solver, expected: list[Record], found: list[Record]) -> None:
    assert [type(record) for record in found] == [type(record) for record in expected]
    assert told(found) == [pytest.approx(entry, rel=1e-5, abs=1e-7) for entry in told(expected)]
    for a, b in zip(
        (*waited.net.tensors, *waited.state.updater.history),
        (*ahead.net.tensors, *ahead.state.updater.history),
        strict=True,
    ):
        torch.testing.assert_close(b, a, rtol=1e-5, atol=1e-7)
    assert ahead.state.train.position == waited.state.train.position


@pytest.mark.parametrize("extra", ["", "display: 5 snapshot: 6", "clip_gradients: 0.01 display: 4", "debug_info: true"])
@pytest.mark.parametrize("iter_size", [1, 2])
@pytest.mark.parametrize("type", list(RULES))
def test_ahead_is_as_waited_for(type: str, iter_size: int, extra: str, tmp_path: Path) -> None:
    memory = Memory()
    check_equal(*both(tmp_path, memory, type=type, iter_size=iter_size, dropout=0.0, set=extra))
    if "debug" not in extra:
        assert memory.replayed == 16 - WARM_UP
        assert memory.recorded == (1 if type == "Adam" else 3)  # the rate changes at 7 and 8


@pytest.mark.parametrize(
    ("memory", "dropout", "why"),
    [
        (Memory(), 0.5, "a layer draws random numbers"),
        (Memory(waits=True), 0.0, "a layer looks at the device's values in between"),
        (Memory(refuses=True), 0.0, "operation not permitted when stream is capturing"),
    ],
)
def test_what_cannot_be_recorded_is_computed_step_by_step(
    memory: Memory, dropout: float, why: str, tmp_path: Path
) -> None:
    made = both(tmp_path, memory, dropout=dropout, set="display: 5")
    check_equal(*made)
    assert memory.replayed == 0
    assert made[1]._loop.ahead is not None
    assert made[1]._loop.ahead.refused == why


def test_records_come_at_the_borders(tmp_path: Path) -> None:
    """display 5, tests at 0, 5, 10, 15, snapshots at 4, 8, 12, 16: the records of the others wait for these."""
    solver = Solver(write_training(tmp_path, dropout=0.0), out=tmp_path / "run", overrides="display: 5")
    solver.run_ahead(Memory())
    arrived = {record.iteration: solver.iteration for record in solver.solve() if isinstance(record, Step)}
    assert list(arrived) == list(range(16))
    assert arrived == {0: 1, **dict.fromkeys((1, 2, 3), 4), 4: 5, 5: 6, **dict.fromkeys((6, 7), 8), **{8: 10, 9: 10},
                       10: 11, 11: 12, **dict.fromkeys((12, 13, 14), 15), 15: 16}  # fmt: skip


def test_steps_by_hand_are_all_told(tmp_path: Path) -> None:
    solver = Solver(write_training(tmp_path, dropout=0.0), overrides="display: 0 test_interval: 100 snapshot: 0")
    solver.run_ahead(Memory())
    assert [record.iteration for record in solver.step(3) if isinstance(record, Step)] == [0, 1, 2]
    assert len(solver.state.smoothed.losses) == 3


def test_a_snapshot_by_hand_holds_the_smoothed_loss_of_all(tmp_path: Path) -> None:
    text, quiet = write_training(tmp_path, dropout=0.0), "display: 0 test_interval: 100 snapshot: 0 average_loss: 20"
    solver = Solver(text, out=tmp_path / "run", overrides=quiet)
    solver.run_ahead(Memory())
    for _ in range(3):
        list(solver._loop.iterate())
    solver.snapshot()
    assert len(Solver(text, out=tmp_path / "run", snapshot="latest", overrides=quiet).state.smoothed.losses) == 3


@pytest.mark.parametrize("ahead", [False, True])
def test_no_snapshot_of_a_run_that_is_not_finite(ahead: bool, tmp_path: Path) -> None:
    """Row 9 comes in iteration 2; it is found at the next border, before the snapshot of 4."""
    text = write_training(tmp_path, dropout=0.0, shuffle=False)
    with h5py.File(tmp_path / "train_1.h5", "r+") as file:
        file["data"][2] = np.nan
    solver = Solver(text, out=tmp_path / "run", overrides="display: 3 test_interval: 100")
    if ahead:
        solver.run_ahead(Memory())
    records: list[Record] = []
    with pytest.raises(TrainingError, match="iteration 2: "):
        records.extend(solver.solve())
    assert [record.iteration for record in records if isinstance(record, Step)] == [0, 1]  # what led there is told
    kinds = [entry["kind"] for entry in read_metrics(tmp_path / "run/metrics.jsonl")]
    assert kinds[-1] == "failed"
    assert not list((tmp_path / "run").glob("*.caffemodel"))


def test_gradients_of_others_are_added_where_nobody_waits(tmp_path: Path) -> None:
    """`reduce` is part of the recorded iteration, and of its replay."""

    def twice(gradients: list[torch.Tensor]) -> None:
        for gradient in gradients:
            gradient.mul_(2)

    text = write_training(tmp_path, dropout=0.0)
    waited, ahead = (Solver(text, out=tmp_path / name, reduce=twice) for name in ("waited", "ahead"))
    ahead.run_ahead(Memory())
    check_equal(waited, ahead, list(waited.solve()), list(ahead.solve()))
