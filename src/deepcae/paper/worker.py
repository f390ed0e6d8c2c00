"""One run in a process of its own, which finds its task as JSON on standard input. Its files tell what came of it.

The process ends with exit code 0 when the result is kept or when it was asked to stop (then a snapshot is), 1 when the
training could not be carried out, 75 when another process works on the run. A training that comes upon a value that
is not finite is no fault: that is its result.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ..atomic import whole_file
from ..errors import DataError, DeepcaeError, Incomplete, NotFinite, SpecError, TrainingError
from ..proto.read import read_solver
from .experiment import JUDGING, PAIRS, Data, Experiment
from .store import Store

DONE, FAILED, TAKEN = 0, 1, 75
WARNING = "warning: "  # how a line begins that tells what a finished run could not write
THREADS = "OMP_NUM_THREADS"
CONVERGED, STUCK, NO_BETTER, NOT_FINITE = "converged", "stuck", "no better than the mean image", "not finite"


def task(experiment: Experiment, store: Store) -> dict[str, Any]:
    """What the process finds on its standard input, as JSON."""
    data = store.data
    paths = {"out": store.out, "train": data.train, "test": data.test, "pairs": data.pairs}
    fields = {name: str(path) for name, path in paths.items()}
    return {**fields, "experiment": experiment.to_json(), "parent": os.getpid()}


def main() -> int:
    """Carries out the task on standard input; the exit code."""
    told = json.loads(sys.stdin.read())
    data = Data(Path(told["train"]), Path(told["test"]), Path(told["pairs"]))
    store, experiment = Store(Path(told["out"]), data), Experiment.from_json(told["experiment"])
    lock = store.lock(experiment)
    try:
        lock.acquire()
    except TrainingError:
        return TAKEN
    try:
        if store.result(experiment) is None:
            carry_out(experiment, store, told["parent"])
        return DONE
    except (DeepcaeError, OSError) as error:
        _say(f"error: {error}")
        return FAILED
    finally:
        lock.release()


def _say(line: str) -> None:
    """On stderr, if it takes lines: a full disk there ends no run."""
    with suppress(OSError):
        print(line, file=sys.stderr, flush=True)


def carry_out(experiment: Experiment, store: Store, parent: int) -> dict[str, Any] | None:
    """Trains, or goes on from the last snapshot; judges; keeps and gives the result. None: stopped, with a snapshot.

    `parent`: the process that wants the run; without it, it stops.
    """
    from ..solver.run import Run
    from .judge import judged

    began = time.perf_counter()
    folder = store.run(experiment)
    ended = _ended(experiment, folder) or _train(experiment, store, folder, parent)
    if ended is None:
        return None
    result = {**ended, **_about(experiment, store)}
    if ended["outcome"] != NOT_FINITE:
        run = Run(folder)
        found = judged(run, store.data.train, store.data.test, experiment.seed)
        result |= _outcome(run, found)
    result["seconds_in_all"] = time.perf_counter() - began
    store.keep(experiment, result)
    _forget_earlier(Run(folder))
    return result


def _ended(experiment: Experiment, folder: Path) -> dict[str, Any] | None:
    """What is to be told of a training that was done with before, and cut off while it was judged."""
    from ..solver.about import ABOUT
    from ..solver.run import Run

    if not (folder / ABOUT).exists():
        return None
    try:
        run = Run(folder)
        last, snapshot = (run.metrics() or [{}])[-1], run.latest_snapshot()
    except (DataError, SpecError):  # damaged: the training goes on from its snapshot, and writes it anew
        return None
    if last.get("kind") != "finished" or snapshot is None:
        return None
    done = last["iteration"] == snapshot.iteration == experiment.iterations
    return _trained(last["iteration"], last["seconds_per_iteration"]) if done else None


def _trained(iterations: int, seconds_per_iteration: float) -> dict[str, Any]:
    """The seconds are left out where nothing is known of them: nothing was left to do but the last record."""
    told = {**_ended_as(CONVERGED), "iterations": iterations}
    return {**told, "seconds": seconds_per_iteration * iterations} if seconds_per_iteration else told


def _ended_as(outcome: str, *reasons: str) -> dict[str, Any]:
    """`reason` is all of the `reasons`, as one sentence for people."""
    return {"outcome": outcome, "reason": "; ".join(reasons), "reasons": list(reasons)}


def _train(experiment: Experiment, store: Store, folder: Path, parent: int) -> dict[str, Any] | None:
    from ..solver.nets import keep_to
    from ..solver.records import Finished
    from ..solver.run import snapshot_prefix
    from ..solver.signals import handle_signals
    from ..solver.snapshot import latest
    from ..solver.solver import Solver

    texts = _write_texts(experiment, store, folder / "model")
    document = keep_to(read_solver(texts), texts.parent)  # not what the working directory has by that name
    resumed = latest(snapshot_prefix(document, folder)) is not None
    solver = Solver(document, out=folder, seed=experiment.seed, snapshot="latest" if resumed else None, keep=2)
    finished = None
    try:
        with handle_signals(solver):
            for record in solver.solve():
                finished = record if isinstance(record, Finished) else finished
                if os.getppid() != parent:  # whoever wanted the run is gone
                    solver.request_stop()
    except NotFinite as error:
        return {**_ended_as(NOT_FINITE, str(error)), "iterations": solver.iteration}
    except Incomplete as error:  # no fault of the weights, unless it is they that are missing
        if solver.training.saves.last is None or solver.training.saves.last.iteration < solver.iteration:
            raise
        for problem in error.problems:
            _say(f"{WARNING}{problem}")
    if finished is None or finished.iteration < experiment.iterations:
        return None
    return _trained(finished.iteration, finished.seconds_per_iteration)


def _write_texts(experiment: Experiment, store: Store, folder: Path) -> Path:
    from ..data.datasets import write_pairs

    data = store.data
    if experiment.network == PAIRS and not all(path.exists() for path in data.pair_lists):
        write_pairs(data.pair_lists[0].parent, (data.train, data.test))
    net, solver = experiment.texts(data, folder)
    for name, text in (("net.prototxt", net), ("solver.prototxt", solver)):
        with whole_file(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return folder / "solver.prototxt"


def _outcome(run: Any, found: dict[str, Any]) -> dict[str, Any]:
    """What was `found`, and whether the training converged; what the guard said of one that did not."""
    from ..solver.guard import is_stuck
    from .verdict import converged

    sets = ("train", "test")
    wrong = [f"{name} of {part}" for part in sets for name, loss in found[part].items() if not math.isfinite(loss)]
    if wrong:
        rest = {name: value for name, value in found.items() if name not in sets}
        return {**rest, **_ended_as(NOT_FINITE, f"not finite: {', '.join(wrong)}")}
    metrics = run.metrics()
    warned = [entry["message"] for entry in metrics if entry["kind"] == "warned"]
    if converged(found):
        return {**found, **_ended_as(CONVERGED, *warned)}
    if is_stuck(metrics):
        return {**found, **_ended_as(STUCK, *warned)}
    return {**found, **_ended_as(NO_BETTER, *(warned or ["the guard saw no layer that is saturated or constant"]))}


def _about(experiment: Experiment, store: Store) -> dict[str, Any]:
    """What was computed, and by what."""
    from ..kernels.choice import in_force

    return {
        "name": experiment.name,
        "key": experiment.key(store.data),
        "experiment": experiment.to_json(),
        "data": store.data.digest,
        "judging": JUDGING,
        "kernels": in_force(),
        "threads": int(os.environ.get(THREADS, "0")) or None,
        "torch": version("torch"),
        "deepcae": version("deepcae"),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def _forget_earlier(run: Any) -> None:
    """Removes all snapshots but the newest: what is left can be looked at and gone on with."""
    from ..solver.snapshot import MANIFEST, Snapshot, iterations

    latest = run.latest_snapshot()
    if latest is not None:
        for iteration in iterations(run.prefix, MANIFEST):
            snapshot = Snapshot.recorded(f"{run.prefix}_iter_{iteration}")
            for part in (MANIFEST, *snapshot.parts) if snapshot.iteration != latest.iteration else ():
                snapshot.path(part).unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
