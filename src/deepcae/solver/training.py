"""One training between its iterations: records, tests, snapshots. The iterations are `loop`'s."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ..errors import NotFinite, TrainingError
from ..proto.lookup import told_to
from .best import Best
from .build import require_ready
from .ledger import Ledger
from .pace import Threads
from .passes import odd_data
from .precision import error_note
from .records import Failed, Finished, Noted, Record, Snapshotted, Started, Warned, WarningKind
from .remarks import Remarks
from .resume import restore
from .runfiles import RunFiles
from .saves import Saves
from .snapshot import Snapshot
from .state import Requests, SmoothedLoss, TrainingState
from .testing import Testing


class Training:
    """`state`: all that it is; the rest looks at it, tells of it and writes it down.

    `out`: the run's folder; `overwrite`: whether a run that lies there is given up for this one. `logs`: files in `out`
    that others write about the run; its record lists them.
    """

    def __init__(
        self, state: TrainingState, threads: Threads, remarks: Remarks, out: Path | None, overwrite: bool
    ) -> None:
        self.state, self.threads, self.remarks, self.out, self.overwrite = state, threads, remarks, out, overwrite
        self.logs: list[str] = []
        self.requests = Requests()
        self.ledger = Ledger(state, self.requests)
        self.best = Best(state, remarks)
        self.saves = Saves(state, self.requests, remarks, self.ledger, self.best)
        self.tests = Testing(state, self.requests, self.best, self.saves)

    def restore(self, snapshot: Snapshot) -> None:
        """Goes on from a snapshot."""
        state = self.state
        self.remarks.note(WarningKind.RESUMED, *restore(state, snapshot, self.best.restore, self.threads))
        state.resumed_from = str(snapshot.state)
        in_place = snapshot.stem == Snapshot.at(state.prefix, state.iteration).stem and not snapshot.bare
        self.saves.last = Snapshotted(state.iteration, str(snapshot.model)) if in_place else None

    @contextmanager
    def opened(self) -> Iterator[RunFiles]:
        """The files of a run, open; SpecError without a max_iter, and for files that it must not write."""
        require_ready(self.state)
        self.remarks.lacking.clear()
        try:
            with (
                RunFiles(self.state, self.out, self.remarks, self.logs, self.overwrite) as files,
                ExitStack() as outputs,
            ):
                self.saves.before = files.sync
                for fed in (self.state.train, *self.state.tests):
                    outputs.callback(fed.outputs.close)
                yield files
        finally:
            self.saves.before = None

    # The parts of its course, in their order

    def begin(self) -> None:
        """A call of step() or solve() begins: Caffe forgets the smoothed loss, unless it was just restored."""
        state = self.state
        if not state.goes_on:
            state.smoothed = SmoothedLoss(state.param.average_loss, start=state.iteration)
        state.goes_on = False
        self.ledger.clock.begin()

    def start(self) -> Iterator[Record]:
        """The records before the first iteration."""
        self.begin()
        state, param, threads = self.state, self.state.param, self.threads.begin()
        now, policy = state.iteration, param.lr_policy
        yield Started(now, state.net.name, policy, param.max_iter, state.seed, state.resumed_from, threads)
        self.remarks.note(WarningKind.RESUMED, *self._as_one())
        yield from self.remarks.take(now)
        with told_to(self.remarks.names):
            found = list(odd_data(state.train, state.tests))
        for strange in found:
            yield Warned(now, strange, WarningKind.DATA)
        if state.precision != "fp32":
            yield Warned(now, error_note(state.train, state.generator, state.precision), WarningKind.PRECISION)

    def _as_one(self) -> Iterator[str]:
        """What the person should know where another number of runs was one program before."""
        before, now, self.state.runs_before = self.state.runs_before, self.state.runs_as_one, None
        if before not in (None, now):
            told = f"this run was computed {_among(before)} and is {_among(now)} now"
            yield f"{told}: the last bits of its numbers may differ"

    def end(self) -> Iterator[Record]:
        """Behind the last iteration: what has not been told, and the last snapshot."""
        yield from self.ledger.take()
        if self.state.gave_up and not self.requests.stop:
            yield Noted(self.state.iteration, self._gave_up())
        yield from self.saves.at_end()

    def _gave_up(self) -> str:
        watch = self.state.test_history.overfitting[0]
        iteration, loss = watch.best or (0, math.nan)
        return (
            f"stops early: {watch.since} tests since iteration {iteration} (test loss {loss:.6g}) were no better; "
            f"patience is {self.state.param.patience}"
        )

    def fail(self, error: TrainingError) -> Iterator[Record]:
        """Where the run cannot go on: what led there is told, the best of what was good is kept."""
        yield from self.ledger.settled()
        yield from self.best.flush(last=True)
        yield Failed(self.state.iteration, str(error), error.layer if isinstance(error, NotFinite) else "")

    def finish(self, began: float) -> Iterator[Record]:
        """The last tests and the last record; `began`: when the run did, by perf_counter."""
        stopped, early = self.requests.stop, self.state.gave_up and not self.state.ends_at(self.state.iteration)
        if not stopped and not early:
            yield from self.tests.look_back()
        yield from self.best.flush(last=True)
        self.requests.stop = self.requests.snapshot = False
        state, reason = self.state, "stopped" if stopped else "stopped early" if early else "done"
        train = state.train.named(state.last_blobs) if state.last_blobs else {}
        path, seconds = self.saves.last.path if self.saves.last else "", time.perf_counter() - began
        yield Finished(
            state.iteration, reason, train, self.tests.last, seconds, self.ledger.clock.per_iteration(), path
        )


def _among(runs: int) -> str:
    return "alone" if runs == 1 else f"as one program with all {runs} runs (--batched)"
