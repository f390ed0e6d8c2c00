"""When a training takes a snapshot, and what happens if one cannot be written: the training goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..errors import SnapshotError
from .best import Best
from .commit import commit, prune
from .due import due_at_end
from .guard import require_finite_state
from .ledger import Ledger
from .records import Record, Snapshotted, Warned, WarningKind
from .remarks import Remarks
from .resume import parts_of
from .state import Requests, TrainingState


class Saves:
    """The snapshots of one training. `before`: called before one is written, so that what led to it is on the disk."""

    def __init__(self, state: TrainingState, requests: Requests, remarks: Remarks, ledger: Ledger, best: Best) -> None:
        self.state, self.requests, self.remarks, self.ledger, self.best = state, requests, remarks, ledger, best
        self.before: Callable[[], None] | None = None
        self.last: Snapshotted | None = None
        self._failed = False  # the last one that was wanted
        self._missed: dict[int, str] = {}  # iterations whose snapshot could not be written, and why
        self._taken: list[int] = []  # the newest others, as many as `keep`

    def take(self, extras: dict[str, Any] | None = None) -> Snapshotted:
        """Writes one now, with `extras` as in `parts_of`.

        SnapshotError if that cannot be; TrainingError for a state that is not finite.
        """
        state, self.requests.snapshot = self.state, False
        self.ledger.settle()
        require_finite_state(state.net, state.iteration, state.updater.history)
        if self.before is not None:
            self.before()
        self._failed = True
        done = commit(state.prefix, state.iteration, parts_of(state, extras=extras))
        self._failed = False
        self._missed.pop(state.iteration, None)
        self._taken = [*self._taken, state.iteration][-(state.keep or 1) :]
        if state.keep is not None:
            self.remarks.note(WarningKind.FILES, *prune(state.prefix, state.keep))
        self.last = Snapshotted(state.iteration, str(done.model))
        return self.last

    def in_between(self) -> Iterator[Record]:
        """In the course of training: one that is due, or was asked for."""
        yield from self.best.flush()
        yield self._take_or_warn()

    def at_end(self) -> Iterator[Record]:
        """The last one, if the solver takes one after training or has failed with the one before."""
        yield from self.best.flush()
        if (due_at_end(self.state.param, self.state.iteration).snapshot or self._failed) and not self._is_current():
            yield self._take_or_warn(self.best.border)
        self.remarks.lacks(*self._missing())

    def _missing(self) -> Iterator[str]:
        """What was wanted and is not there in the end, but for what `keep` would have removed by now."""
        gone = self._taken[0] if self.state.keep is not None and len(self._taken) == self.state.keep else -1
        *others, last = [iteration for iteration in self._missed if iteration > gone] or [gone]
        yield self._missed.get(last, "")
        if others:
            names = " … ".join(f"{self.state.prefix}_iter_{iteration}" for iteration in sorted({others[0], others[-1]}))
            yield f"{names}: {f'{len(others)} snapshots are' if len(others) > 1 else 'the snapshot is'} missing, too"

    def _is_current(self) -> bool:
        return self.last is not None and self.last.iteration == self.state.iteration

    def _take_or_warn(self, extras: dict[str, Any] | None = None) -> Snapshotted | Warned:
        if self.last is not None and self._is_current():
            self.requests.snapshot = False
            return self.last
        try:
            return self.take(extras)
        except SnapshotError as error:
            self._missed[self.state.iteration] = str(error)
            return Warned(self.state.iteration, str(error), WarningKind.UNWRITTEN)
