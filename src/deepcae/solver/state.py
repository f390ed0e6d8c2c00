"""What a training is between two iterations: plain data. `resume` makes a snapshot's bytes of it, and it of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..net.net import Net
from ..proto.document import Document
from .guard import Guard
from .overfit import TestHistory
from .passes import Blobs, FedNet
from .precision import Precision
from .update import Updater


@dataclass
class SmoothedLoss:
    """s ← (s·(n−1) + loss)/n for the first n ≤ size losses; then s ← s + (loss − slot)/size.

    The slot is number (iteration − start) mod size: the loss of `size` iterations ago. Caffe forgets all this at each
    Step or Solve; a deepcae snapshot keeps it, so that a resumed run shows the same losses.
    Source: Caffe's `Solver::UpdateSmoothedLoss`.
    """

    size: int
    start: int = 0
    losses: list[float] = field(default_factory=list)
    value: float = 0.0

    def add(self, loss: float, iteration: int) -> float:
        """The smoothed loss with this iteration's `loss` taken in."""
        if len(self.losses) < self.size:
            self.losses.append(loss)
            num = len(self.losses)
            self.value = (self.value * (num - 1) + loss) / num
        else:
            slot = (iteration - self.start) % self.size
            self.value += (loss - self.losses[slot]) / self.size
            self.losses[slot] = loss
        return self.value

    def to_json(self) -> dict[str, Any]:
        return {"start": self.start, "losses": list(self.losses), "value": self.value}

    @classmethod
    def from_json(cls, size: int, data: dict[str, Any]) -> SmoothedLoss:
        """The saved window; a fresh one where it does not fit (average_loss was changed, or damage)."""
        losses = [float(loss) for loss in data["losses"]]
        if len(losses) > size:
            return cls(size)
        return cls(size, int(data["start"]), losses, float(data["value"]))


@dataclass
class TrainingState:
    """`iteration`: updates done; `current_step`: of the multistep policy; `keep`: how many snapshots stay, None: all.

    `last_blobs`: of the train net's last pass. `in_test`: the test nets' data positions before a test under way.
    `goes_on`: the smoothed loss was restored, and the next call of step() or solve() does not begin a new one.
    """

    document: Document
    folders: list[Path]  # where its files are looked up, beside its own
    prefix: str  # of its snapshots
    seed: int
    precision: Precision
    train: FedNet
    tests: list[FedNet]
    generator: torch.Generator  # of the random layers
    updater: Updater
    guard: Guard
    smoothed: SmoothedLoss
    test_history: TestHistory
    keep: int | None = None
    runs_as_one: int = 1  # computed as one program (`stacked`): the last bits may depend on it
    runs_before: int | None = None  # as one, in the snapshot that it goes on from
    iteration: int = 0
    current_step: int = 0
    goes_on: bool = False
    resumed_from: str = ""
    last_blobs: Blobs = field(default_factory=dict)
    in_test: list[int] | None = None

    def __post_init__(self) -> None:
        self.param: Any = self.document.message  # the SolverParameter
        self.net: Net = self.train.net

    @property
    def gave_up(self) -> bool:
        """Whether the first test net has had no better test for as many as the text's `patience` says."""
        patience, tests = self.param.patience, self.test_history.overfitting
        return bool(patience and tests and tests[0].since >= patience)

    @property
    def is_over(self) -> bool:
        """Whether there is no iteration left to make."""
        return self.ends_at(self.iteration) or self.gave_up

    def ends_at(self, iteration: int) -> bool:
        """Whether all updates are made with so many; without a max_iter they never are."""
        return self.param.HasField("max_iter") and iteration >= self.param.max_iter

    @property
    def test_positions(self) -> list[int]:
        """The test nets' data positions at the last border between iterations."""
        return list(self.in_test) if self.in_test is not None else [fed.position for fed in self.tests]


@dataclass
class Requests:
    """What may be asked of a training while it runs, from a signal handler or another thread."""

    stop: bool = False  # after this iteration (or test batch), with a snapshot if the solver takes one after training
    snapshot: bool = False  # as soon as this iteration (or test batch) is done

    def __bool__(self) -> bool:
        return self.stop or self.snapshot
