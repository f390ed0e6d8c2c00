"""`deepcae train --runs K`: several trainings of one text, what they come to together, and whether that is stable.

On a GPU they are one program (`solver.stacked`). On a CPU each is a process of its own with one thread, which uses the
cores better than one run on all of them: `deepcae train` itself, so that its files are those of a single run.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from .. import child
from ..errors import TrainingError
from ..solver.about import LOG
from . import options
from .argv import FOR_ALL
from .screen import answer, bar, say
from .training import Effects, Listener, Order, opened_log, prepare, solver_text, summary

CROWD = 2  # so many runs per core are trained at once, if those are all: none is left over to run alone


@dataclass
class Ended:
    """How a run ended: what it answers programs (None: nothing), its exit code and its complaints."""

    seed: int
    folder: Path
    answer: dict[str, Any] | None
    code: int = 0
    errors: list[str] = field(default_factory=list)


def train_all(
    context: typer.Context,
    order: Order,
    out: Path,
    seed: int | None,
    count: int,
    threads: int | None,
    batched: bool | None,
    effects: tuple[str, str],
    quiet: bool,
    as_json: bool,
) -> None:
    """Trains the runs, says what they come to, and ends with the worst of their exit codes."""
    from ..solver.about import SOLVER
    from ..solver.runs import folder_of, require_apart

    seeds = _seeds(order, out, seed, count)
    folders = {each: folder_of(out, each) for each in seeds}
    for folder in folders.values():
        if order.solver is not None or (folder / SOLVER).exists():
            require_apart(*solver_text(order.solver, folder, order.overrides), count)
    if order.snapshot is None:
        for folder in folders.values():
            prepare(solver_text(order.solver, folder, order.overrides)[0], folder, None, order.overwrite)
    on_gpu = order.device.startswith("cuda")
    ended = _together(order, folders, effects, quiet, context.obj) if batched or (batched is None and on_gpu) else None
    if ended is None:
        at_once = 1 if on_gpu else _at_once(count, threads or 1)
        boot = [*_for_all(context), "train"]
        shared = ["--threads", str(threads or 1), "--sigint-effect", effects[0], "--sighup-effect", effects[1]]
        ended = Children(order, folders, [*boot, *shared, *(["-q"] if quiet else [])]).run(at_once, effects)
    found = _found(ended, time.perf_counter() - context.obj)
    _tell(found, ended, _go_on(order, out, ended, batched), quiet)
    if as_json:
        answer(found)
    worst = max(each.code for each in ended)
    if worst:
        raise typer.Exit(worst)


def _for_all(context: typer.Context) -> list[str]:
    """The switches for every command that were given."""
    given = context.parent.params if context.parent else {}
    return [switch for switch in FOR_ALL if given.get(switch.removeprefix("--").replace("-", "_"))]


def _seeds(order: Order, out: Path, seed: int | None, count: int) -> list[int]:
    """S, S+1, …: S the one given, the text's random_seed, that of the runs that are gone on with, or one drawn."""
    first = seed
    if first is None and order.solver is not None:
        given = solver_text(order.solver, out, order.overrides)[0].message.random_seed
        first = given if given >= 0 else None
    if first is None and order.snapshot is not None:
        names = (path.parent.name.removeprefix("seed-") for path in out.glob("seed-*/run.json"))
        first = min((int(name) for name in names if name.isdigit()), default=None)
    if first is None:
        first = int.from_bytes(os.urandom(3), "little")
    return list(range(first, first + count))


