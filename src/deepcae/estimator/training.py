"""A training in memory: the solver's loop, which keeps the best held-out test and stops where tests get no better."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from ..data.source import Feed
from ..data.stream import Stream
from ..data.transform import make_transform
from ..errors import warn
from ..net.net import Net
from ..net.weights import load_weights
from ..proto.document import Document
from ..proto.schema import TRAIN
from ..solver.records import Record, Step, Test
from ..solver.solver import Solver
from ..zoo.streams import whole_test
from .rows import ARRAY, Fed, Taken
from .texts import Fitted

Tensors = Sequence[torch.Tensor]
Told = Callable[[str], object]


@dataclass
class Optimizer:
    """What a solver remembers between two updates: `history` in its order, and the number of `iterations` done."""

    history: list[torch.Tensor]
    iteration: int = 0


@dataclass
class Course:
    """How a training went. `losses`: (iteration, mean of the training losses since the last); `tests`: held-out ones.

    `best`: the iteration whose weights are kept; `done`: all iterations that were made, by earlier trainings included.
    `first`: weights and optimizer of the first test, where training began as PCA.
    """

    net: Net
    optimizer: Optimizer
    iterations: int = 0  # that were made
    done: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    tests: list[tuple[int, float]] = field(default_factory=list)
    best: int | None = None
    first: tuple[list[torch.Tensor], Optimizer] | None = None


@dataclass
class Task:
    """What is to be trained. `begin`: tensors to go on from."""

    solver: Document
    fitted: Fitted
    images: Taken
    held_out: Taken | None
    seed: int
    device: str
    start: Any = None
    is_pca: bool = False  # with `start`
    begin: Tensors | None = None
    optimizer: Optimizer | None = None
    tell: Told | None = None

    def feed(self, net: Net, seed: int) -> Any:
        """What reads the net's data: training images in random order, held-out ones each once in a test."""
        training = net.phase == TRAIN
        rows = self.images if training or self.held_out is None else self.held_out
        size = self.fitted.batch if training else whole_test(rows.total, self.fitted.batch).batch
        change = make_transform(self.fitted.transforms[net.phase], rows.shapes[ARRAY], net.phase, (), seed)
        stream = Stream(rows, size, transform=change, shuffle=training, seed=seed)
        rest = Feed(net.sources, net.phase, (), seed)  # noise
        return Fed(stream, self.fitted.top, rest, self.fitted.shape)


def train(task: Task) -> Course:
    """Trains, and gives the net with the weights of the best held-out test; without held-out images the last.

    A KeyboardInterrupt ends the training, not the program, as soon as there is something to keep. TrainingError where
    a loss or weight is not finite.
    """
    solver = Solver(task.solver, seed=task.seed, device=task.device, feed=task.feed)
    _begin(solver, task)
    began = solver.iteration
    kept = _Kept(solver)
    course = Course(Net(task.fitted.net, "TEST", share=solver.net, device=task.device), kept.optimizer())
    try:
        watch = _Watch(solver, task, course, kept)
        for record in solver.solve():
            watch.see(record)
    except KeyboardInterrupt:
        if solver.iteration == began:
            raise
        warn(f"Training interrupted by user at iteration {solver.iteration}; what was learned so far is kept.")
    finally:
        for fed in (solver.state.train, *solver.state.tests):
            fed.feed.close()  # type: ignore[attr-defined]
    course.iterations, course.done = solver.iteration - began, solver.iteration
    course.optimizer, course.first = kept.restored(), kept.first if task.is_pca and task.start is not None else None
    return course


def _begin(solver: Solver, task: Task) -> None:
    if task.begin is None and task.start is not None:
        load_weights(solver.net, task.start)
    with torch.no_grad():
        for mine, given in zip(solver.net.tensors, task.begin or (), strict=False):
            mine.copy_(given)
        if task.optimizer is not None:
            for mine, given in zip(solver.state.updater.history, task.optimizer.history, strict=True):
                mine.copy_(given)
            solver.state.iteration = task.optimizer.iteration


class _Kept:
    """The weights of the best test, and what the solver remembered then."""

    def __init__(self, solver: Solver) -> None:
        self._solver = solver
        self._held: tuple[list[torch.Tensor], Optimizer] | None = None
        self.first: tuple[list[torch.Tensor], Optimizer] | None = None

    def optimizer(self) -> Optimizer:
        history = [blob.clone() for blob in self._solver.state.updater.history]
        return Optimizer(history, self._solver.iteration)

    def hold(self) -> None:
        self._held = [tensor.detach().clone() for tensor in self._solver.net.tensors], self.optimizer()
        self.first = self.first or self._held

    def restored(self) -> Optimizer:
        """Puts the best weights back, if a test has chosen some."""
        if self._held is None:
            return self.optimizer()
        tensors, optimizer = self._held
        with torch.no_grad():
            for mine, best in zip(self._solver.net.tensors, tensors, strict=True):
                mine.copy_(best)
        return optimizer


class _Watch:
    """Looks at the records of a training: keeps what is best, stops where nothing gets better, and tells of it."""

    def __init__(self, solver: Solver, task: Task, course: Course, kept: _Kept) -> None:
        self.solver, self.task, self.course, self.kept = solver, task, course, kept
        self._least = math.inf
        self._sum, self._count = 0.0, 0
        self._every = solver.param.test_interval or max(1, solver.param.max_iter // 20)

    def see(self, record: Record) -> None:
        if isinstance(record, Step):
            self._step(record)
        elif isinstance(record, Test):
            self._test(record)

    def _step(self, step: Step) -> None:
        self._sum, self._count = self._sum + step.loss, self._count + 1
        if (step.iteration + 1) % self._every == 0:
            self.course.losses.append((step.iteration + 1, self._sum / self._count))
            self._sum, self._count = 0.0, 0
            if self.task.held_out is None:
                self._tell(step.iteration + 1)

    def _test(self, test: Test) -> None:
        self.course.tests.append((test.iteration, test.loss))
        self._tell(test.iteration)
        if test.loss < self._least:
            self._least, self.course.best = test.loss, test.iteration
            self.kept.hold()

    def _tell(self, iteration: int) -> None:
        if self.task.tell is None:
            return
        parts = [f"iteration {iteration} of {self.solver.param.max_iter}"]
        parts += [f"loss {loss:.6g}" for _, loss in self.course.losses[-1:]]
        parts += [f"held out {loss:.6g}" for _, loss in self.course.tests[-1:]]
        self.task.tell(", ".join(parts))
