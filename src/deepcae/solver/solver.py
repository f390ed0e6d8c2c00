"""The front door of a training.

    for record in Solver("solver.prototxt", out="runs/cae").solve():
        print(record)

`solve` is a generator: whoever iterates prints, draws or stops. The solver itself prints nothing and has no callbacks.
One seed decides everything random: initial weights, shuffled data, and the random layers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..errors import SpecError, TrainingError
from ..facts import as_line, as_table
from ..net.net import Net
from ..net.rounded import Rounded
from ..net.summary import summarize
from ..proto.lookup import told_to
from ..proto.read import read_solver
from ..proto.text import merge
from ..writes import writes_elsewhere
from . import snapshot as files
from .build import OpenFeed, build_nets, load_initial, open_feed, seed_for
from .capture import Captured, CudaRecorder, Recorder
from .guard import Guard, require_finite
from .iteration import Arithmetic, Passes
from .ledger import MOST_WAITING
from .loop import Loop, of_one
from .nets import looked_in
from .overfit import Overfitting, TestHistory
from .pace import Threads
from .precision import check_precision
from .records import Record, Test, WarningKind
from .remarks import Remarks
from .replaced import settle
from .resume import precision_of
from .run import snapshot_prefix
from .state import SmoothedLoss, TrainingState
from .training import Training
from .update import Tensors, Updater


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
    snapshot; without it, such a run is a DataError when this one begins. `reduce`: is given the summed gradients of
    each iteration, to change them in place before they are looked at and clipped: those of other processes are added
    here. SpecError has all problems of all texts.
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
        reduce: Callable[[Tensors], None] | None = None,
    ) -> None:
        if weights is not None and snapshot is not None:
            raise SpecError("weights and snapshot exclude each other: a snapshot brings its own weights")
        document = read_solver(source)
        if overrides:
            merge(document, overrides)
        param, out = document.message, None if out is None else Path(out)
        all_folders = looked_in(document, list(map(Path, folders)))
        with writes_elsewhere(allow_writes_elsewhere):
            prefix = snapshot_prefix(document, out)
        remarks = Remarks()
        if out is not None:
            settle(out)
        named = prefix if snapshot == "latest" else snapshot
        resumed = None if named is None else files.find(named, remarks.noter(WarningKind.FILES))
        seed = seed_for(seed, resumed, param)
        with writes_elsewhere(allow_writes_elsewhere, *([] if out is None else [out])), told_to(remarks.names):
            train, tests = build_nets(document, seed, device, all_folders, allow_python_layers, feed or open_feed)
        net, generator = train.net, torch.Generator(train.net.device)
        generator.manual_seed((seed + 0x9E3779B97F4A7C15) % 2**63)  # not the stream of the fillers
        kept = "fp32" if resumed is None else precision_of(resumed)
        chosen = check_precision(kept if precision is None else precision, net.device)
        for fed in (train, *tests):
            fed.outputs.give_up = remarks.give_up
        self.state = TrainingState(
            document, all_folders, prefix, seed, chosen, train, tests, generator,
            Updater(param, net.learnable), Guard(net, param.display), SmoothedLoss(param.average_loss),
            TestHistory([Overfitting() for _ in tests]), keep,
        )  # fmt: skip
        trained = Rounded(net) if chosen == "bf16" else net
        self.passes = Passes(trained, self.state.updater, net.device, chosen)
        steady = self._is_steady if net.device.type == "cpu" else None
        self.training = Training(self.state, Threads(threads, steady), remarks, out, overwrite)
        look, seen = partial(require_finite, net), train.write if net.sinks else None
        self._loop = Loop({0: self.training}, Arithmetic(self.passes, generator, look, seen, reduce))
        if net.device.type == "cuda" and not net.sinks and param.display != 1:
            self.run_ahead(CudaRecorder(net.device))
        if snapshot is not None and resumed is not None:
            self.training.restore(resumed)
        else:
            remarks.note(WarningKind.SETTINGS, *self.training.best.notes())
            with told_to(remarks.names):
                remarks.loaded(*load_initial(self.state, weights, strict))

    def facts(self) -> dict[str, str]:
        """What a person wants to know of it first, in words."""
        state, param = self.state, self.param
        tests = f"{len(state.tests)}, every {param.test_interval:,} iterations" if state.tests else "none"
        return {
            "net": state.net.name or "unnamed",
            "iteration": f"{state.iteration:,} of {param.max_iter:,}",
            "type": f"{param.type}, base_lr {param.base_lr:g}, lr_policy {param.lr_policy}",
            "parameters": summarize(state.net.plan).counted,
            "test nets": tests,
            "seed": str(state.seed),
            "device": f"{state.net.device}, {state.precision}",
            **({"folder": str(self.out)} if self.out is not None else {}),
        }

    def __repr__(self) -> str:
        return as_line("Solver", self.facts())

    def _repr_html_(self) -> str:
        return as_table(self.facts())

    def _is_steady(self, tests_too: bool) -> bool:
        return self.passes.is_steady() and not (tests_too and not all(fed.is_steady() for fed in self.state.tests))

    # What it is

    @property
    def reduces(self) -> bool:
        """Whether somebody changes the gradients."""
        return self._loop.arithmetic.reduce is not None

    @property
    def param(self) -> Any:
        """The SolverParameter."""
        return self.state.param

    @property
    def net(self) -> Net:
        """The train net."""
        return self.state.net

    @property
    def test_nets(self) -> list[Net]:
        return [fed.net for fed in self.state.tests]

    @property
    def iteration(self) -> int:
        """Updates done."""
        return self.state.iteration

    @property
    def seed(self) -> int:
        return self.state.seed

    @property
    def out(self) -> Path | None:
        """The run's folder."""
        return self.training.out

    @property
    def prefix(self) -> str:
        """Of its snapshots: `<prefix>_iter_N.caffemodel`."""
        return self.state.prefix

    def run_ahead(self, recorder: Recorder) -> None:
        """Lets the device work without being waited for, but at borders; `recorder` makes one call of an iteration."""
        unseen = Arithmetic(self.passes, self.state.generator, reduce=self._loop.arithmetic.reduce)
        self._loop.ahead = Captured(unseen, recorder)
        self.training.ledger.lag = MOST_WAITING

    # What may be asked for while it runs, from a signal handler or another thread

    def request_stop(self) -> None:
        """Stops after this iteration (or test batch), with a snapshot if the solver takes one after training."""
        self.training.requests.stop = True

    def request_snapshot(self) -> None:
        """Takes a snapshot after this iteration (or test batch)."""
        self.training.requests.snapshot = True

    # Training

    def solve(self) -> Iterator[Record]:
        """Trains until max_iter. TrainingError (after a `Failed` record) where the run cannot go on.

        Incomplete, after the last record, where something could not be written that it should leave.
        """
        return of_one(self._loop.solve())

    def step(self, n: int = 1) -> list[Record]:
        """Takes n iterations, whatever max_iter says, and returns their records."""
        self.training.begin()
        records: list[Record] = []
        for _ in range(n):
            records.extend(of_one(self._loop.iterate()))
            if self.training.requests.stop:
                break
        records.extend(self.training.ledger.take())
        records.extend(self.training.remarks.take(self.iteration))
        return records

    def test(self, index: int = 0) -> Test:
        """Runs a test net now: the mean of each output over its test_iter batches."""
        record = next((record for record in self.training.tests.run(index) if isinstance(record, Test)), None)
        if record is None:
            raise TrainingError(f"test net #{index} was stopped before its last batch")
        return record

    # Snapshots

    def snapshot(self) -> Path:
        """Takes a snapshot now and returns its model's path. SnapshotError if it cannot be written."""
        list(self.training.best.flush())
        return Path(self.training.saves.take().path)

    def restore(self, path: str | Path) -> None:
        """Goes on from a snapshot: its .solverstate, `<prefix>_iter_N`, or a prefix or folder (the newest there)."""
        self.training.restore(files.find(path, self.training.remarks.noter(WarningKind.FILES)))
