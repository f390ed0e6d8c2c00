"""How many threads a training uses. Where results do not depend on it, it uses the number that is faster now.

Two threads that share a product wait for each other; where other programs want the same cores, one is often faster.
So the steps are timed now and then with half and with twice as many, in turn with the number in use, and the faster one
is kept. Nothing but the time depends on it: what runs is the compiled core (`tape.tape`, `steady`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import median

import torch

from ..kernels.native import at_most

MARGIN = 1.1  # how many times as fast another number must be
FIRST, LONGEST = 0.5, 30.0  # seconds of steps between two comparisons, at the beginning and in the end
SHARE = 40  # and at least so many times as long as a comparison takes
BLOCK = 0.01  # seconds that a number is tried at a time, but one step at least
BLOCKS = 4  # of each number


@dataclass
class _Trial:
    """Blocks of steps of two numbers of threads, in turn."""

    numbers: tuple[int, int]  # the one in use, the other
    steps: int  # in a block
    times: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))  # of blocks, per step
    done: int = 0
    spent: float = 0.0

    @property
    def turn(self) -> int:
        return len(self.times[0]) - len(self.times[1])

    def add(self, seconds: float) -> bool:
        """Whether it is over."""
        self.done, self.spent = self.done + 1, self.spent + seconds
        if self.done == self.steps:
            self.times[self.turn].append(self.spent / self.steps)
            self.done, self.spent = 0, 0.0
        return len(self.times[1]) == BLOCKS


class Pace:
    """`threads`: the number in use, at most `most`. `clock`: seconds. `changes`: of that number, in sentences."""

    def __init__(self, most: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.most, self.threads, self.clock = most, most, clock
        self.changes: list[str] = []
        self._trial: _Trial | None = None
        self._since = self._last = 0.0  # seconds of steps since the last comparison; of the last step
        self._wait, self._up = FIRST, False

    @contextmanager
    def step(self) -> Iterator[None]:
        """Times the block as one step, with the threads that are due."""
        trial = self._trial
        with at_most(self.threads if trial is None else trial.numbers[trial.turn]):
            began = self.clock()
            yield
            seconds = self.clock() - began
        if trial is None:
            self._since, self._last = self._since + seconds, seconds
            if self._since >= self._wait:
                self._try()
        elif trial.add(seconds):
            self._decide(trial)

    def _try(self) -> None:
        """Half as many, and twice as many, by turns."""
        self._up = not self._up
        others = [min(2 * self.threads, self.most), max(self.threads // 2, 1)]
        other = next(n for n in (others if self._up else others[::-1]) if n != self.threads)
        self._trial = _Trial((self.threads, other), max(1, round(BLOCK / max(self._last, 1e-6))))

    def _decide(self, trial: _Trial) -> None:
        (now, other), (mine, its) = trial.numbers, map(median, trial.times)
        cost = trial.steps * sum(map(sum, trial.times))
        if its * MARGIN < mine:
            self.threads, self._wait = other, max(FIRST, SHARE * cost / 4)
            self.changes.append(
                f"{_threads(other)} from now on, which take {1e3 * its:.3g} ms where {now} take {1e3 * mine:.3g}; "
                "no result depends on it"
            )
        else:
            self._wait = min(max(LONGEST, SHARE * cost), max(2 * self._wait, SHARE * cost))
        self._trial, self._since = None, 0.0


def _threads(number: int) -> str:
    return f"{number} thread{'s' * (number > 1)}"


class Threads:
    """A training's: `exactly` so many; None: as many as PyTorch has, or fewer where nothing depends on it.

    `is_steady`: tells whether results are the same bits with any number, those of the passes and with `True` of the
    tests, too. None: whoever computes is no CPU.
    """

    def __init__(self, exactly: int | None, is_steady: Callable[[bool], bool] | None) -> None:
        self.exactly, self.is_steady = exactly, is_steady
        if exactly is not None:
            torch.set_num_threads(exactly)
        self._pace: Pace | None = None
        self.changes: list[str] = []  # of their number, in sentences, until somebody takes them

    def begin(self) -> str:
        """Before the first step: what there is to say of them."""
        number = torch.get_num_threads()
        if self.is_steady is None or self.exactly is not None or number == 1:
            return ""
        if self.is_steady(False):
            self._pace = Pace(number)
            self.changes = self._pace.changes
            return f"{_threads(number)}, or fewer while those are faster: no result of the training depends on it"
        return f"{_threads(number)} to the end: results depend on their number (--threads chooses it)"

    def step(self) -> AbstractContextManager[None]:
        """One step with as many as are due."""
        return nullcontext() if self._pace is None else self._pace.step()

    def go_on_with(self, recorded: int) -> Iterator[str]:
        """Takes a snapshot's number where results depend on it and nobody has chosen one; what is to be said of it."""
        now = torch.get_num_threads()
        if recorded == now or self.is_steady is None or self.is_steady(True):
            return
        if self.exactly is None:
            torch.set_num_threads(recorded)
            yield f"goes on with {_threads(recorded)}, as the run began, not {now}: its results depend on the number"
        else:
            yield f"the snapshot was made with {_threads(recorded)}, this run has {now}: its last bits may differ"
