"""The snapshot of the best test so far, kept beside the numbered ones: `<prefix>_best.caffemodel` and the others.

With `snapshot_best: true` in the solver text. A test before the update of iteration N judges the weights that N updates
made, so the snapshot is what a numbered one at N would be: a training can go on from it. The first test net decides, by
the loss that Caffe calls "Test loss".

What is to be kept waits in memory until the next numbered snapshot, a stop, a failure or the end, and is written before
them. So a run that was killed and goes on from its newest numbered snapshot finds the best test of the time before that
on disk, and comes by itself to those that the kill lost.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import cannot_write
from ..errors import NotFinite, SnapshotError
from .guard import require_finite_state
from .kept import NEXT, commit, find_best, recorded_in
from .overfit import Overfit, Overfitting
from .records import Kept, Record, Test, Warned, WarningKind
from .remarks import Remarks
from .resume import extras_of, parts_of
from .significance import in_groups, significantly_better
from .snapshot import BEST, MANIFEST, MODEL
from .state import TrainingState


@dataclass(frozen=True)
class _Held:
    iteration: int
    loss: float
    parts: dict[str, bytes]


class Best:
    """What the tests of a training come to: the snapshot of the best, where that is wanted, and whether it overfits."""

    def __init__(self, state: TrainingState, remarks: Remarks) -> None:
        self.state, self.history, self.remarks = state, state.test_history, remarks
        self.wanted = bool(state.param.snapshot_best)
        self._held: _Held | None = None
        self._border: dict[str, Any] | None = None
        self._on_disk_later = False  # what is kept there is of a course that is given up

    @property
    def stem(self) -> str:
        return self.state.prefix + BEST

    def notes(self) -> Iterator[str]:
        """What the person should know of it before the training."""
        tests, param = self.state.tests, self.state.param
        for field, vain in (("snapshot_best", "keeps nothing"), ("patience", "stops nothing")):
            if not getattr(param, field):
                continue
            if not tests or not param.test_interval:
                yield f"{field} {vain}: the solver makes no tests (test_iter, test_interval)"
            elif not tests[0].net.loss_weights:
                yield f"{field} {vain}: test net #0 has no loss"
            elif len(tests) > 1:
                yield f"{field}: of the {len(tests)} test nets the first decides"

    def at_border(self) -> None:
        """Before the tests of an iteration, whose snapshot would have this state."""
        self._border = extras_of(self.state) if self.wanted or self.state.param.patience else None

    @property
    def border(self) -> dict[str, Any] | None:
        """What the last snapshot holds of a training whose patience ended in these tests: that they are to be made.

        So one that goes on with more patience is where it would be without that snapshot.
        """
        return self._border if self.state.gave_up else None

    def tested(self, tests: Sequence[Test], batches: Sequence[float] = ()) -> Iterator[Record]:
        """After them: holds a snapshot if the first is the best so far; warns of overfitting.

        `batches`: the losses of which the mean is that of the first.
        """
        for test in tests[:1]:
            self._hold(test, list(batches))
        for test in tests:
            found = self.history.overfitting[test.net_index].tested(test.iteration, test.loss) if test.weights else None
            if found is not None:
                yield self._warning(test, found)

    def _hold(self, test: Test, batches: list[float]) -> None:
        if not self.wanted or self._border is None or not test.weights or not math.isfinite(test.loss):
            return
        if self.history.best is not None and not self._beaten(*self.history.best, test.loss, batches):
            return
        try:
            require_finite_state(self.state.net, test.iteration, self.state.updater.history)
        except NotFinite:  # the training ends with the next update
            return
        self.history.best, self._on_disk_later = (test.iteration, test.loss), False
        self.history.first = batches if self.state.param.best_gain and not test.iteration else self.history.first
        self._held = _Held(test.iteration, test.loss, parts_of(self.state, self.stem, self._border))

    def _beaten(self, iteration: int, best: float, loss: float, batches: list[float]) -> bool:
        """Whether a test is better than the best. `best_gain`: what training began with gives way to what is surely so.

        Of many tests one is better by chance; so the loss has to fall by that share, and by a standard error.
        """
        gain, first = self.state.param.best_gain, self.history.first
        if iteration or not gain:
            return loss < best
        if len(first) < 2 or len(first) != len(batches):
            return loss < (1 - gain) * best
        return significantly_better(in_groups(np.array(first)), in_groups(np.array(batches)), gain)

    def flush(self, last: bool = False) -> Iterator[Kept | Warned]:
        """Writes what is held. A full disk does not end the training: it is tried again, but for the `last` time."""
        held = self._held
        if held is None:
            return
        try:
            snapshot = commit(self.stem, held.iteration, held.loss, held.parts)
        except OSError as error:
            message = f"the best snapshot: {cannot_write(self.stem + MODEL, error, sum(map(len, held.parts.values())))}"
            yield Warned(self.state.iteration, message, WarningKind.UNWRITTEN)
            if last:
                self.remarks.lacks(message)
            return
        self._held = None
        yield Kept(held.iteration, str(snapshot.model), held.loss)

    def _warning(self, test: Test, found: Overfit) -> Warned:
        many = len(self.history.overfitting) > 1
        of = f" of test net #{test.net_index}" if many else ""
        decides = self.history.best is not None and test.net_index == 0
        kept = f"the weights of then are kept: {Path(self.stem).name}" if decides else ""
        if decides and self.history.best is not None and self.history.best[0] != found.best_iteration:
            kept = "the first weights are kept, which those of then were not surely better than"
        if decides and self._on_disk_later:
            kept = f"{Path(self.stem).name} is of a later iteration, of the course that was given up"
        message = (
            f"overfitting: the test loss{of} was best at iteration {found.best_iteration} ({found.best_loss:.6g}), is "
            f"{found.loss:.6g} now, while the training loss fell from {found.train_before:.6g} to "
            f"{found.train_now:.6g}; {kept or 'snapshot_best: true keeps the best weights'}"
        )
        facts = {
            "net_index": test.net_index, "best_iteration": found.best_iteration, "best_loss": found.best_loss,
            "loss": found.loss, "train_before": found.train_before, "train_now": found.train_now,
        }  # fmt: skip
        return Warned(test.iteration, message, WarningKind.OVERFITTING, facts=facts)

    def restore(self, seen: dict[str, Any] | None, iteration: int) -> Iterator[str]:
        """Goes on from `to_json` at an iteration; None: of an older snapshot, which knew nothing of it."""
        self._held, self._on_disk_later = None, False
        if seen is not None:
            for index, each in enumerate(seen["tests"][: len(self.history.overfitting)]):
                self.history.overfitting[index] = Overfitting.from_json(each)
        told = None if seen is None or seen["best"] is None else (int(seen["best"][0]), float(seen["best"][1]))
        self.history.best = None
        self.history.first = [] if seen is None else list(map(float, seen.get("first", [])))
        if not self.wanted:
            return
        try:
            on_disk = self._on_disk()
        except SnapshotError as error:
            yield f"{error}; the best from here on is kept"
            return
        if on_disk is None:
            return  # of another run, or removed: the best from here on is kept
        if on_disk[0] < iteration:
            self.history.best = on_disk
            return
        self.history.best = told  # that on disk is of tests that are made again now, or of a course that is given up
        self._on_disk_later = on_disk[0] > iteration
        if self._on_disk_later:
            yield (
                f"{Path(self.stem).name} is of iteration {on_disk[0]} (test loss {on_disk[1]:.6g}), after the "
                f"{iteration} where this goes on; the first test {f'below {told[1]:.6g} ' if told else ''}replaces it"
            )

    def _on_disk(self) -> tuple[int, float] | None:
        """Iteration and test loss of what was kept."""
        following = Path(self.stem + MANIFEST + NEXT)
        if following.exists():  # it is written, and brought in place as soon as the lock is held
            return recorded_in(following)
        found = find_best(self.state.prefix)
        return None if found is None else (found.iteration, found.loss)