def _at_once(count: int, threads: int) -> int:
    """How many processes run at a time: all where they are few, else as many as there are cores for."""
    places = max(1, options.cores() // threads)
    return count if count <= CROWD * places else places


def _together(
    order: Order, folders: dict[int, Path], effects: tuple[str, str], quiet: bool, began: float
) -> list[Ended] | None:
    """The runs as one program; None where that cannot be."""
    from ..net.stack import Unbatchable
    from ..solver.records import Failed
    from ..solver.signals import handle_signals
    from ..solver.stacked import StackedTraining

    solvers = [order.open(folder, seed, quiet) for seed, folder in folders.items()]
    try:
        joint = StackedTraining(solvers)
    except Unbatchable as error:
        say(f"trained one by one, not as one program: {error}", quiet)
        return None
    furthest_back, failures = min(solvers, key=lambda solver: solver.iteration), dict[int, str]()
    for solver, folder in zip(solvers, folders.values(), strict=True):
        if solver.iteration > furthest_back.iteration:
            say(f"{folder.name}: is at iteration {solver.iteration}, and waits there for the others", quiet)
    with ExitStack() as stack:
        stack.enter_context(handle_signals(Effects(joint, *effects)))
        title, iterations = f"training {len(solvers)} runs", furthest_back.param.max_iter
        advance = stack.enter_context(bar(title, iterations, quiet, furthest_back.iteration))
        listeners = [
            Listener(
                solver, stack.enter_context(opened_log(folder / LOG, solver)), quiet, advance, label=f"{folder.name}: "
            )
            for solver, folder in zip(solvers, folders.values(), strict=True)
        ]
        with suppress(TrainingError):  # it sums up what the records of failures have told
            for k, record in joint.solve():
                listeners[k].take(record)
                if isinstance(record, Failed):
                    failures[solvers[k].seed] = f"error: {record.message}"
    ended = []
    for listener, (seed, folder) in zip(listeners, folders.items(), strict=True):
        if listener.finished is None:
            ended.append(Ended(seed, folder, None, 1, [failures[seed]]))
            continue
        outcome = listener.outcome()
        errors = [f"error: {problem}" for problem in outcome.lacking]
        made = summary(outcome, time.perf_counter() - began)
        ended.append(Ended(seed, folder, made, 1 if errors else 0, errors))
    return ended


class Children:
    """A process for each run. What is asked of all is handed on to those that are there; none begins after a stop."""

    def __init__(self, order: Order, folders: dict[int, Path], command: Sequence[str]) -> None:
        self.order, self.folders, self.command = order, folders, command
        self._lock = threading.Lock()
        self._processes: list[subprocess.Popen[str]] = []
        self._stopping = False

    def run(self, at_once: int, effects: tuple[str, str]) -> list[Ended]:
        """All runs, `at_once` at a time, in the order of their seeds."""
        from ..solver.signals import handle_signals

        with handle_signals(Effects(self, *effects)), ThreadPoolExecutor(at_once) as pool:
            waiting = [pool.submit(self._train, seed, folder) for seed, folder in self.folders.items()]
            try:
                return [each.result() for each in waiting]
            except BaseException:  # a second Ctrl-C: leave at once
                self._stopping = True
                for process in self._processes:
                    process.kill()
                raise

    def request_stop(self) -> None:
        """Stops all runs with their snapshots."""
        self._stopping = True
        self._send("SIGTERM")

    def request_snapshot(self) -> None:
        """Takes a snapshot of all runs."""
        self._send("SIGHUP")

    def _listen(self, process: subprocess.Popen[str], label: str) -> list[str]:
        """Says the lines of a run as they come, and gives its complaints."""
        errors = []
        for line in process.stderr or ():
            if line.startswith("error: "):
                errors.append(line.rstrip())
            else:
                say(f"{label}: {line.rstrip()}")
        return errors

    def _is_stopping(self) -> bool:
        """Asked anew at each place: a signal may have come in between."""
        return self._stopping

    def _send(self, name: str) -> None:
        if sys.platform != "win32":  # there, the console tells the children itself
            for process in list(self._processes):
                if process.poll() is None:
                    process.send_signal(getattr(signal, name))

    def _train(self, seed: int, folder: Path) -> Ended:
        with self._lock:
            if self._is_stopping():
                return Ended(seed, folder, None)
            process = child.start(
                "deepcae.cli:main", *self.command, "--json", *self.order.argv(folder, seed),
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
                start_new_session=True,
            )  # fmt: skip
            self._processes.append(process)
        if self._is_stopping():
            self._send("SIGTERM")
        with process:
            errors = self._listen(process, folder.name)
            answered = process.stdout.read() if process.stdout is not None else ""
        code = process.returncode
        if code and self._is_stopping() and not errors:  # stopped before it could take a snapshot
            return Ended(seed, folder, None)
        return Ended(seed, folder, _answer_of(answered), code if code >= 0 else 1, errors)


def _answer_of(said: str) -> dict[str, Any] | None:
    """A child's answer; None where it was killed before, or while, it gave one."""
    try:
        answered: dict[str, Any] = json.loads(said)
    except ValueError:
        return None
    return answered


def _found(ended: Sequence[Ended], seconds: float) -> dict[str, Any]:
    """What the runs come to, for programs."""
    from ..solver.about import METRICS
    from ..solver.guard import is_stuck
    from ..solver.metrics import read_metrics
    from ..solver.run import Run
    from ..solver.runs import statistics, verdict

    metrics = {each.seed: read_metrics(each.folder / METRICS) for each in ended}
    finished = [each for each in ended if each.answer is not None]
    done = [each for each in finished if _is_done(Run(each.folder), each.answer)]
    tests = [_numbers(each.answer["test"]) for each in done if each.answer is not None]
    weighted = {name for told in metrics.values() for entry in told for name in _weights(entry)}
    losses = [{name: value for name, value in test.items() if name in weighted} for test in tests]
    stuck = [each.seed for each in ended if is_stuck(metrics[each.seed])]
    stable, why = verdict(losses, stuck, missing=len(ended) - len(done))
    return {
        "runs": [{"seed": each.seed, "folder": str(each.folder), **(each.answer or {})} for each in ended],
        "test": statistics(tests),
        "stable": stable,
        "why": why,
        "seconds": seconds,
    }


def _is_done(run: Any, told: dict[str, Any] | None) -> bool:
    return told is not None and told["iterations"] >= run.solver_document.message.max_iter


def _numbers(test: dict[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in test.items()}


def _weights(entry: dict[str, Any]) -> Sequence[str]:
    """The losses among a test's outputs."""
    return list(entry["weights"]) if entry["kind"] == "test" else []


def _go_on(order: Order, out: Path, ended: Sequence[Ended], batched: bool | None) -> str:
    """The command that goes on with the runs, in the same way."""
    solver = ["--solver", str(order.solver)] if order.solver is not None else []
    seeds = ["--runs", str(len(ended)), "--seed", str(ended[0].seed), "--snapshot", "latest"]
    way = [] if batched is None else ["--batched" if batched else "--separate"]
    threads = [] if order.threads is None else ["--threads", str(order.threads)]
    texts = [word for text in order.overrides for word in ("--set", text)]
    return shlex.join(["deepcae", "train", *solver, "--out", str(out), *seeds, *way, *threads, *texts])


def _tell(found: dict[str, Any], ended: Sequence[Ended], go_on: str, quiet: bool) -> None:
    for line in _complaints(ended):
        say(line)
    for name, figure in found["test"].items():
        told = f"{figure['mean']:.5g} ± {figure['std']:.2g} ({figure['least']:.5g} to {figure['greatest']:.5g})"
        say(f"test {name}: {told} over {len(ended)} runs", quiet)
    word = {True: "stable", False: "not stable", None: "no verdict on stability"}[found["stable"]]
    say(f"{word}: {found['why']}", quiet)
    unfinished = [each for each in ended if each.answer is None and not each.code]
    if unfinished or any(each.answer is not None and _stopped(each) for each in ended):
        say(f"stopped; go on with: {go_on}")


def _complaints(ended: Sequence[Ended]) -> list[str]:
    """What went wrong; with the run's folder where it is not the same in all."""
    if len({tuple(each.errors) for each in ended}) == 1:
        return ended[0].errors
    return [f"error: {each.folder.name}: {line.removeprefix('error: ')}" for each in ended for line in each.errors]


def _stopped(each: Ended) -> bool:
    from ..solver.run import Run

    return not _is_done(Run(each.folder), each.answer)
