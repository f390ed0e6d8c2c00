"""Carries experiments out, several at a time, each in a process of its own with one thread.

    for event in Runner(store, jobs=2).run(experiments):
        print(event)

What is finished is not done again; what another process works on is waited for; what was cut off goes on from its last
snapshot. Nothing that a run has finished depends on this process living on.
"""

from __future__ import annotations

import signal
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

from .. import child
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


@dataclass
class _Process:
    experiment: Experiment
    popen: subprocess.Popen[str]
    errors: IO[str]


class Runner:
    """Carries out what is not finished in `store`, `jobs` runs at a time."""

    def __init__(self, store: Store, jobs: int) -> None:
        self.store, self.jobs = store, jobs
        self.stopped = False  # by request, with snapshots
        self.failures: list[str] = []
        self.warnings: list[str] = []  # what finished runs could not write
        self._running: list[_Process] = []

    def request_stop(self) -> None:
        """Stops all runs with their snapshots, and begins none."""
        self.stopped = True
        for process in self._running:
            process.popen.send_signal(signal.SIGINT)

    def request_snapshot(self) -> None:
        """Nothing: snapshots are taken all the time."""

    def run(self, experiments: Sequence[Experiment]) -> Iterator[Ended | Working]:
        """Tells of each run once, when it is finished. TrainingError at the end names those that could not be."""
        waiting = deque({self.store.stem(each): each for each in experiments}.values())
        with handle_signals(self):
            try:
                yield from self._run(waiting)
            finally:
                for process in self._running:  # left early: by a second Ctrl-C, or by whom it was told
                    process.popen.kill()
                    process.popen.wait()
                    process.errors.close()
        if self.failures:
            raise TrainingError("; ".join(self.failures))

    def _run(self, waiting: deque[Experiment]) -> Iterator[Ended | Working]:
        done = 0
        while (waiting and not self.stopped) or self._running:
            for experiment, found in self._begin(waiting):
                done += experiment.iterations
                yield Ended(experiment, found, found=True)
            time.sleep(_LOOK)
            for process in [each for each in self._running if each.popen.poll() is not None]:
                self._running.remove(process)
                result = self._result(process, waiting)
                if result is not None:
                    done += process.experiment.iterations
                    yield Ended(process.experiment, result)
            yield Working(done + sum(self.store.iteration(each.experiment) for each in self._running))

    def _begin(self, waiting: deque[Experiment]) -> list[tuple[Experiment, dict[str, Any]]]:
        """Begins as many as there are places for; gives those that prove to be finished."""
        finished = []
        for _ in range(len(waiting)):
            experiment = waiting.popleft()
            found = self.store.result(experiment)
            if found is not None:
                finished.append((experiment, found))
            elif self.stopped or len(self._running) >= self.jobs or self.store.is_taken(experiment):
                waiting.append(experiment)
            else:
                self._start(experiment)
        return finished

    def _start(self, experiment: Experiment) -> None:
        errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115 - closed in _result
        popen = child.start(
            "deepcae.paper.worker:main", variables=_ONE_THREAD, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=errors, text=True, start_new_session=True,
        )  # fmt: skip
        assert popen.stdin is not None
        with popen.stdin as pipe:
            pipe.write(task(experiment, self.store))
        self._running.append(_Process(experiment, popen, errors))
        if self.stopped:  # asked for while it was being started
            popen.send_signal(signal.SIGINT)

    def _result(self, process: _Process, waiting: deque[Experiment]) -> dict[str, Any] | None:
        """What the process left; None where that is no result. One that another was quicker with waits again."""
        with process.errors as file:
            file.seek(0)
            said = [line.removeprefix("error: ").strip() for line in file.read().splitlines() if line.strip()]
        if process.popen.returncode == TAKEN:
            waiting.append(process.experiment)
            return None
        name = process.experiment.name
        self.warnings += [f"{name}: {line.removeprefix(WARNING)}" for line in said if line.startswith(WARNING)]
        found = self.store.result(process.experiment)
        if found is None and not self.stopped:
            why = said[-1] if said else f"its process ended with code {process.popen.returncode}"
            self.failures.append(f"{name}: {why}")
        return found
