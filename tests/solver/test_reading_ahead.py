"""Data that are read from files while a step runs give the very losses that data in memory do."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from deepcae.data import kept
from deepcae.data.ahead import Ahead
from deepcae.data.source import Feed
from deepcae.errors import DataError
from deepcae.solver.passes import _tensor
from deepcae.solver.records import Step, Test
from deepcae.solver.solver import Solver
from solver.tiny import write_training


def losses(solver: Solver) -> list[float]:
    """Of 13 iterations: over the end of the data, with tests in between."""
    return [record.loss for record in solver.step(13) if isinstance(record, Step | Test)]


@pytest.mark.parametrize("shuffle", [False, True])
def test_large_files_give_the_same_losses(tmp_path: Path, shuffle: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = write_training(tmp_path, shuffle=shuffle)
    in_memory = losses(Solver(text))
    monkeypatch.setattr(kept, "MEMORY_LIMIT", 0)
    solver = Solver(text)
    assert isinstance(solver.state.train.feed, Ahead if shuffle else Feed)  # blocks are read ahead by themselves
    assert losses(solver) == in_memory


def test_a_broken_row_ends_the_training_at_its_own_iteration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = write_training(tmp_path, shuffle=True)
    monkeypatch.setattr(kept, "MEMORY_LIMIT", 0)
    solver = Solver(text)
    solver.step(2)
    os.utime(tmp_path / "train_1.h5", ns=(0, 0))
    with pytest.raises(DataError, match=r"train_1.h5: was replaced or changed while it was in use") as caught:
        solver.step(3)
    assert "\n" not in str(caught.value)
    assert 2 <= solver.iteration <= 3


@pytest.mark.parametrize("address", [0, 4, 16, 32])
def test_a_batch_gives_the_same_tensor_wherever_it_lies(address: int) -> None:
    """Matrix products round by the address of their numbers: torch's own addresses are multiples of 64."""
    buffer = np.zeros(64, np.float32)
    start = -buffer.ctypes.data % 64 // 4 + address // 4
    batch = buffer[start : start + 6].reshape(2, 3)
    batch[...] = np.arange(6).reshape(2, 3)
    for given in (batch, batch[:, ::-1][:, ::-1], batch.astype(np.float64)):
        found = _tensor(given)
        assert found.data_ptr() % 64 == 0
        np.testing.assert_array_equal(found.numpy(), [[0, 1, 2], [3, 4, 5]])
