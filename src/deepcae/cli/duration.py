"""Estimates how long a training will take, from its first measured steps."""

from __future__ import annotations

import time
from collections.abc import Callable

MEASURED = 1.0  # seconds of steps that are measured
FEWEST = 3  # steps, at least
WORTH = 10.0  # seconds: a training that takes less is not told of


class Estimate:
    """Hears of iterations that are done, and of tests; says once how long the rest will take. `clock`: seconds.

    Steps and tests are measured each for themselves: total = steps x time of a step + tests x time of a test.
    """

    def __init__(
        self, begin: int, total: int, test_interval: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self.begin, self.total, self.test_interval, self.clock = begin, total, test_interval, clock
        self._last = clock()
        self._first: int | None = None  # iteration up to which nothing was measured: what is made ready on the way
        self._steps = self._stepped = self._tests = self._tested = 0.0
        self._told = False

    def tested(self) -> None:
        """A test has ended just now."""
        now = self.clock()
        self._tests, self._tested, self._last = self._tests + 1, self._tested + now - self._last, now

    def stepped(self, done: int) -> str:
        """Iterations up to `done` are over; a sentence when it is time for one, else ""."""
        now = self.clock()
        since, self._last = now - self._last, now
        if self._first is None:
            self._first = done
            return ""
        self._steps, self._stepped = done - self._first, self._stepped + since
        if self._told or self._stepped < MEASURED or self._steps < FEWEST:
            return ""
        self._told = True
        each = self._stepped / self._steps
        left = self.total - done
        tests = left // self.test_interval if self.test_interval > 0 and self._tests else 0
        seconds = left * each + (tests * self._tested / self._tests if tests else 0.0)
        if seconds < WORTH:
            return ""
        count = (
            f"{left:,} iterations more" if done > self.begin + left // 10 else f"{self.total - self.begin:,} iterations"
        )
        return f"about {about(seconds)} for {count}, {1000 * each:.3g} ms each"


def took(seconds: float) -> str:
    """What something took: `48 s`, `3 min 5 s`, `2 h 10 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def about(seconds: float) -> str:
    """In the unit that fits, with no more digits than such a guess has."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h" if seconds < 20 * 3600 else f"{seconds / 3600:.0f} h"
