"""How long the training steps take, including their data, without tests, snapshots and start-up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Clock:
    """Counts the seconds of steps. The first step of a run chooses kernels and warms up: it counts only if alone."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Forgets what it has counted."""
        self._steps: list[float] = [0.0, 0.0]  # the first step, all later ones
        self._num = 0
        self._lap = (time.perf_counter(), 0)

    @contextmanager
    def step(self) -> Iterator[None]:
        """Times the block as one step."""
        began = time.perf_counter()
        yield
        self._steps[min(self._num, 1)] += time.perf_counter() - began
        self._num += 1

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Times the block as part of the steps so far: a device is waited for that had not been before."""
        began = time.perf_counter()
        yield
        self._steps[min(max(self._num - 1, 0), 1)] += time.perf_counter() - began

    def per_iteration(self) -> float:
        """Mean seconds of a step; 0 before the first."""
        if self._num <= 1:
            return self._steps[0] if self._num else 0.0
        return self._steps[1] / (self._num - 1)

    def lap(self) -> tuple[float, int]:
        """Wall seconds and number of steps since the last call (or the beginning)."""
        (began, done), now = self._lap, time.perf_counter()
        self._lap = (now, self._num)
        return now - began, self._num - done
