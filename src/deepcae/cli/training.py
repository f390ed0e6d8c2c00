"""A training as the shell shows it: Caffe's log lines, a bar with the time that is left, signals, and the last word."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import cannot_write
from ..errors import Incomplete, SnapshotError, SpecError
from .duration import Estimate
from .screen import answer, bar, say

if TYPE_CHECKING:
    from ..solver.records import Finished, Record, Test
    from ..solver.signals import Stoppable
    from ..solver.solver import Solver
    from .options import Output


@dataclass(frozen=True)
class Outcome:
    """How a training ended. `test`: the last test net after the last iteration."""

    finished: Finished
    test: dict[str, float]
    lacking: tuple[str, ...] = ()  # what it should have left and could not write

    def require_whole(self) -> None:
        """Incomplete where something is lacking."""
        if self.lacking:
            raise Incomplete(self.lacking)


def carry_out(
    solver: Solver,
    log: Path,
    quiet: bool,
    effects: Effects | None = None,
    lines: Callable[[Record], Iterable[str]] | None = None,
) -> Outcome:
    """Runs `solver` to its end, with Caffe's lines in the file `log` and `lines` (default: the same) on stderr."""
    from ..solver.signals import handle_signals

    with (
        handle_signals(effects or solver),
        bar("training", solver.param.max_iter, quiet, solver.iteration) as advance,
        opened_log(log, solver) as write,
        suppress(Incomplete),  # the outcome tells what is lacking
    ):
        listener = Listener(solver, write, quiet, advance, lines)
        for record in solver.solve():
            listener.take(record)
    return listener.outcome()


def calm_lines(record: Record) -> list[str]:
    """Of a training only the tests."""
    from ..solver.records import Test

    if not isinstance(record, Test):
        return []
    values = ", ".join(f"{name} {value:.4g}" for name, value in record.outputs.items() if isinstance(value, float))
    return [f"    iteration {record.iteration}: test {values}"]


class Listener:
    """Takes one training's records: lines for its log and the screen, each with `label` before it there."""

    def __init__(
        self,
        solver: Solver,
        write: Callable[[str], None],
        quiet: bool,
        advance: Callable[..., None],
        lines: Callable[[Record], Iterable[str]] | None = None,
        label: str = "",
    ) -> None:
        self.solver, self.write, self.quiet, self.advance = solver, write, quiet, advance
        self.lines, self.label = lines, label
        self.finished: Finished | None = None
        self._tested: Test | None = None
        self._estimate: Estimate | None = None

    def take(self, record: Record) -> None:
        """Writes Caffe's lines of a record, and says what there is to say of it."""
        from ..solver.log import log_lines
        from ..solver.records import Finished, Started, Step, Test, Warned

        caffes = log_lines(record)
        for line in caffes:
            self.write(line)
        for line in caffes if self.lines is None else self.lines(record):
            say(self.label + line, self.quiet and not isinstance(record, Warned))
        if isinstance(record, Started):
            interval = self.solver.param.test_interval
            self._estimate = Estimate(record.iteration, record.max_iter, interval if self.solver.test_nets else 0)
        if isinstance(record, Step):
            self.advance(record.iteration + 1, f"loss {record.smoothed_loss:.5g}")
            if (
                self._estimate is not None
                and self.lines is None
                and (told := self._estimate.stepped(record.iteration + 1))
            ):
                say(self.label + told, self.quiet)
        elif isinstance(record, Test):
            self._tested = record
            if self._estimate is not None:
                self._estimate.tested()
        elif isinstance(record, Finished):
            self.finished = record

    def outcome(self) -> Outcome:
        assert self.finished is not None  # a training that fails raises
        test = _last_test(self.solver, self.finished, self._tested)
        return Outcome(self.finished, test, tuple(self.solver.training.remarks.lacking))


def _last_test(solver: Solver, finished: Finished, tested: Test | None) -> dict[str, float]:
    """The last test net after the last iteration: from the training's own test, or tested now if it made none there."""
    if not solver.test_nets:
        return {}
    last = len(solver.test_nets) - 1
    if tested is None or tested.iteration != finished.iteration or tested.net_index != last:
        if finished.reason == "stopped":
            return {}
        solver.state.tests[last].writes = False  # its file is closed, with the tests of the training
        tested = solver.test(last)
    return {name: plain(value) for name, value in tested.outputs.items()}


def plain(value: Any) -> float:
    """One number for an output: its value, or the mean of its elements."""
    return float(sum(value) / len(value)) if isinstance(value, tuple) else float(value)


