"""The numbers of finished iterations, on their way from the device to records.

A CPU's numbers are there at once. A GPU's are kept on the device and fetched together, at the borders where somebody
looks: a displayed iteration, a look of the guard, a test, a snapshot, the end. The records come then, in order and the
same. A value that is not finite is found there, too: late, but before any snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from .clock import Clock
from .due import due, falls, is_over
from .guard import require_finite_since
from .records import Debugged, Record, Step
from .state import Requests, TrainingState

MOST_WAITING = 100  # iterations on a device that are not told yet
Numbers = torch.Tensor | tuple[float, float]  # an iteration's loss and gradient norm, perhaps still on the device


@dataclass
class _Entry:
    iteration: int
    numbers: Numbers
    lr: float
    raised: int | None
    debugged: Debugged | None


class Ledger:
    """The iterations of one training that have not been told. `lag`: how many may wait."""

    def __init__(self, state: TrainingState, requests: Requests, clock: Clock) -> None:
        self.state, self.requests, self.clock, self.lag = state, requests, clock, 0
        self._entries: list[_Entry] = []
        self._records: list[Record] = []

    def enter(
        self, iteration: int, numbers: Numbers, lr: float, raised: int | None = None, debugged: Debugged | None = None
    ) -> None:
        self._entries.append(_Entry(iteration, numbers, lr, raised, debugged))

    def is_due(self, ahead: int = 0) -> bool:
        """Whether somebody looks before the next iteration; `ahead`: when so many more are done."""
        if self.requests or len(self._entries) + ahead > self.lag:
            return True
        state, done = self.state, self.state.iteration + ahead
        here, last = due(state.param, done), due(state.param, done - 1)
        looks = falls(state.guard.every, done - 1)
        return here.test or here.snapshot or last.display or looks or is_over(state.param, done)

    def settle(self) -> None:
        """Fetches what is on the device. TrainingError for a value that is not finite."""
        entries, self._entries = self._entries, []
        waiting = [entry.numbers for entry in entries if isinstance(entry.numbers, torch.Tensor)]
        with self.clock.waiting():
            fetched: Iterator[list[float]] = iter(torch.stack(waiting).tolist() if waiting else [])
        for entry in entries:
            if isinstance(entry.numbers, torch.Tensor):
                loss, norm = next(fetched)
                require_finite_since(self.state.net, entry.iteration, loss, norm)
            else:
                loss, norm = entry.numbers
            self._records.extend(self._records_of(entry, loss, norm))

    def take(self) -> Iterator[Record]:
        """The records of all iterations so far."""
        self.settle()
        while self._records:
            yield self._records.pop(0)

    def _records_of(self, entry: _Entry, loss: float, norm: float) -> Iterator[Record]:
        state = self.state
        state.judged.trained(loss)
        yield self._step(entry, loss, state.smoothed.add(loss, entry.iteration), norm)
        if entry.debugged is not None:
            yield entry.debugged
        yield from state.guard.look(entry.iteration, loss, norm, state.last_blobs)

    def _step(self, entry: _Entry, loss: float, smoothed: float, norm: float) -> Step:
        state, now = self.state, entry.iteration
        train, param = state.train, state.param
        clipped = param.clip_gradients if norm > param.clip_gradients >= 0 else None
        if not due(param, now).display:
            return Step(now, loss, smoothed, entry.lr, norm, raised_step=entry.raised, clipped_to=clipped)
        outputs = train.named(state.last_blobs)
        seconds, iterations = self.clock.lap()
        return Step(
            now, loss, smoothed, entry.lr, norm, True, outputs, train.net.loss_weights, seconds, iterations,
            param.display, entry.raised, clipped,
        )  # fmt: skip
