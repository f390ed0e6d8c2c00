"""What a training is between two iterations: plain data. `resume` makes a snapshot's bytes of it, and it of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..net.net import Net
from ..proto.document import Document
from .company import Company
from .due import is_over
from .guard import Guard
from .overfit import Overfitting
from .passes import Blobs, FedNet
from .precision import Precision
from .smoothing import SmoothedLoss
from .update import Updater


@dataclass
class Judged:
    """What the tests of a training have shown. `best`: iteration and loss of the first test net's best test.

    `first`: that net's losses of each batch before the first update, where they may have to be surely beaten.
    """

    watches: list[Overfitting]  # one for each test net
    best: tuple[int, float] | None = None
    first: list[float] = field(default_factory=list)
    strange: list[int] = field(default_factory=list)  # nets whose data were told to differ from the train net's

    def trained(self, loss: float) -> None:
        """An iteration's training loss."""
        for watch in self.watches:
            watch.trained(loss)

    def to_json(self) -> dict[str, Any]:
        return {"best": self.best, "first": self.first, "tests": [watch.to_json() for watch in self.watches]}


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
    judged: Judged
    keep: int | None = None
    company: Company = field(default_factory=Company)
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
        patience, watches = self.param.patience, self.judged.watches
        return bool(patience and watches and watches[0].since >= patience)

    @property
    def is_over(self) -> bool:
        """Whether there is no iteration left to make."""
        return is_over(self.param, self.iteration) or self.gave_up

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
