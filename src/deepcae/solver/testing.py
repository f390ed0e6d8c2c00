"""The tests of a training: each test net over its test_iter batches, the mean of each output."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from ..data.span import outside
from .best import Best
from .due import due_at_end
from .records import LastPass, Record, Test, Values, Warned, WarningKind
from .saves import Saves
from .state import Requests, TrainingState


class Testing:
    """`last`: the outputs of the last test made."""

    __test__ = False  # pytest must not collect it

    def __init__(self, state: TrainingState, requests: Requests, best: Best, saves: Saves) -> None:
        self.state, self.requests, self.best, self.saves = state, requests, best, saves
        self.last: dict[str, Values] = {}
        self._batches: list[float] = []  # losses of each batch of the first test net

    def run_all(self) -> Iterator[Record]:
        """Tests all nets, unless it is asked to stop."""
        state = self.state
        state.in_test = [fed.position for fed in state.tests]
        self.best.at_border()
        made: list[Test] = []
        for index in range(len(state.tests)):
            for record in self.run(index):
                made += [record] if isinstance(record, Test) else []
                yield record
            if self.requests.stop:
                break
        if self.requests.stop:  # a resumed run makes this test again, from the same data
            for fed, position in zip(state.tests, state.in_test, strict=True):
                fed.position = position
            made.clear()
        state.in_test = None
        yield from self.best.tested(made, self._batches)

    def look_back(self) -> Iterator[Record]:
        """After the last update: one more loss if display divides the iteration, one more test likewise."""
        state, due = self.state, due_at_end(self.state.param, self.state.iteration)
        if due.display:
            blobs = state.train.forward(state.generator)
            loss = state.train.loss(blobs).item()
            state.last_blobs = blobs
            outputs = state.train.named(blobs)
            yield LastPass(state.iteration, loss, state.smoothed.add(loss, state.iteration), outputs)
        if due.test:
            yield from self.run_all()

    def run(self, index: int) -> Iterator[Record]:
        """Tests one net; takes the snapshots that are asked for meanwhile."""
        state, values, losses = self.state, [], []
        fed = state.tests[index]
        for _ in range(state.param.test_iter[index]):
            if self.requests.snapshot:
                yield from self.saves.in_between()
            if self.requests.stop:
                return
            blobs = fed.forward(state.generator)
            values.append(fed.values(blobs))
            losses.append(fed.loss(blobs))
        outputs = fed.named(blobs, torch.stack(values).mean(dim=0))
        self.last = outputs
        loss = torch.stack(losses).mean().item()
        if index == 0:
            self._batches = torch.stack(losses).tolist()
        if index not in state.test_history.strange and (strange := self._outside(index)):
            state.test_history.strange.append(index)
            yield Warned(state.iteration, strange, WarningKind.DATA)
        yield Test(state.iteration, index, outputs, loss, fed.net.loss_weights, state.param.test_compute_loss)

    def _outside(self, index: int) -> str:
        """In what the images of a test net differ from those that are learned from."""
        train, test, name = self.state.train, self.state.tests[index], self.state.train.roles.images or ""
        if name not in train.spans.of or name not in test.spans.of:
            return ""
        strange = outside(test.spans.of[name], train.spans.of[name])
        return f"test net #{index}, data '{name}': {strange}" if strange else ""
