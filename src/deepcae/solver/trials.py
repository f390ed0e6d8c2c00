"""The tests of a training: each test net over its test_iter batches, the mean of each output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import torch

from ..data.span import outside
from .records import LastPass, Record, Test, Values, Warned, WarningKind

if TYPE_CHECKING:
    from .solver import Solver


class Trials:
    """The test nets of a solver. `last`: the outputs of the last test made."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self.last: dict[str, Values] = {}
        self.told: list[int] = []  # the nets whose data were told to lie elsewhere than those that are learned from
        self._border: list[int] | None = None  # the nets' data positions before a test that is under way

    @property
    def positions(self) -> list[int]:
        """The nets' data positions at the last border between iterations."""
        return list(self._border) if self._border is not None else [fed.position for fed in self.solver.tests]

    def run_all(self) -> Iterator[Record]:
        """Tests all nets, unless it is asked to stop."""
        solver = self.solver
        self._border = [fed.position for fed in solver.tests]
        solver.best.at_border()
        made: list[Test] = []
        for index in range(len(solver.tests)):
            for record in self.run(index):
                made += [record] if isinstance(record, Test) else []
                yield record
            if solver.is_stopping:
                break
        if solver.is_stopping:  # a resumed run makes this test again, from the same data
            for fed, position in zip(solver.tests, self._border, strict=True):
                fed.position = position
            made.clear()
        self._border = None
        yield from solver.best.tested(made)

    def look_back(self) -> Iterator[Record]:
        """After the last update: one more loss if display divides the iteration, one more test likewise."""
        solver, param = self.solver, self.solver.param
        if param.display and solver.iteration % param.display == 0:
            with torch.no_grad():
                blobs = solver.train.forward(solver.generator)
                loss = solver.net.loss(blobs).item()
            solver.last_blobs = blobs
            outputs = solver.train.named(solver.train.told(blobs), blobs)
            yield LastPass(solver.iteration, loss, solver.smoothed.add(loss, solver.iteration), outputs)
        if param.test_interval and solver.iteration % param.test_interval == 0:
            yield from self.run_all()

    @torch.no_grad()
    def run(self, index: int) -> Iterator[Record]:
        """Tests one net; takes the snapshots that are asked for meanwhile."""
        solver, told, losses = self.solver, [], []
        fed = solver.tests[index]
        for _ in range(solver.param.test_iter[index]):
            yield from solver.saves.if_wanted()
            if solver.is_stopping:
                return
            blobs = fed.forward(solver.generator)
            told.append(fed.told(blobs))
            losses.append(fed.net.loss(blobs))
        outputs = fed.named(torch.stack(told).mean(dim=0), blobs)
        self.last = outputs
        loss = torch.stack(losses).mean().item()
        if index not in self.told and (strange := self._outside(index)):
            self.told.append(index)
            yield Warned(solver.iteration, strange, WarningKind.DATA)
        yield Test(solver.iteration, index, outputs, loss, fed.net.loss_weights, solver.param.test_compute_loss)

    def _outside(self, index: int) -> str:
        """In what the images of a test net differ from those that are learned from."""
        train, test, name = self.solver.train, self.solver.tests[index], self.solver.train.roles.images or ""
        if name not in train.spans.of or name not in test.spans.of:
            return ""
        strange = outside(test.spans.of[name], train.spans.of[name])
        return f"test net #{index}, data '{name}': {strange}" if strange else ""
