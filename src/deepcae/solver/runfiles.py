"""What a training has open in its folder while it runs, from its first record to its last."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..atomic import cannot_write, remove_leftovers, set_aside
from ..errors import SnapshotError
from .about import METRICS, files_of, read_about
from .commit import clean
from .earlier import make_way
from .kept import complete
from .lock import Lock
from .metrics import Metrics
from .records import Failed, Finished, Record, Snapshotted, WarningKind
from .replaced import Replaced
from .run import Planned, create_run, plan_run
from .snapshot import latest
from .unclaimed import require_none, unclaimed

if TYPE_CHECKING:
    from .solver import Solver

FILES = WarningKind.FILES


class RunFiles:
    """What a training has open while it runs: the lock of its snapshots, and its run directory's metrics.

    And, of a run whose place it takes, the files, kept aside until it has a complete snapshot itself.
    """

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        param = solver.param
        writes = solver.out is not None or param.snapshot or param.snapshot_after_train or param.snapshot_best
        self._lock = Lock(solver.prefix) if writes else None
        self._metrics: Metrics | None = None
        self._replaced: Replaced | None = None
        self._has_begun = False
        self._place: os.stat_result | None = None  # the folder of the snapshots, until it is known to be gone

    def __enter__(self) -> Self:
        solver = self.solver
        planned = None
        if solver.out is not None:
            planned = plan_run(solver.out, solver.document, solver.prefix, solver.folders)
        try:
            if self._lock is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                solver.remarks.note(FILES, *filter(None, [self._lock.acquire()]), *clean(solver.prefix))
                complete(solver.prefix)
                remove_leftovers(self._folder)
                self._place = os.stat(self._folder)
            if solver.out is not None and planned is not None:
                self._open(solver, solver.out, planned)
        except OSError as error:
            self._close()
            where = error.filename or solver.out
            if where is None or Path(where) == self._folder:
                where = solver.prefix
            told = cannot_write(where, error)
            raise SnapshotError(f"{told}; the training has not begun") from error
        except BaseException:
            self._close()
            raise
        return self

    def _open(self, solver: Solver, out: Path, planned: Planned) -> None:
        about = {"seed": solver.seed, "device": str(solver.net.device), "name": solver.net.name}
        about |= {"solver": solver.document.filename}
        if not solver.resumed_from:
            require_none(solver.prefix, solver.param.max_iter)
        self._replaced = make_way(out, solver.prefix, solver.resumed_from, solver.overwrite)
        try:
            remove_leftovers(out)
            for path in unclaimed(solver.prefix, solver.param.max_iter, after=solver.iteration):
                solver.remarks.note(FILES, f"{path} is of no snapshot that is known; it is kept as {set_aside(path)}")
            own = _files_before(out, solver.resumed_from)
            files = [*solver.logs, *(own if solver.resumed_from else [])]
            create_run(out, planned, about, files, own, solver.remarks.noter(FILES))
            resume_at = solver.iteration if solver.resumed_from else None
            noter = solver.remarks.noter
            self._metrics = Metrics(out / METRICS, resume_at, noter(FILES), noter(WarningKind.UNWRITTEN))
        except BaseException:
            self._put_back()
            raise

    def keep(self, record: Record) -> Iterator[Record]:
        """The record, written; and behind it, written too, what the solver has to note, as that it could not be.

        With the first snapshot the run that was replaced goes; that there was none is told before the last record.
        """
        self._has_begun = True
        remarks, waiting = self.solver.remarks, [record]
        if isinstance(record, Snapshotted):
            remarks.note(FILES, *self._part_with_replaced(record))
        elif isinstance(record, Finished | Failed):
            self._look_for_place()
            remarks.note(FILES, *self._part_with_replaced())
            waiting[:0] = remarks.take(self.solver.iteration)
        while waiting:
            each = waiting.pop(0)
            if self._metrics is not None:
                self._metrics.write(each)
            yield each
            waiting += remarks.take(self.solver.iteration)

    def sync(self) -> None:
        """Waits until the records are on the disk: a snapshot never stands there without what led to it."""
        self._look_for_place()
        if self._metrics is not None:
            self._metrics.sync()

    def _look_for_place(self) -> None:
        """Tells once that the folder is not there any more: what has been written so far is elsewhere, or lost."""
        place = self._place
        if place is None:
            return
        with suppress(OSError):
            if os.path.samestat(place, os.stat(self._folder)):
                return
        self._place = None
        self.solver.remarks.give_up(
            f"{self._folder}: was moved or removed while the training ran; a new folder of this name has only what was "
            "written since"
        )

    @property
    def _folder(self) -> Path:
        """Of the snapshots."""
        return Path(self.solver.prefix).parent

    def _part_with_replaced(self, snapshot: Snapshotted | None = None) -> Iterator[str]:
        """Removes the run whose place this one takes, if this one has a snapshot; tells where it is otherwise."""
        replaced, self._replaced = self._replaced, None
        if replaced is None:
            return
        if snapshot is None and latest(self.solver.prefix, tell=lambda _: None) is None:
            yield f"this run ends without a snapshot; the one that was there before {replaced.where}"
            return
        try:
            replaced.remove()
        except OSError as error:
            yield f"{error.filename or replaced.folder}: cannot be removed: {error.strerror or error}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._replaced is not None and not self._has_begun:
            self._close_metrics()
            self._put_back()
        for sentence in self._part_with_replaced():
            if error is not None:
                error.add_note(sentence)
        self._close()

    def _put_back(self) -> None:
        """The run whose place was to be taken: nothing has been trained."""
        replaced, self._replaced = self._replaced, None
        if replaced is not None:
            replaced.put_back()

    def _close_metrics(self) -> None:
        metrics, self._metrics = self._metrics, None
        if metrics is not None:
            self.solver.remarks.lacks(metrics.close())

    def _close(self) -> None:
        self._close_metrics()
        if self._lock is not None:
            self._lock.release()


def _files_before(folder: Path, resumed_from: str) -> list[str]:
    """What a run has written there, by its record; of one that is gone on with, also where the record is gone."""
    try:
        return files_of(read_about(folder)[0])
    except FileNotFoundError:
        return files_of({}) if resumed_from else []
