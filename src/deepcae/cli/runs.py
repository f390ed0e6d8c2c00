"""`deepcae train --runs K`: several trainings of one text, what they come to together, and whether that is stable.

On a GPU they are one program (`solver.stacked`). On a CPU each is a job in a process of its own with one thread, which
uses the cores better than one run on all of them; its files are those of a single `deepcae train`.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer

from ..errors import TrainingError
from ..jobs import Job, Pool
from ..solver.about import LOG
from .argv import FOR_ALL
from .options import Output, cores
from .screen import answer, bar, say
from .training import Effects, Listener, TrainingOptions, opened_log, summary

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
    options: TrainingOptions,
    out: Path,
    seed: int | None,
    count: int,
    batched: bool | None,
    output: Output,
) -> None:
    """Trains the runs, says what they come to, and ends with the worst of their exit codes."""
    from ..solver.about import SOLVER
    from ..solver.begin import beginning, solver_text
    from ..solver.runs import folder_of, require_apart

    seeds, quiet = _seeds(options, out, seed, count), output.quiet
    folders = {each: folder_of(out, each) for each in seeds}
    for folder in folders.values():
        if options.solver is not None or (folder / SOLVER).exists():
            require_apart(*solver_text(options.solver, folder, options.overrides), count)
    if options.snapshot is None:
        for folder in folders.values():
            beginning(solver_text(options.solver, folder, options.overrides)[0], folder, None, options.overwrite)
    on_gpu = options.device.startswith("cuda")
    ended = _together(options, folders, quiet, context.obj) if batched or (batched is None and on_gpu) else None
    if ended is None:
        each = replace(options, threads=options.threads or 1)
        ended = _apart(each, folders, 1 if on_gpu else _at_once(count, each.threads or 1), quiet, _allowed(context))
    found = _found(ended, time.perf_counter() - context.obj)
    _tell(found, ended, _go_on(options, out, ended, batched), quiet)
    if output.json:
        answer(found)
    worst = max(each.code for each in ended)
    if worst:
        raise typer.Exit(worst)


def _allowed(context: typer.Context) -> dict[str, bool]:
    """What the switches for every command say."""
    given = context.parent.params if context.parent else {}
    names = [switch.removeprefix("--").replace("-", "_") for switch in FOR_ALL]
    return {name: bool(given.get(name)) for name in names}


def _seeds(options: TrainingOptions, out: Path, seed: int | None, count: int) -> list[int]:
    """S, S+1, …: S the one given, the text's random_seed, that of the runs that are gone on with, or one drawn."""
    from ..solver.begin import solver_text

    first = seed
    if first is None and options.solver is not None:
        given = solver_text(options.solver, out, options.overrides)[0].message.random_seed
        first = given if given >= 0 else None
    if first is None and options.snapshot is not None:
        names = (path.parent.name.removeprefix("seed-") for path in out.glob("seed-*/run.json"))
        first = min((int(name) for name in names if name.isdigit()), default=None)
    if first is None:
        first = int.from_bytes(os.urandom(3), "little")
    return list(range(first, first + count))


def _at_once(count: int, threads: int) -> int:
    """How many processes run at a time: all where they are few, else as many as there are cores for."""
    places = max(1, cores() // threads)
    return count if count <= CROWD * places else places


def _together(options: TrainingOptions, folders: dict[int, Path], quiet: bool, began: float) -> list[Ended] | None:
    """The runs as one program; None where that cannot be."""
    from ..net.stack import Unbatchable
    from ..solver.records import Failed
    from ..solver.signals import handle_signals
    from ..solver.stacked import StackedTraining

    solvers = [options.open(folder, seed, quiet) for seed, folder in folders.items()]
    try:
        joint = StackedTraining(solvers)
    except Unbatchable as error:
        say(f"trained one by one, not as one program: {error}", quiet)
        return None
    options.tell_place(next(iter(folders.values())), quiet)
    furthest_back, failures = min(solvers, key=lambda solver: solver.iteration), dict[int, str]()
    for solver, folder in zip(solvers, folders.values(), strict=True):
        if solver.iteration > furthest_back.iteration:
            say(f"{folder.name}: is at iteration {solver.iteration}, and waits there for the others", quiet)
    with ExitStack() as stack:
        stack.enter_context(handle_signals(Effects(joint, *options.effects)))
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


def _apart(
    options: TrainingOptions, folders: dict[int, Path], at_once: int, quiet: bool, allowed: dict[str, bool]
) -> list[Ended]:
    """A process for each run, `at_once` at a time, in the order of their seeds."""
    from ..solver.signals import handle_signals

    if len(folders) > at_once:
        turns = math.ceil(len(folders) / at_once)
        say(f"{len(folders)} runs, {at_once} at a time: all take about {turns} times as long as the first says", quiet)
    pool = Pool(at_once, lambda job, line: say(f"{job.name}: {line}"))
    task = {"options": options.to_json(), "quiet": quiet, **allowed}
    runs = [
        Job(folder.name, "deepcae.cli.worker:main", {**task, "folder": str(folder), "seed": seed})
        for seed, folder in folders.items()
    ]
    with handle_signals(Effects(pool, *options.effects)):
        found = {each.job: each for each in pool.run(runs)}
    ended = []
    for job, (seed, folder) in zip(runs, folders.items(), strict=True):
        each = found.get(job)
        if each is None or (each.code and pool.stopping and not each.errors):  # stopped before it had a snapshot
            ended.append(Ended(seed, folder, None))
        else:
            killed = [f"error: its process was killed by signal {-each.code}"] if each.code < 0 else []
            code, errors = (1 if killed else each.code), each.errors + killed
            ended.append(Ended(seed, folder, _answer_of(each.answer), code, errors))
    return ended


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


def _go_on(options: TrainingOptions, out: Path, ended: Sequence[Ended], batched: bool | None) -> str:
    """The command that goes on with the runs, in the same way."""
    solver = ["--solver", str(options.solver)] if options.solver is not None else []
    seeds = ["--runs", str(len(ended)), "--seed", str(ended[0].seed), "--snapshot", "latest"]
    way = [] if batched is None else ["--batched" if batched else "--separate"]
    threads = [] if options.threads is None else ["--threads", str(options.threads)]
    texts = [word for text in options.overrides for word in ("--set", text)]
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
