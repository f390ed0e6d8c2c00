"""Carries experiments out, several at a time, each in a process of its own with one thread.

    for event in Runner(store, places=2).run(experiments):
        print(event)

What is finished is not done again; what another process works on is waited for; what was cut off goes on from its last
snapshot. Nothing that a run has finished depends on this process living on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .. import jobs
from ..errors import TrainingError
from ..solver.signals import handle_signals
from .experiment import Experiment
from .store import Store
from .worker import TAKEN, THREADS, WARNING, task

_LOOK = 0.25  # seconds between two looks at the processes
_ONE_THREAD = dict.fromkeys((THREADS, "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Ended:
    """A run is finished; `found`: it was before."""

    experiment: Experiment
    result: dict[str, Any]
    found: bool = False


@dataclass(frozen=True)
class Working:
    """Iterations that are done in all runs together."""

    iterations: int


class Runner:
    """Carries out what is not finished in `store`, `places` runs at a time."""

    def __init__(self, store: Store, places: int) -> None:
        self.store = store
        self.stopped = False  # by request, with snapshots
        self.failures: list[str] = []
        self.warnings: list[str] = []  # what finished runs could not write
        self._pool = jobs.Pool(places)
        self._experiments: dict[jobs.Job, Experiment] = {}  # that are being worked on

    def request_stop(self) -> None:
        """Stops all runs with their snapshots, and begins none."""
        self.stopped = True
        self._pool.request_stop()

    def request_snapshot(self) -> None:
        """Nothing: snapshots are taken all the time."""

    def run(self, experiments: Sequence[Experiment]) -> Iterator[Ended | Working]:
        """Tells of each run once, when it is finished. TrainingError at the end names those that could not be."""
        waiting = deque({self.store.stem(each): each for each in experiments}.values())
        with handle_signals(self), self._pool:
            yield from self._run(waiting)
        if self.failures:
            raise TrainingError("; ".join(self.failures))

    def _run(self, waiting: deque[Experiment]) -> Iterator[Ended | Working]:
        done = 0
        while (waiting and not self.stopped) or self._experiments:
            for experiment, found in self._begin(waiting):
                done += experiment.iterations
                yield Ended(experiment, found, found=True)
            for ended in self._pool.ended(timeout=_LOOK):
                experiment = self._experiments.pop(ended.job)
                result = self._result(experiment, ended, waiting)
                if result is not None:
                    done += experiment.iterations
                    yield Ended(experiment, result)
            yield Working(done + sum(map(self.store.iteration, self._experiments.values())))

    def _begin(self, waiting: deque[Experiment]) -> list[tuple[Experiment, dict[str, Any]]]:
        """Begins as many as there are places for; gives those that prove to be finished."""
        finished = []
        for _ in range(len(waiting)):
            experiment = waiting.popleft()
            found = self.store.result(experiment)
            if found is not None:
                finished.append((experiment, found))
            elif self.stopped or len(self._experiments) >= self._pool.places or self.store.is_taken(experiment):
                waiting.append(experiment)
            else:
                job = jobs.Job(experiment.name, "deepcae.paper.worker:main", task(experiment, self.store), _ONE_THREAD)
                self._experiments[job] = experiment
                self._pool.start(job)
        return finished

    def _result(self, experiment: Experiment, ended: jobs.Ended, waiting: deque[Experiment]) -> dict[str, Any] | None:
        """What the process left; None where that is no result. One that another was quicker with waits again."""
        if ended.code == TAKEN:
            waiting.append(experiment)
            return None
        name, said = experiment.name, [line.removeprefix(jobs.ERROR) for line in ended.lines if line]
        self.warnings += [f"{name}: {line.removeprefix(WARNING)}" for line in said if line.startswith(WARNING)]
        found = self.store.result(experiment)
        if found is None and not self.stopped:
            why = said[-1] if said else f"its process ended with code {ended.code}"
            self.failures.append(f"{name}: {why}")
        return found
