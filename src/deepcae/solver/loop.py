"""The training loop, in the order of Caffe's `Solver::Step`: test, forward, backward, reduce, clip, update, display,
snapshot. Its middle is `iteration.Arithmetic`, its ends are `training.Training`'s. Source: Caffe's `solver.cpp`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from typing import Protocol

from torch import Tensor

from ..errors import Incomplete, TrainingError
from .debug import Debug
from .due import Due, due
from .iteration import Arithmetic, Inputs, Passed
from .ledger import IterationFacts, Numbers
from .lr import rate
from .passes import Blobs
from .records import Noted, Record
from .training import Training

Tagged = tuple[int, Record]  # of which run


def of_one(tagged: Iterator[Tagged]) -> Iterator[Record]:
    """The records of a run that is alone."""
    for _, record in tagged:
        yield record


class Computes(Protocol):
    """What makes an iteration that nobody looks into: `Arithmetic`, or its replay."""

    def run(self, batches: Iterable[Inputs], rate: float, iteration: int) -> Passed: ...


class Loop:
    """The iterations of a run. `stacked.StackedTraining` makes those of several at once, and says what differs then.

    `ahead`: what computes iterations that nobody looks into.
    """

    def __init__(self, runs: Mapping[int, Training], arithmetic: Arithmetic, ahead: Computes | None = None) -> None:
        self.alive, self.arithmetic, self.ahead = dict(runs), arithmetic, ahead
        self.moving = self.alive  # those whose iteration is the next

    def solve(self) -> Iterator[Tagged]:
        """Trains until max_iter, or patience ends. TrainingError (after a `Failed` record) where a run cannot go on.

        Incomplete, after the last record, where something could not be written that a run should leave.
        """
        runs = dict(self.alive)
        with ExitStack() as stack:
            files = {k: stack.enter_context(run.opened()) for k, run in runs.items()}
            for k, record in self.course():
                written = files[k].keep(record)
                while written:
                    yield k, written.pop(0)
                    if runs[k].remarks.waiting:  # also of what was done with the record
                        written += files[k].remarks_written()
        if lacking := [problem for k, run in runs.items() for problem in self.lacking(k, run)]:
            raise Incomplete(lacking)

    def course(self) -> Iterator[Tagged]:
        """From the first record to the last."""
        began = time.perf_counter()
        yield from self.each(self.alive, Training.start)
        try:
            while self.goes_on():
                yield from self.iterate(may_end=True)
                for k, run in self.moving.items():
                    while run.threads.changes:
                        yield k, Noted(run.state.iteration, run.threads.changes.pop(0))
            yield from self.each(self.alive, Training.end)
        except TrainingError as error:
            for k, run in self.alive.items():
                for record in run.fail(error):
                    yield k, record
            raise
        yield from self.each(self.alive, lambda run: run.finish(began))

    def iterate(self, may_end: bool = False) -> Iterator[Tagged]:
        """One iteration: test; forward, backward, reduce, clip, update; display, snapshot.

        `may_end`: none where patience ends.
        """
        first = next(iter(self.moving.values()))
        iteration, param = first.state.iteration, first.state.param
        if (now := due(param, iteration)).test:
            yield from self.each(self.moving, lambda run: run.tests.run_all())
            going = {k: run for k, run in self.moving.items() if not (may_end and run.state.gave_up)}
            if not going:
                return
            if len(going) < len(self.moving):
                self.moving = going
            first = next(iter(self.moving.values()))
        if first.requests.stop:
            return
        debug = Debug(first.state.net) if param.debug_info and now.display else None
        for run in self.moving.values():
            run.state.last_blobs = {}  # whoever looks at them has: their memory serves the next pass
        lr, step = rate(param, iteration, first.state.current_step)
        began = time.perf_counter()
        passed = self.compute(lr, iteration, debug)
        seconds = time.perf_counter() - began
        debugged = None if debug is None else debug.record(iteration, first.state.updater.updates)
        made = IterationFacts(now, lr, step, seconds, debugged)
        for k, numbers, blobs in self.shares(passed, now):
            yield from self.of_run(k, self.behind_update(self.alive[k], made, numbers, blobs))

    @staticmethod
    def behind_update(run: Training, made: IterationFacts, numbers: Numbers, blobs: Blobs) -> Iterator[Record]:
        """Display, snapshot."""
        yield from run.ledger.account(made, numbers, blobs)
        if made.due.snapshot or run.requests.snapshot:
            yield from run.saves.in_between()

    def each(self, runs: Mapping[int, Training], part: Callable[[Training], Iterator[Record]]) -> Iterator[Tagged]:
        """The records of a part of the training, of these runs."""
        for k, run in list(runs.items()):
            yield from self.of_run(k, part(run))

    # What is another thing for several runs

    def goes_on(self) -> bool:
        """Whether there is an iteration to make."""
        (run,) = self.alive.values()
        return not run.requests.stop and not run.state.is_over

    def compute(self, lr: float, iteration: int, debug: Debug | None) -> Passed:
        """Forward, backward, reduce, clip, update, with the threads that are due."""
        (run,) = self.moving.values()
        batches = islice(iter(run.state.train.next_inputs, None), run.state.param.iter_size)  # each read in its turn
        with run.threads.step():
            if self.ahead is None or debug is not None:
                return self.arithmetic.run(batches, lr, iteration, debug)
            return self.ahead.run(batches, lr, iteration)

    def shares(self, passed: Passed, now: Due) -> Iterator[tuple[int, Numbers, Blobs]]:
        """Loss and norm, and the blobs, of each run that moved."""
        (k,) = self.moving
        on_device = isinstance(passed.norm, Tensor)  # where nobody has waited for it
        yield k, passed.on_device() if on_device else (float(passed.loss), float(passed.norm)), passed.blobs

    def of_run(self, k: int, records: Iterator[Record]) -> Iterator[Tagged]:
        """The records of a run; here what ends one of several may be caught."""
        for record in records:
            yield k, record

    def lacking(self, k: int, run: Training) -> list[str]:
        """What it should have left and could not write."""
        return run.remarks.lacking
