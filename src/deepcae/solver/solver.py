"""The training loop, in Caffe's order.

    for record in Solver("solver.prototxt", out="runs/cae").solve():
        print(record)

`solve` is a generator: whoever iterates prints, draws or stops. The solver itself prints nothing and has no callbacks.
One seed decides everything random: initial weights, shuffled data, and the random layers.
Source: Caffe's `solver.cpp` and `sgd_solver.cpp`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from ..errors import Incomplete, SpecError, TrainingError
from ..net.net import Net
from ..net.rounded import Rounded
from ..proto.read import read_solver
from ..proto.text import merge
from ..writes import writes_elsewhere
from . import snapshot as files
from . import state
from .best import Best
from .build import OpenFeed, build_nets, load_initial, open_feed, require_ready, seed_for
from .capture import Captured, CudaRecorder, Recorder
from .clock import Clock
from .company import Company
from .debug import Debug
from .guard import Guard
from .iteration import Attended, Passes, Unattended
from .ledger import MOST_WAITING, Ledger, Told
from .lr import rate
from .pace import Threads
from .passes import Blobs, odd_data
from .precision import check_precision, told_error
from .records import Debugged, Failed, Finished, Record, Snapshotted, Started, Test, Warned, WarningKind
from .remarks import Remarks
from .replaced import settle
from .run import snapshot_prefix
from .runfiles import RunFiles
from .saves import Saves
from .smoothing import SmoothedLoss
from .trials import Trials
from .update import Updater


class Solver:
    """A training: a solver text, its networks, and the state between two iterations.

    `source`: path of a solver text, a SolverParameter or a Document. `out`: the run's folder (see `run`). `seed`: in
    place of the text's random_seed; below 0 one is drawn. `overrides`: prototxt merged into the solver. `weights`:
    files to start from, in place of the solver's `weights`. `snapshot`: what to resume, see `restore`. `folders`:
    more places to look up files. `keep`: how many snapshots stay, at least 2 (default: all, or as the run had it).
    `strict`: whether weights to start from must match the net, layer by layer. `allow_python_layers`: whether the
    texts may name Python code that is then run. `allow_writes_elsewhere`: whether they may write outside the working
    directory and `out`. `feed(net, seed)`: what reads a net's data layers, in place of `data.Feed`. `precision`: how
    exactly the training passes multiply, see `precision` (default: the snapshot's, else fp32). `threads`:
    exactly so many, see `pace`. `overwrite`: whether a run that lies in `out` is given up for this one, with its first
    snapshot; without it, such a run is a DataError when this one begins. SpecError has all problems of all texts.
    """

    def __init__(
        self,
        source: Any,
        *,
        out: str | Path | None = None,
        seed: int | None = None,
        overrides: str = "",
        device: str | torch.device = "cpu",
        weights: str | Path | Sequence[str | Path] | None = None,
        snapshot: str | Path | None = None,
        folders: Sequence[str | Path] = (),
        keep: int | None = None,
        strict: bool = False,
        allow_python_layers: bool = False,
        allow_writes_elsewhere: bool = False,
        feed: OpenFeed | None = None,
        precision: str | None = None,
        overwrite: bool = False,
        threads: int | None = None,
    ) -> None:
        if weights is not None and snapshot is not None:
            raise SpecError("weights and snapshot exclude each other: a snapshot brings its own weights")
        self.document = read_solver(source)
        if overrides:
            merge(self.document, overrides)
        self.param = self.document.message
        self.out = None if out is None else Path(out)
        self.saves = Saves(self, keep)
        self.folders = [self.document.folder, *map(Path, folders)]
        with writes_elsewhere(allow_writes_elsewhere):
            self.prefix = snapshot_prefix(self.document, out)
        self.overwrite = overwrite
        self.logs: list[str] = []  # files in `out` that others write about the run; its record lists them
        self.remarks = Remarks()
        if self.out is not None:
            settle(self.out)
        named = self.prefix if snapshot == "latest" else snapshot
        resumed = None if named is None else files.find(named, self.remarks.noter(WarningKind.FILES))
        self.seed = seed_for(seed, resumed, self.param)
        with writes_elsewhere(allow_writes_elsewhere, *([] if out is None else [out])):
            self.train, self.tests = build_nets(
                self.document, self.seed, device, self.folders, allow_python_layers, feed or open_feed
            )
        self.generator = torch.Generator(self.net.device)
        self.generator.manual_seed((self.seed + 0x9E3779B97F4A7C15) % 2**63)  # not the stream of the fillers
        kept = "fp32" if resumed is None else state.precision_of(resumed)
        self.precision = check_precision(kept if precision is None else precision, self.net.device)
        for fed in (self.train, *self.tests):
            fed.outputs.give_up = self.remarks.give_up
        self.updater = Updater(self.param, self.net.learnable)
        trained = Rounded(self.net) if self.precision == "bf16" else self.net
        self.passes = Passes(trained, self.updater, self.net.device, self.precision)
        self._attended = Attended(self.passes, self.net, self.generator, lambda blobs: self.train.outputs.write(blobs))
        self.threads = Threads(self, threads)
        self.ledger = Ledger(self)
        self._ahead: Captured | None = None
        self.guard = Guard(self.net, self.param.display)
        self.best = Best(self)

        self.iteration = 0  # updates done
        self.current_step = 0  # of the multistep policy
        self.smoothed = SmoothedLoss(self.param.average_loss)
        self.goes_on = False  # the smoothed loss was restored: the next step() or solve() does not begin a new one
        self.resumed_from = ""
        self.files: RunFiles | None = None  # while it runs
        self._stop = False
        self.last_blobs: Blobs = {}
        self.trials = Trials(self)
        self.clock = Clock()
        self.company = Company()
        if self.net.device.type == "cuda" and not self.net.sinks and self.param.display != 1:
            self.run_ahead(CudaRecorder(self.net.device))
        if snapshot is not None and resumed is not None:
            self._restore(resumed)
        else:
            self.remarks.note(WarningKind.SETTINGS, *self.best.notes())
            self.remarks.loaded(*load_initial(self, weights, strict))

    @property
    def net(self) -> Net:
        return self.train.net

    @property
    def test_nets(self) -> list[Net]:
        return [fed.net for fed in self.tests]

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop

    @property
    def is_wanted(self) -> bool:
        """Whether somebody asked it to stop, or for a snapshot."""
        return self._stop or self.saves.wanted

    @property
    def test_positions(self) -> list[int]:
        """The test nets' data positions at the last border between iterations."""
        return self.trials.positions

    def run_ahead(self, recorder: Recorder) -> None:
        """Lets the device work without being waited for, but at borders; `recorder` makes one call of an iteration."""
        self._ahead = Captured(Unattended(self.passes, self.param, self.generator), recorder)
        self.ledger.lag = MOST_WAITING

    # What may be asked for while it runs, from a signal handler or another thread

    def request_stop(self) -> None:
        """Stops after this iteration (or test batch), with a snapshot if the solver takes one after training."""
        self._stop = True

    def request_snapshot(self) -> None:
        """Takes a snapshot after this iteration (or test batch)."""
        self.saves.wanted = True

    # Training

    def solve(self) -> Iterator[Record]:
        """Trains until max_iter. TrainingError (after a `Failed` record) where the run cannot go on.

        Incomplete, after the last record, where something could not be written that it should leave.
        """
        with self.opened() as run_files:
            for record in self._solve():
                yield from run_files.keep(record)
        if self.remarks.lacking:
            raise Incomplete(self.remarks.lacking)

    @contextmanager
    def opened(self) -> Iterator[RunFiles]:
        """The files of a run, open; SpecError without a max_iter, and for files that it must not write."""
        require_ready(self)
        self.remarks.lacking.clear()
        try:
            with RunFiles(self) as self.files, ExitStack() as outputs:
                for fed in (self.train, *self.tests):
                    outputs.callback(fed.outputs.close)
                yield self.files
        finally:
            self.files = None

    def step(self, n: int = 1) -> list[Record]:
        """Takes n iterations, whatever max_iter says, and returns their records."""
        self._begin()
        records: list[Record] = []
        for _ in range(n):
            records.extend(self._iterate())
            if self._stop:
                break
        records.extend(self.ledger.take())
        records.extend(self.remarks.take(self.iteration))
        return records

    def _solve(self) -> Iterator[Record]:
        began = time.perf_counter()
        yield from self.start()
        try:
            while self.iteration < self.param.max_iter and not self._stop:
                yield from self._iterate()
                yield from self.threads.changes()
            yield from self.end()
        except TrainingError as error:
            yield from self.fail(error)
            raise
        yield from self.finish(began)

    def _iterate(self) -> Iterator[Record]:
        """One iteration, in Caffe's order: test, forward and backward, display, update, snapshot."""
        yield from self.test_if_due()
        if self._stop:
            return
        now, debugged = self.iteration, None
        displayed = bool(self.param.display) and now % self.param.display == 0
        debug = Debug(self.net) if displayed and self.param.debug_info else None
        self.last_blobs = {}  # whoever looks at them has: their memory serves the next pass
        with self.clock.step(), self.threads.step():
            batches = (self.train.next_inputs() for _ in range(self.param.iter_size))
            lr, step = rate(self.param, now, self.current_step)
            told: Told
            if self._ahead is None or debug is not None:
                passed, told = self._attended.run(batches, lr, now, debug)
            else:
                passed = self._ahead.run(batches, lr, now)
                told = passed.told
        if debug is not None:
            debugged = debug.record(now, self.updater.updates)
        yield from self.account(told, passed.blobs, lr, step, debugged)

    def _begin(self) -> None:
        """A call of step() or solve() begins: Caffe forgets the smoothed loss, unless it was just restored."""
        if not self.goes_on:
            self.smoothed = SmoothedLoss(self.param.average_loss, start=self.iteration)
        self.goes_on = False
        self.clock = Clock()

    # The parts of an iteration, and what comes before and after all of them; `runs` calls them for several solvers

    def start(self) -> Iterator[Record]:
        """The records before the first iteration."""
        self._begin()
        policy, max_iter = self.param.lr_policy, self.param.max_iter
        threads = self.threads.begin()
        yield Started(self.iteration, self.net.name, policy, max_iter, self.seed, self.resumed_from, threads)
        self.remarks.note(WarningKind.RESUMED, *self.company.changes())
        yield from self.remarks.take(self.iteration)
        for strange in odd_data(self.train, self.tests):
            yield Warned(self.iteration, strange, WarningKind.DATA)
        if self.precision != "fp32":
            yield Warned(self.iteration, told_error(self.train, self.generator, self.precision), WarningKind.PRECISION)

    def test_if_due(self) -> Iterator[Record]:
        now = self.iteration
        if self.param.test_interval and now % self.param.test_interval == 0 and (now or self.param.test_initialization):
            yield from self.trials.run_all()

    def account(
        self,
        told: Told,
        blobs: Blobs,
        lr: float,
        step: int,
        debugged: Debugged | None = None,
    ) -> Iterator[Record]:
        """Behind an update: counts the iteration, tells what is due, takes the snapshot that is due."""
        raised = step if self.param.lr_policy == "multistep" and step > self.current_step else None
        self.ledger.enter(self.iteration, told, lr, raised, debugged)
        self.iteration, self.current_step, self.last_blobs = self.iteration + 1, step, blobs
        if self.ledger.is_due():
            yield from self.ledger.take()
        if self.param.snapshot and self.iteration % self.param.snapshot == 0:
            self.saves.wanted = True
        yield from self.saves.if_wanted()

    def end(self) -> Iterator[Record]:
        """Behind the last iteration: what has not been told, and the last snapshot."""
        yield from self.ledger.take()
        yield from self.saves.at_end()

    def fail(self, error: TrainingError) -> Iterator[Record]:
        """Where the run cannot go on: the best of what was good is kept."""
        yield from self.best.flush(last=True)
        yield Failed(self.iteration, str(error))

    def finish(self, began: float) -> Iterator[Record]:
        """The last tests and the last record; `began`: when the run did, by perf_counter."""
        stopped = self._stop
        if not stopped:
            yield from self.trials.look_back()
        yield from self.best.flush(last=True)
        yield self._finish("stopped" if stopped else "done", time.perf_counter() - began)

    def _finish(self, reason: str, seconds: float) -> Finished:
        self._stop = self.saves.wanted = False
        train = self.train.named(self.train.told(self.last_blobs), self.last_blobs) if self.last_blobs else {}
        path = self.saves.last.path if self.saves.last else ""
        return Finished(self.iteration, reason, train, self.trials.last, seconds, self.clock.per_iteration(), path)

    # Tests

    def test(self, index: int = 0) -> Test:
        """Runs a test net now: the mean of each output over its test_iter batches."""
        record = next((record for record in self.trials.run(index) if isinstance(record, Test)), None)
        if record is None:
            raise TrainingError(f"test net #{index} was stopped before its last batch")
        return record

    # Snapshots

    def snapshot(self) -> Path:
        """Takes a snapshot now and returns its model's path. SnapshotError if it cannot be written."""
        list(self.best.flush())
        return Path(self.saves.take().path)

    def restore(self, path: str | Path) -> None:
        """Goes on from a snapshot: its .solverstate, `<prefix>_iter_N`, or a prefix or folder (the newest there)."""
        self._restore(files.find(path, self.remarks.noter(WarningKind.FILES)))

    def _restore(self, snapshot: files.Snapshot) -> None:
        self.remarks.note(WarningKind.RESUMED, *state.restore(self, snapshot))
        self.resumed_from = str(snapshot.state)
        in_place = snapshot.stem == files.Snapshot.at(self.prefix, self.iteration).stem and not snapshot.bare
        self.saves.last = Snapshotted(self.iteration, str(snapshot.model)) if in_place else None
