"""A race of two designs: both learn for a short while, and held-out images tell which of them goes on.

A network beside a linear way begins as PCA. For some images, as handwritten digits, that way is soon a brake: the same
network alone is ahead after some hundred iterations. For others, as photographs, it does not come to PCA for long. The
images alone tell which they are, and the first of a training tells of the rest: docs/15-design.md.

The network alone wins only where it restores held-out images surely better than PCA does. What it has learned is then
the beginning of its training, so what a training keeps is never worse.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..data.ahead import Ahead
from ..data.stream import Rows, Stream
from ..data.transform import Transform, make_transform
from ..net.net import Net
from ..net.weights import load_weights, to_message
from ..proto.document import Document
from ..proto.read import read_net_text, read_solver_text
from ..proto.schema import TEST, TRAIN, LayerParameter
from ..solver.significance import in_groups, significantly_better
from ..solver.solver import Solver
from ..trained.network import Trained
from ..trained.passes import batch_size, half_squared, in_block
from ..zoo.designed import DesignedModel
from ..zoo.schedule import SHORTEST, trial, trial_within

DATA, RESTORED = "data", "restored"
MOST = 5000  # held-out images that judge
CHUNK = 10  # iterations at a time
_UNUSED = ("net", "weights", "test_iter", "test_interval", "snapshot", "snapshot_best", "patience", "display")

Lay = Callable[[Document], object]


@dataclass(frozen=True)
class Ground:
    """What is raced on. `images`, `held_out`: as stored; `independent`: held-out errors (n,) → means that are so.

    `seconds`: that the race may take; `iterations`: of the training, where they are not the text's; `length`:
    iterations of the race, where they do not follow from these, 0 for none. `lay`: lays a person's fields over a solver
    text. `tell`: is told how many iterations are done, of how many.
    """

    images: Rows
    held_out: Rows
    seed: int
    device: str = "cpu"
    threads: int | None = None
    seconds: float = math.inf
    iterations: int | None = None
    length: int | None = None
    independent: Callable[[np.ndarray], np.ndarray] = in_groups
    lay: Lay = lambda document: None
    tell: Callable[[int, int], object] = lambda done, total: None


@dataclass(frozen=True)
class Raced:
    """`model`: what goes on. `pca`: its held-out error; `beside`, `alone`: those of the two after `iterations`, in
    units of that.
    """

    model: DesignedModel
    iterations: int
    pca: float
    beside: float
    alone: float
    alone_won: bool

    def __str__(self) -> str:
        found = f"{self.iterations} iterations each; held-out error {self.beside:.3f} of PCA's beside the linear way"
        what = "which is left out" if self.alone_won else "which stays"
        return f"{found}, {self.alone:.3f} without it: {what}"

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "iterations": self.iterations,
            "pca": self.pca,
            "beside_pca": self.beside,
            "alone": self.alone,
            "winner": "alone" if self.alone_won else "beside_pca",
        }


def race(model: DesignedModel, ground: Ground) -> Raced | None:
    """Lets `model` and its rival learn for a while; None where it has none, or that would take too long."""
    rival, iterations = model.rival, trial(_planned(model, ground)) if ground.length is None else ground.length
    if rival is None or not iterations:
        return None
    with _lap(model, ground, 0) as lap:
        pca = lap.errors()
        if math.isfinite(ground.seconds):
            iterations = trial_within(iterations, ground.seconds, lap.pace())
            if not iterations:
                return None
        lap.learn(iterations)
        beside = lap.errors()
    with _lap(rival, ground, iterations) as lap:
        lap.learn(iterations)
        alone = lap.errors()
        won = bool(alone.mean() < beside.mean()) and significantly_better(pca, alone)
        chosen = rival.begun(to_message(lap.net)) if won else replace(model, rival=None)
    unit = float(pca.mean()) or 1.0
    return Raced(chosen, iterations, float(pca.mean()), float(beside.mean()) / unit, float(alone.mean()) / unit, won)


def _planned(model: DesignedModel, ground: Ground) -> int:
    """Iterations of the training."""
    document = read_solver_text(model.solver_text, "solver")
    ground.lay(document)
    return int(document.message.max_iter) if ground.iterations is None else ground.iterations


class _Lap:
    """One design on the ground, at the beginning of its training. `before`: iterations of the race that are done."""

    def __init__(self, model: DesignedModel, ground: Ground, before: int) -> None:
        self.ground, self._before = ground, before
        net, changes = _by_hand(model)
        shape = ground.images.shapes[DATA]
        learned, self._change = (
            make_transform(changes[phase], shape, phase, (), ground.seed) for phase in (TRAIN, TEST)
        )
        document = read_solver_text(model.solver_text, "solver")
        ground.lay(document)
        param = document.message
        for field in _UNUSED:
            param.ClearField(field)
        param.net_param.CopyFrom(net)
        param.snapshot_prefix, param.max_iter = "race", _planned(model, ground)
        batch = net.layer[0].input_param.shape[0].dim[0]
        self._fed = _feed(ground, batch, learned)
        self._solver = Solver(
            document, seed=ground.seed, device=ground.device, threads=ground.threads, feed=lambda *_: self._fed
        )
        load_weights(self._solver.net, model.start)
        self.net = Net(net, "TEST", share=self._solver.net, device=ground.device)

    def pace(self) -> float:
        """Seconds of an iteration, behind one that warms up; of a few, but no more than tell that there is no time."""
        self._solver.step(1)
        most = CHUNK * self.ground.seconds / (2 * SHORTEST)  # that CHUNK of the shortest race have
        began, done, gone = time.perf_counter(), 0, 0.0
        while done < CHUNK and gone <= most:
            self._solver.step(1)
            done, gone = done + 1, time.perf_counter() - began
        return gone / done

    def learn(self, iterations: int) -> None:
        """Until so many are made."""
        while self._solver.iteration < iterations:
            self._solver.step(min(CHUNK, iterations - self._solver.iteration))
            self.ground.tell(self._before + self._solver.iteration, 2 * iterations)

    def errors(self) -> np.ndarray:
        """½ |x - x̂|² of held-out images, less what depends on each other."""
        trained, rows = Trained(self.net, "race", []), self.ground.held_out
        size = batch_size(trained)
        found = []
        for wanted in _judging(rows.total, size):
            shown = rows.read(wanted)[DATA]
            shown = shown if self._change is None else self._change(shown, 0)
            found.append(half_squared(in_block(trained, DATA, shown, [RESTORED], size)[RESTORED], shown))
        return self.ground.independent(np.concatenate([each for each in found if each is not None]))

    def close(self) -> None:
        if isinstance(self._fed, Ahead):
            self._fed.close()


@contextmanager
def _lap(model: DesignedModel, ground: Ground, before: int) -> Iterator[_Lap]:
    lap = _Lap(model, ground, before)
    try:
        yield lap
    finally:
        lap.close()


def _judging(total: int, size: int) -> Iterator[slice | np.ndarray]:
    """All rows, or some that are spread evenly over them, `size` at a time."""
    if total <= MOST:
        yield from (slice(start, min(start + size, total)) for start in range(0, total, size))
        return
    some = np.linspace(0, total - 1, MOST).astype(int)
    yield from (some[start : start + size] for start in range(0, MOST, size))


def _feed(ground: Ground, batch: int, change: Transform | None) -> Stream | Ahead[Any]:
    stream = Stream(ground.images, batch, transform=change, shuffle=True, seed=ground.seed)
    return stream if stream.at_hand else Ahead(stream.batch)


def _by_hand(model: DesignedModel) -> tuple[Any, dict[int, Any]]:
    """The net, an Input layer in place of its data layers, and what these do to rows, by phase."""
    message = read_net_text(model.net_text).message
    readers = [layer for layer in message.layer if layer.HasField("hdf5_data_param")]
    changes = {layer.include[0].phase: layer.transform_param for layer in readers}
    kept = [layer for layer in message.layer if not layer.HasField("hdf5_data_param")]
    fed = LayerParameter(name=DATA, type="Input", top=[DATA])
    batch = next(layer.hdf5_data_param.batch_size for layer in readers if layer.include[0].phase == TRAIN)
    fed.input_param.shape.add().dim.extend([batch, *model.plan.given])
    del message.layer[:]
    message.layer.extend([fed, *kept])
    return message, changes
