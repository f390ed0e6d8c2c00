"""The numbers of finished iterations, on their way from the device to records; and how long they took.

A CPU's numbers are there at once. A GPU's are kept on the device and fetched together, at the borders where somebody
looks: a displayed iteration, a look of the guard, a test, a snapshot, the end. The records come then, in order and the
same. A value that is not finite is found there, too: late, but before any snapshot.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch

from ..net.unscaled import unscaled
from .due import Due, due, falls
from .guard import require_finite_since
from .passes import Blobs
from .records import Debugged, Record, Step, Warned, WarningKind
from .state import Requests, TrainingState

MOST_WAITING = 100  # iterations on a device that are not told yet
Numbers = torch.Tensor | tuple[float, float]  # an iteration's loss and gradient norm, perhaps still on the device


class Clock:
    """Counts the seconds of steps. The first step of a run chooses kernels and warms up: it counts only if alone."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forgets what it has counted."""
        self._steps: list[float] = [0.0, 0.0]  # the first step, all later ones
        self._num = 0
        self._lap = (time.perf_counter(), 0)

    def add(self, seconds: float) -> None:
        """A step."""
        self._steps[min(self._num, 1)] += seconds
        self._num += 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Times the block as part of the steps so far: a device is waited for that had not been before."""
        began = time.perf_counter()
        yield
        self._steps[min(max(self._num - 1, 0), 1)] += time.perf_counter() - began

    def per_iteration(self) -> float:
        """Mean seconds of a step; 0 before the first."""
        if self._num <= 1:
            return self._steps[0] if self._num else 0.0
        return self._steps[1] / (self._num - 1)

    def lap(self) -> tuple[float, int]:
        """Wall seconds and number of steps since the last call (or the beginning)."""
        (began, done), now = self._lap, time.perf_counter()
        self._lap = (now, self._num)
        return now - began, self._num - done


class IterationFacts(NamedTuple):
    """What is known of an iteration when it is made, by all runs that make it together."""

    due: Due
    lr: float
    step: int  # of the multistep policy
    seconds: float
    debugged: Debugged | None = None


@dataclass
class _Entry:
    iteration: int
    made: IterationFacts
    numbers: Numbers
    raised: int | None


class Ledger:
    """The iterations of one training that have not been told. `lag`: how many may wait."""

    def __init__(self, state: TrainingState, requests: Requests) -> None:
        self.state, self.requests, self.clock, self.lag = state, requests, Clock(), 0
        self._entries: list[_Entry] = []
        self._records: list[Record] = []

    def account(self, made: IterationFacts, numbers: Numbers, blobs: Blobs) -> list[Record]:
        """Counts an iteration behind its update; its records, and those before it, if somebody looks."""
        state, step = self.state, made.step
        self.clock.add(made.seconds)
        if state.iteration == 0:
            self._records.extend(self._unscaled())
        looked_at = self.is_due(made.due)
        raised = step if state.param.lr_policy == "multistep" and step > state.current_step else None
        self._entries.append(_Entry(state.iteration, made, numbers, raised))
        state.iteration, state.current_step, state.last_blobs = state.iteration + 1, step, blobs
        return self.take() if looked_at else []

    def is_due(self, now: Due) -> bool:
        """Whether somebody looks at the iteration under way, for which this is due, before the next one."""
        if len(self._entries) >= self.lag or self.requests:
            return True
        state, following = self.state, self.state.iteration + 1
        return (
            now.display
            or now.snapshot
            or due(state.param, following).test
            or falls(state.guard.every, state.iteration)
            or state.ends_at(following)
        )

    def _unscaled(self) -> Iterator[Warned]:
        """Of the first batches: which of them go into the net's weights without being scaled."""
        fed = self.state.train
        for found in unscaled(fed.net.plan, fed.spans.of):
            facts = {"least": found.least, "most": found.most}
            yield Warned(self.state.iteration, str(found.problem), WarningKind.UNSCALED, found.layer, found.blob, facts)

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

    def take(self) -> list[Record]:
        """The records of all iterations so far. TrainingError as of `settle`."""
        self.settle()
        return self.settled()

    def settled(self) -> list[Record]:
        """The records that wait for nothing but to be told."""
        records, self._records = self._records, []
        return records

    def _records_of(self, entry: _Entry, loss: float, norm: float) -> Iterator[Record]:
        state = self.state
        state.test_history.trained(loss)
        yield self._step(entry, loss, state.smoothed.add(loss, entry.iteration), norm)
        if entry.made.debugged is not None:
            yield entry.made.debugged
        yield from state.guard.look(entry.iteration, loss, norm, state.last_blobs)

    def _step(self, entry: _Entry, loss: float, smoothed: float, norm: float) -> Step:
        state, now = self.state, entry.iteration
        train, param = state.train, state.param
        clipped = param.clip_gradients if norm > param.clip_gradients >= 0 else None
        if not entry.made.due.display:
            return Step(now, loss, smoothed, entry.made.lr, norm, raised_step=entry.raised, clipped_to=clipped)
        outputs = train.named(state.last_blobs)
        seconds, iterations = self.clock.lap()
        return Step(
            now, loss, smoothed, entry.made.lr, norm, True, outputs, train.net.loss_weights, seconds, iterations,
            param.display, entry.raised, clipped,
        )  # fmt: skip
