"""Recognises from the losses alone that a net has begun to learn its training data by heart.

A sequence of training losses and tests goes in, a warning comes out when all of this holds at a test:

    rise = min(t[n-2], t[n-1], t[n]) - t[best]  >  max(3 % of |t[best]|, R)      three tests in a row lie above the best
    rise * f  >  3 s sqrt(min(k, 30)) (1 + 3/m)                                  by more than noise can make of it
    mean(r before best) - mean(r now)  >  2 standard errors                      while the training loss went on to fall

t: a test net's losses, each the weighted total over test_iter batches; best: the test with the least, k tests ago.
R: the largest such rise that came before a better test: what a training has once made good again proves nothing.
r: training losses of whole intervals between tests: the one before the best, the last two now. What dropout or noise
add to them is on both sides.

Noise that is not forgotten from test to test goes up and down for long, as a real rise does. So the worst is taken for
granted, that nothing of it is forgotten: a random walk with steps of deviation s is s sqrt(k) away after k tests. Noise
that is forgotten goes less far; after 30 tests even what keeps 0.95 of itself has no further to go. s comes from how
the tests bend, which a steady trend leaves out: m second differences, each of deviation sqrt(2) s for a walk, and of
more, sqrt(3) s, for independent noise; their median counts, and few of them count for less.

f: 1, but within 8 tests of the best the factor by which the training loss fell, over 1.5, from 1 to 4: noise and
plateaus leave it where it is, and a net that learns by heart does not.

How often that alarms for nothing, and how soon where it should: benchmarks/overfitting.py, docs/05-training.md.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

ABOVE = 3  # tests in a row that lie above the best
MARGIN = 0.03  # of the best loss, at least
DEVIATIONS = 3.0  # of a random walk, at least
MEMORY = 30  # tests after which noise goes no further
FEW = 3.0  # second differences that make the bound twice as large
AT_ONCE = 8  # tests after the best in which the fall of the training loss counts as evidence
HALVES, MOST = 1.5, 4.0  # from which factor of it on, and the most that it counts
ERRORS = 2.0  # standard errors by which the training loss must have fallen
INTERVALS = 2  # between tests, whose training losses make that of now
BENDS = 24  # second differences of which the median counts: noise becomes less as a training settles
_TO_STEP = 1.4826 / math.sqrt(2)  # median of |second difference| of a random walk → deviation of its steps


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

    @property
    def since(self) -> int:
        """Tests after the best one."""
        return self._since

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
        rise = min(self._last) - best[1]
        if not self._bends or rise <= max(MARGIN * abs(best[1]), self._undone):
            return None
        before, error_before = _mean(self._before)
        now, error_now = _mean(self._intervals)
        if not before - now > ERRORS * math.hypot(error_before, error_now):
            return None
        if rise * self._weight(before, now) <= DEVIATIONS * self._wandering():
            return None
        self._told = True
        return Overfit(*best, loss, before, now)

    def _wandering(self) -> float:
        """How far noise may have gone since the best test, one deviation."""
        step = _TO_STEP * statistics.median(self._bends)
        return step * math.sqrt(min(self._since, MEMORY)) * (1 + FEW / len(self._bends))

    def _weight(self, before: float, now: float) -> float:
        """What the fall of the training loss adds to the evidence of a rise: a factor."""
        if self._since > AT_ONCE:
            return 1.0
        return min(max(before / now / HALVES, 1.0), MOST) if now else MOST

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


@dataclass
class TestHistory:
    """What the tests of a training have shown. `best`: iteration and loss of the first test net's best test.

    `first`: that net's losses of each batch before the first update, where they may have to be surely beaten.
    """

    overfitting: list[Overfitting]  # one for each test net
    best: tuple[int, float] | None = None
    first: list[float] = field(default_factory=list)
    strange: list[int] = field(default_factory=list)  # nets whose data were told to differ from the train net's

    def trained(self, loss: float) -> None:
        """An iteration's training loss."""
        for watch in self.overfitting:
            watch.trained(loss)

    def to_json(self) -> dict[str, Any]:
        return {"best": self.best, "first": self.first, "tests": [watch.to_json() for watch in self.overfitting]}


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
