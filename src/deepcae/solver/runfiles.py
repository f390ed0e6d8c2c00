"""The files that a training has open in its folder, from its first record to its last."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ..atomic import cannot_write, remove_leftovers, set_aside
from ..errors import SnapshotError
from ..proto.lookup import told_to
from .about import METRICS, files_of, read_about
from .commit import clean
from .earlier import make_way
from .kept import complete
from .lock import Lock
from .metrics import Metrics
from .records import Failed, Finished, Record, Snapshotted, WarningKind
from .remarks import Remarks
from .replaced import Replaced
from .run import Planned, create_run, plan_run
from .snapshot import latest
from .state import TrainingState
from .unclaimed import require_none, unclaimed

FILES = WarningKind.FILES


class RunFiles:
    """What a training has open while it runs: the lock of its snapshots, and its run directory's metrics.

    And, of a run whose place it takes (`overwrite`), the files, kept aside until it has a complete snapshot itself.
    `logs`: files in `out` that others write about the run; its record lists them.
    """

    def __init__(
        self, state: TrainingState, out: Path | None, remarks: Remarks, logs: Sequence[str], overwrite: bool
    ) -> None:
        self.state, self.out, self.remarks, self.logs, self.overwrite = state, out, remarks, logs, overwrite
        param = state.param
        writes = out is not None or param.snapshot or param.snapshot_after_train or param.snapshot_best
        self._lock = Lock(state.prefix) if writes else None
        self._metrics: Metrics | None = None
        self._replaced: Replaced | None = None
        self._has_begun = False
        self._place: os.stat_result | None = None  # the folder of the snapshots, until it is known to be gone

    def __enter__(self) -> Self:
        state, out = self.state, self.out
        with told_to(self.remarks.names):
            planned = None if out is None else plan_run(out, state.document, state.prefix, state.folders)
        try:
            if self._lock is not None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self.remarks.note(FILES, *filter(None, [self._lock.acquire()]), *clean(state.prefix))
                complete(state.prefix)
                remove_leftovers(self._folder)
                self._place = os.stat(self._folder)
            if out is not None and planned is not None:
                self._open(out, planned)
        except OSError as error:
            self._close()
            where = error.filename or out
            if where is None or Path(where) == self._folder:
                where = state.prefix
            told = cannot_write(where, error)
            raise SnapshotError(f"{told}; the training has not begun") from error
        except BaseException:
            self._close()
            raise
        return self

    def _open(self, out: Path, planned: Planned) -> None:
        state, remarks = self.state, self.remarks
        about = {"seed": state.seed, "device": str(state.net.device), "name": state.net.name}
        about |= {"solver": state.document.filename}
        if not state.resumed_from:
            require_none(state.prefix, state.param.max_iter)
        self._replaced = make_way(out, state.prefix, state.resumed_from, self.overwrite)
        try:
            remove_leftovers(out)
            for path in unclaimed(state.prefix, state.param.max_iter, after=state.iteration):
                remarks.note(FILES, f"{path} is of no snapshot that is known; it is kept as {set_aside(path)}")
            own = _files_before(out, state.resumed_from)
            files = [*self.logs, *(own if state.resumed_from else [])]
            create_run(out, planned, about, files, own, remarks.noter(FILES))
            resume_at = state.iteration if state.resumed_from else None
            self._metrics = Metrics(
                out / METRICS, resume_at, remarks.noter(FILES), remarks.noter(WarningKind.UNWRITTEN)
            )
        except BaseException:
            self._put_back()
            raise

    def keep(self, record: Record) -> list[Record]:
        """The record, written; a last one behind what the solver has still to note.

        With the first snapshot the run that was replaced goes; that there was none is told before the last record.
        """
        self._has_begun = True
        if isinstance(record, Snapshotted):
            self.remarks.note(FILES, *self._part_with_replaced(record))
        elif isinstance(record, Finished | Failed):
            self._look_for_place()
            self.remarks.note(FILES, *self._part_with_replaced())
            return [*self.remarks_written(), *self._written(record)]
        return self._written(record)

    def remarks_written(self) -> list[Record]:
        """What the solver has to note, as that a record could not be written, written too."""
        return self._written(*self.remarks.take(self.state.iteration))

    def _written(self, *records: Record) -> list[Record]:
        for record in records:
            if self._metrics is not None:
                self._metrics.write(record)
        return list(records)

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
        self.remarks.give_up(
            f"{self._folder}: was moved or removed while the training ran; a new folder of this name has only what was "
            "written since"
        )

    @property
    def _folder(self) -> Path:
        """Of the snapshots."""
        return Path(self.state.prefix).parent

    def _part_with_replaced(self, snapshot: Snapshotted | None = None) -> Iterator[str]:
        """Removes the run whose place this one takes, if this one has a snapshot; tells where it is otherwise."""
        replaced, self._replaced = self._replaced, None
        if replaced is None:
            return
        if snapshot is None and latest(self.state.prefix, tell=lambda _: None) is None:
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
        """The run whose place was to be taken: nothing has been trained. One that others moved aside stays there."""
        if self._replaced is not None and self._replaced.is_ours:
            self._replaced.put_back()
            self._replaced = None

    def _close_metrics(self) -> None:
        metrics, self._metrics = self._metrics, None
        if metrics is not None:
            self.remarks.lacks(metrics.close())

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