@contextmanager
def opened_log(path: Path, solver: Solver) -> Iterator[Callable[[str], None]]:
    """A writer of lines to the end of the training's log; each line is there at once, or as soon as that can be.

    It is opened with the first line, when the training has its lock: the log of another one is not touched.
    """
    from ..solver.lines import Lines
    from ..solver.records import WarningKind

    opened: list[Lines] = []

    def write(line: str) -> None:
        if not opened:
            try:
                tell = solver.training.remarks.noter(WarningKind.UNWRITTEN)
                log = Lines(path, tell, lambda count: f"({count} lines could not be written)")
            except OSError as error:
                raise SnapshotError(f"{cannot_write(path, error)}; the training has not begun") from error
            opened.append(stack.enter_context(log))
        opened[0].write(line)

    if path.parent == solver.out:
        solver.training.logs.append(path.name)
    with ExitStack() as stack:
        yield write
    solver.training.remarks.lacks(*(log.missing for log in opened))


@dataclass(frozen=True)
class TrainingOptions:
    """What a training is to be made of, as the command line says it, less folder and seed."""

    solver: Path | None
    overrides: Sequence[str]
    weights: str | None
    strict: bool
    snapshot: str | None
    overwrite: bool
    device: str
    precision: str | None
    keep: int | None = None
    threads: int | None = None
    effects: tuple[str, str] | list[str] = ("stop", "snapshot")  # of SIGINT and SIGHUP

    def open(self, folder: Path, seed: int | None, quiet: bool = False) -> Solver:
        """The solver, at its beginning or at the snapshot."""
        from ..solver.begin import beginning, solver_text
        from ..solver.replaced import settle
        from ..solver.solver import Solver
        from .trained import weight_files

        weights = weight_files(self.weights, quiet=quiet) if self.weights else None
        settle(folder)
        with _advised(folder if self.solver is None else None):
            document, folders = solver_text(self.solver, folder, self.overrides)
            begins = beginning(document, folder, self.snapshot, self.overwrite)
            for warning in begins.warnings:
                say(warning)
            say(begins.note, quiet or not begins.note)
            return Solver(
                document, out=folder, seed=seed, device=self.device, snapshot=begins.snapshot, folders=folders,
                strict=self.strict, weights=weights, precision=self.precision, overwrite=begins.overwrite,
                keep=self.keep, threads=self.threads,
            )  # fmt: skip

    def tell_place(self, folder: Path, quiet: bool) -> None:
        """Says where the snapshots of a text go that names another place than the run's folder."""
        from ..solver.begin import solver_text
        from ..solver.run import moved_prefix, snapshot_prefix

        if self.solver is not None:
            document, _ = solver_text(self.solver, folder, self.overrides)
            if moved := moved_prefix(document):
                say(f"snapshots: {snapshot_prefix(document, folder)}_iter_N; {moved}", quiet)

    def to_json(self) -> dict[str, Any]:
        """For a job in another process."""
        return {**asdict(self), "solver": None if self.solver is None else str(self.solver)}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> TrainingOptions:
        return cls(**{**given, "solver": None if given["solver"] is None else Path(given["solver"])})


def train_one(options: TrainingOptions, folder: Path, seed: int | None, output: Output, began: float) -> None:
    """`deepcae train` of one run, from its first line to its last; `began`: when the command did."""
    from ..solver.about import LOG

    quiet = output.quiet
    solver = options.open(folder, seed, quiet)
    options.tell_place(folder, quiet)
    outcome = carry_out(solver, folder / LOG, quiet, Effects(solver, *options.effects))
    if outcome.finished.reason == "stopped":
        resume = shlex.join(["deepcae", "train", "--out", str(folder), "--snapshot", "latest"])
        say(f"stopped at iteration {outcome.finished.iteration}; go on with: {resume}")
    else:
        say(f"next: {shlex.join(['deepcae', 'report', str(folder)])}", quiet)
    if output.json:
        answer({"folder": str(folder), **summary(outcome, time.perf_counter() - began)})
    outcome.require_whole()


def summary(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """A training's end for programs."""
    finished = outcome.finished
    return {
        "iterations": finished.iteration,
        "reason": finished.reason,
        "train": {name: plain(value) for name, value in finished.train.items()},
        "test": outcome.test,
        "seconds": seconds,
        "seconds_per_iteration": finished.seconds_per_iteration,
        "snapshot": finished.snapshot,
    }


class Effects:
    """Caffe's --sigint_effect and --sighup_effect: stop, snapshot or none. SIGTERM stops in any case."""

    def __init__(self, solver: Stoppable, sigint: str, sighup: str) -> None:
        actions = {"stop": solver.request_stop, "snapshot": solver.request_snapshot, "none": lambda: None}
        self.request_stop = actions[sigint]
        self.request_snapshot = actions[sighup]
        self.request_end = solver.request_stop


@contextmanager
def _advised(run: Path | None) -> Iterator[None]:
    """Lets a complaint about the texts in a run's folder, when they were to be gone on with, say what can be done."""
    from ..solver.earlier import advice

    try:
        yield
    except SpecError as error:
        files = [Path(problem.place.file) for problem in error.problems if problem.place is not None]
        if run is not None and any(file.is_relative_to(run) for file in files) and (hint := advice(run)):
            error.add_note(f"{run}: cannot go on by its own texts{hint}")
        raise
