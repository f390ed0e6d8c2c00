"""Tells from the losses alone that a net has begun to learn its training data by heart.

A sequence of training losses and tests goes in, a warning comes out when all of this holds at a test:

    min(t[n-2], t[n-1], t[n]) - t[best]  >  max(3 % of |t[best]|, 6 sigma, R)   three tests in a row lie clearly above
    mean(train before best) - mean(train now)  >  2 standard errors             while the training loss went on to fall

t: a test net's losses, each the weighted total over test_iter batches; best: the test with the least. sigma: how far
single tests scatter, from how they bend: a steady trend has no second difference, and one of independent noise has
sqrt(6) times its deviation; their median over the last tests counts. R: the largest such rise that came before a better
test: what a training has once made good again proves nothing. Training losses are means over whole intervals between
tests: the one before the best, the last two now. What dropout or noise add to them is on both sides.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

ABOVE = 3  # tests in a row that lie above the best
MARGIN = 0.03  # of the best loss, at least
SIGMAS = 6.0  # of single tests, at least
ERRORS = 2.0  # standard errors by which the training loss must have fallen
INTERVALS = 2  # between tests, whose training losses make that of now
BENDS = 64  # second differences of which the median counts
_TO_SIGMA = 1.4826 / math.sqrt(6)  # median of |second difference| of normal noise → its deviation


@dataclass(frozen=True, slots=True)
class Overfit:
    """What has been found: the best test and the present one, and the training losses around each."""

    best_iteration: int
    best_loss: float
    loss: float
    train_before: float
    train_now: float


Sums = tuple[int, float, float]  # of the training losses of an interval: how many, their sum, that of their squares


class Overfitting:
    """Watches one test net of a training. What it has seen fits into a snapshot, however long the run is."""

    def __init__(self) -> None:
        self.best: tuple[int, float] | None = None  # iteration and loss
        self._since = 0  # tests after the best
        self._last: deque[float] = deque(maxlen=ABOVE)  # tests
        self._bends: deque[float] = deque(maxlen=BENDS)
        self._rise = self._undone = 0.0  # since the best; the largest before it
        self._before: list[Sums] = []  # the interval up to the best
        self._intervals: deque[Sums] = deque(maxlen=INTERVALS)
        self._now: Sums = (0, 0.0, 0.0)
        self._told = False

    def trained(self, loss: float) -> None:
        """An iteration's training loss."""
        count, total, squares = self._now
        self._now = (count + 1, total + loss, squares + loss * loss)

    def tested(self, iteration: int, loss: float) -> Overfit | None:
        """A test, before the update of `iteration`; what there is to warn of, once after each best test."""
        if self._now[0]:
            self._intervals.append(self._now)
            self._now = (0, 0.0, 0.0)
        if not math.isfinite(loss):
            return None
        if len(self._last) >= 2:
            self._bends.append(abs(loss - 2 * self._last[-1] + self._last[-2]))
        self._last.append(loss)
        if self.best is None or loss < self.best[1]:
            self.best = (iteration, loss)
            self._since, self._told = 0, False
            self._undone, self._rise = max(self._undone, self._rise), 0.0
            self._before = list(self._intervals)[-1:]
            return None
        self._since += 1
        if not self._before:  # the very first test is the best
            self._before = list(self._intervals)[-1:]
        if self._since < ABOVE:
            return None
        self._rise = max(self._rise, min(self._last) - self.best[1])
        return None if self._told else self._judge(self.best, loss)

    def _judge(self, best: tuple[int, float], loss: float) -> Overfit | None:
        sigma = _TO_SIGMA * statistics.median(self._bends)
        if min(self._last) - best[1] <= max(MARGIN * abs(best[1]), SIGMAS * sigma, self._undone):
            return None
        before, error_before = _mean(self._before)
        now, error_now = _mean(self._intervals)
        if not before - now > ERRORS * math.hypot(error_before, error_now):
            return None
        self._told = True
        return Overfit(*best, loss, before, now)

    def to_json(self) -> dict[str, Any]:
        """What it has seen so far, for a snapshot; floats as JSON's text gives them back exactly."""
        return {
            "best": self.best, "since": self._since, "last": list(self._last), "bends": list(self._bends),
            "rise": self._rise, "undone": self._undone, "before": list(self._before),
            "intervals": list(self._intervals), "now": self._now, "told": self._told,
        }  # fmt: skip

    @classmethod
    def from_json(cls, seen: dict[str, Any]) -> Overfitting:
        """Goes on from `to_json`. TypeError, ValueError or KeyError where it is damaged."""
        made = cls()
        made.best = None if seen["best"] is None else (int(seen["best"][0]), float(seen["best"][1]))
        made._since, made._told = int(seen["since"]), bool(seen["told"])
        made._last.extend(map(float, seen["last"]))
        made._bends.extend(map(float, seen["bends"]))
        made._rise, made._undone = float(seen["rise"]), float(seen["undone"])
        made._before = [_sums(each) for each in seen["before"]]
        made._intervals.extend(_sums(each) for each in seen["intervals"])
        made._now = _sums(seen["now"])
        return made


def _sums(values: Sequence[Any]) -> Sums:
    count, total, squares = values
    return int(count), float(total), float(squares)


def _mean(intervals: Sequence[Sums]) -> tuple[float, float]:
    """Mean of the training losses, and its standard error; not numbers where there are none."""
    count, total, squares = (sum(column) for column in zip(*intervals, strict=True)) if intervals else (0, 0.0, 0.0)
    if not count:
        return math.nan, math.nan
    mean = total / count
    return mean, math.sqrt(max(squares / count - mean * mean, 0.0) / count)
