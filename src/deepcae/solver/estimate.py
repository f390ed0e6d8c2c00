"""Estimates how long a training will take on this machine, from a few steps and tests of a trial training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ..proto.document import Document
from ..proto.read import read_solver
from ..proto.text import merge
from .solver import Solver

WARM = 2  # steps and batches that choose kernels and fill caches
LEAST, ENOUGH = 2, 0.5  # calls that count, and their seconds
ALONE = (
    "snapshot: 0 snapshot_after_train: false snapshot_best: false test_initialization: false test_interval: 2147483647"
)


@dataclass(frozen=True)
class Estimate:
    """Seconds of a training step, and of a batch of each test net."""

    step: float
    batches: tuple[float, ...] = ()

    def test(self, param: Any) -> float:
        """Seconds of a test as `param` (a SolverParameter) says it: `test_iter` batches of each test net."""
        return sum(count * seconds for count, seconds in zip(param.test_iter, self.batches, strict=False))

    def seconds(self, param: Any) -> float:
        """Of the whole training: max_iter steps, a test at every test_interval, the first and the last included."""
        tests = param.max_iter // param.test_interval + param.test_initialization if param.test_interval else 0
        return param.max_iter * self.step + tests * self.test(param)

    def within(self, seconds: float, param: Any, tests: int) -> tuple[int, int]:
        """(max_iter, test_interval) of the longest training that takes `seconds`, with so many tests, or fewer."""
        test = self.test(param)
        tests = max(1, min(tests, int(seconds / 2 / test) if test else tests))  # half of the time is for learning
        iterations = max(1, int((seconds - (tests + 1) * test) / self.step))
        interval = max(1, iterations // tests)
        return max(interval, iterations - iterations % interval), interval


def estimate(
    source: str | Path | Document, overrides: Sequence[str] = (), *, device: str = "cpu", threads: int | None = None
) -> Estimate:
    """Times a solver text with texts laid over it. Its complaints are those of `Solver`; no file stays behind."""
    document = source if isinstance(source, Document) else read_solver(source)
    for text in (*overrides, ALONE):
        merge(document, text)
    with TemporaryDirectory(prefix="deepcae-") as folder:
        solver = Solver(document, out=folder, device=device, threads=threads)
        step = _timed(solver.step)
        counts = solver.param.test_iter
        counts[:] = [1] * len(counts)
        batches = tuple(_timed(partial(solver.test, index)) for index in range(len(solver.test_nets)))
    return Estimate(step, batches)


def _timed(call: Callable[[], object]) -> float:
    """Mean seconds of a call that has been made before."""
    for _ in range(WARM):
        call()
    began, count = time.perf_counter(), 0
    while count < LEAST or time.perf_counter() - began < ENOUGH:
        call()
        count += 1
    return (time.perf_counter() - began) / count
