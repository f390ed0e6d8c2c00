"""When a training takes a snapshot, and what becomes of one that cannot be written: the training goes on without it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import SnapshotError
from .commit import commit, prune
from .guard import require_finite_state
from .records import Record, Snapshotted, Warned, WarningKind
from .state import parts_of

if TYPE_CHECKING:
    from .solver import Solver


class Saves:
    """The snapshots of one solver. `keep`: how many stay on disk, at least 2 (None: all, or what a snapshot says)."""

    def __init__(self, solver: Solver, keep: int | None) -> None:
        self.solver, self.keep = solver, keep
        self.wanted = False  # as soon as this iteration (or test batch) is done
        self.last: Snapshotted | None = None
        self._failed = False  # the last one that was wanted
        self._missed: dict[int, str] = {}  # iterations whose snapshot could not be written, and why
        self._taken: list[int] = []  # the newest others, as many as `keep`

    def take(self) -> Snapshotted:
        """Writes one now. SnapshotError if that cannot be; TrainingError for a state that is not finite."""
        solver, self.wanted = self.solver, False
        solver.ledger.settle()
        require_finite_state(solver.net, solver.iteration, solver.updater.history)
        if solver.files is not None:
            solver.files.sync()
        self._failed = True
        done = commit(solver.prefix, solver.iteration, parts_of(solver))
        self._failed = False
        self._missed.pop(solver.iteration, None)
        self._taken = [*self._taken, solver.iteration][-(self.keep or 1) :]
        if self.keep is not None:
            solver.remarks.note(WarningKind.FILES, *prune(solver.prefix, self.keep))
        self.last = Snapshotted(solver.iteration, str(done.model))
        return self.last

    def if_wanted(self) -> Iterator[Record]:
        """In the course of training: the one that was asked for."""
        if self.wanted:
            yield from self.solver.best.flush()
            yield self._take_or_warn()

    def at_end(self) -> Iterator[Record]:
        """The last one, if the solver takes one after training or has failed with the one before."""
        yield from self.solver.best.flush()
        if (self.solver.param.snapshot_after_train or self._failed) and not self._is_current():
            yield self._take_or_warn()
        self.solver.remarks.lacks(*self._missing())

    def _missing(self) -> Iterator[str]:
        """What was wanted and is not there in the end, but for what `keep` would have removed by now."""
        gone = self._taken[0] if self.keep is not None and len(self._taken) == self.keep else -1
        *others, last = [iteration for iteration in self._missed if iteration > gone] or [gone]
        yield self._missed.get(last, "")
        if others:
            names = " … ".join(
                f"{self.solver.prefix}_iter_{iteration}" for iteration in sorted({others[0], others[-1]})
            )
            yield f"{names}: {f'{len(others)} snapshots are' if len(others) > 1 else 'the snapshot is'} missing, too"

    def _is_current(self) -> bool:
        return self.last is not None and self.last.iteration == self.solver.iteration

    def _take_or_warn(self) -> Snapshotted | Warned:
        if self.last is not None and self._is_current():
            self.wanted = False
            return self.last
        try:
            return self.take()
        except SnapshotError as error:
            self._missed[self.solver.iteration] = str(error)
            return Warned(self.solver.iteration, str(error), WarningKind.UNWRITTEN)
