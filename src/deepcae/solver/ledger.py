"""What the iterations gave, on its way from the device to records.

A CPU's numbers are there at once. A GPU's are kept on the device and fetched together, at the borders where somebody
looks: a displayed iteration, a look of the guard, a test, a snapshot, the end. The records come then, in order and the
same. A value that is not finite is found there, too: late, but before any snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from .guard import require_finite_since
from .records import Debugged, Record, Step

if TYPE_CHECKING:
    from .solver import Solver

MOST_WAITING = 100  # iterations on a device that are not told yet
Told = torch.Tensor | tuple[float, float]  # an iteration's loss and gradient norm, perhaps still on the device


@dataclass
class _Entry:
    iteration: int
    told: Told
    lr: float
    raised: int | None
    debugged: Debugged | None


class Ledger:
    """The iterations of one solver that have not been told. `lag`: how many may wait."""

    def __init__(self, solver: Solver) -> None:
        self.solver, self.lag = solver, 0
        self._entries: list[_Entry] = []
        self._records: list[Record] = []

    def enter(
        self,
        iteration: int,
        told: Told,
        lr: float,
        raised: int | None = None,
        debugged: Debugged | None = None,
    ) -> None:
        self._entries.append(_Entry(iteration, told, lr, raised, debugged))

    def is_due(self, ahead: int = 0) -> bool:
        """Whether somebody looks before the next iteration; `ahead`: when so many more are done."""
        solver, param, done = self.solver, self.solver.param, self.solver.iteration + ahead
        intervals = (param.test_interval, param.snapshot)
        return (
            len(self._entries) + ahead > self.lag
            or solver.is_wanted
            or (param.HasField("max_iter") and done >= param.max_iter)
            or any(every and done % every == 0 for every in intervals)
            or any(every and (done - 1) % every == 0 for every in (param.display, solver.guard.every))
        )

    def settle(self) -> None:
        """Fetches what is on the device. TrainingError for a value that is not finite."""
        entries, self._entries = self._entries, []
        waiting = [entry.told for entry in entries if isinstance(entry.told, torch.Tensor)]
        with self.solver.clock.waiting():
            fetched: Iterator[list[float]] = iter(torch.stack(waiting).tolist() if waiting else [])
        for entry in entries:
            if isinstance(entry.told, torch.Tensor):
                loss, norm = next(fetched)
                require_finite_since(self.solver.net, entry.iteration, loss, norm)
            else:
                loss, norm = entry.told
            self._records.extend(self._records_of(entry, loss, norm))

    def take(self) -> Iterator[Record]:
        """The records of all iterations so far."""
        self.settle()
        while self._records:
            yield self._records.pop(0)

    def _records_of(self, entry: _Entry, loss: float, norm: float) -> Iterator[Record]:
        solver = self.solver
        solver.best.trained(loss)
        yield self._step(entry, loss, solver.smoothed.add(loss, entry.iteration), norm)
        if entry.debugged is not None:
            yield entry.debugged
        yield from solver.guard.look(entry.iteration, loss, norm, solver.last_blobs)

    def _step(self, entry: _Entry, loss: float, smoothed: float, norm: float) -> Step:
        solver, param, now = self.solver, self.solver.param, entry.iteration
        clipped = param.clip_gradients if norm > param.clip_gradients >= 0 else None
        if not param.display or now % param.display:
            return Step(now, loss, smoothed, entry.lr, norm, raised_step=entry.raised, clipped_to=clipped)
        outputs = solver.train.named(solver.train.told(solver.last_blobs), solver.last_blobs)
        seconds, iterations = solver.clock.lap()
        return Step(
            now, loss, smoothed, entry.lr, norm, True, outputs, solver.net.loss_weights, seconds, iterations,
            param.display, entry.raised, clipped,
        )  # fmt: skip
