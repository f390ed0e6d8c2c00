"""One fit: from the arrays that a caller gives to a training by the solver."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ..data.axes import Axes, axes_of
from ..data.heldout import enough
from ..data.kept import StoredRows
from ..data.misread import counts_last, is_one_picture
from ..data.scaling import Scaling, learn
from ..data.stored import Stored
from ..data.transform import Transform, make_transform
from ..errors import warn
from ..proto.document import Document
from ..proto.schema import TEST
from ..race.race import Ground, Lay, race
from ..trained.examples import Examples
from ..trained.network import Trained
from ..zoo.designed import DesignedModel
from . import chosen
from .fair import fairly
from .heldout import Parts, parts_of
from .refused import RefusedData
from .rows import ARRAY, Shown, Taken, all_rows
from .texts import Fitted, Texts, Wanted, for_arrays, limit, solver_for, texts_for
from .training import Course, Optimizer, Task, Tensors, train

FEW = 5  # images from which on some are held out
FAR = 20.0  # times the range of nearly all values
HELD_OUT = 10  # at least, of fifty images and more


@dataclass(frozen=True)
class Settings:
    """The estimator's parameters, as far as they concern a training."""

    dims: int
    architecture: Any
    image_shape: Any
    solver: Any
    epochs: int | None
    batch: int | None
    device: str
    held_out: float
    patience: int | None
    tell: Callable[[str], object] | None
    seed: int


@dataclass(frozen=True)
class Last:
    """What a fit leaves, for the next one and for use: all of it can be pickled."""

    axes: Axes
    dims: int
    scaling: Scaling
    texts: Texts
    fitted: Fitted
    optimizer: Optimizer

    @property
    def change(self) -> Transform | None:
        """What is done to rows before the net is shown them."""
        return make_transform(self.fitted.transforms[TEST], self.axes.image, TEST, (), 0)

    def undone(self, images: np.ndarray) -> np.ndarray:
        """The inverse of `change`, float32."""
        change = self.change
        if change is None:
            return images
        rows = images / np.float32(change.scale)
        return rows if change.mean is None else rows + change.mean

    def laid(self, rows: Stored) -> StoredRows:
        """The rows as the net reads them, whatever layout they come in. DataError where that is not clear."""
        return all_rows(fairly(rows, self.axes_of(rows), at_random=False))

    def axes_of(self, rows: Stored) -> Axes:
        """How these rows lie: as those of the fit, or in any other layout of the same images."""
        axes, row = self.axes, rows.shape[1:]
        if row == axes.given:
            return axes
        if not axes.is_image:
            told = (
                f"X has {math.prod(row)} features, but ConvAutoencoder is expecting {axes.given[0]} features as input"
            )
            raise RefusedData(told)
        if len(row) == 1 and axes.image[0] > 1 and row[0] == math.prod(axes.image):
            raise RefusedData(f"X has flat rows, the fit was on images of {axes.given}: reshape X to images")
        return axes_of(rows.shape, axes.image)


class Fit:
    """A fit of `rows`; `last` and `weights`: of the one that it goes on from."""

    def __init__(
        self, settings: Settings, rows: Stored, last: Last | None = None, weights: Tensors | None = None
    ) -> None:
        self.settings, self._last, self._weights = settings, last, weights
        self.axes = axes_of(rows.shape, settings.image_shape) if last is None else last.axes_of(rows)
        self._check(rows.shape[0])
        if last is None and settings.image_shape is None and self.axes.order == "hw" and counts_last(rows):
            height, width, count = rows.shape
            warn(
                f"X is read as {height} images of {width}x{count}; but by its values the first two axes look like "
                f"height and width: numpy.moveaxis(X, -1, 0) are {count} images of {height}x{width}"
            )
        if last is None and settings.image_shape is None and is_one_picture(rows):
            height, width = rows.shape
            warn(
                f"X is read as {height} rows of {width} features; but by its values it looks like one picture. "
                "Images are (n, height, width)"
            )
        self._array = fairly(rows, self.axes, at_random=True)
        self._rows = all_rows(self._array)

    def _check(self, total: int) -> None:
        dims, values = self.settings.dims, math.prod(self.axes.image)
        if dims > values:
            raise RefusedData(f"n_components={dims} must be at most n_features={values}")
        if total < 2:
            raise RefusedData(f"Found array with n_samples={total}, one image; at least 2 are needed to learn from")
        if self._last is None and dims > total:
            warn(f"n_components={dims} with {total} images: such codes can be learned by heart; take fewer numbers")
        if self._last is not None and self._last.dims != dims:
            raise RefusedData(f"n_components={dims}, but the last fit had {self._last.dims}; it cannot go on from that")

    def train(self) -> Course:
        """Trains on most images, and chooses the best weights by the others."""
        parts = self._parts()
        self._prepare(parts.training, parts.held_out, parts)
        solver = solver_for(self.texts, self.fitted, self._wanted, self.settings.seed, self.settings.patience)
        if self.settings.epochs is not None:
            limit(solver, self.settings.epochs * self.per_pass)
        course = self._train(solver, self.settings.seed, None)
        if self._held_out is not None:
            shown = Shown(self._held_out, self.left(course).change)
            said = chosen.choose(course, Trained(course.net, "fit", []), Examples(shown, ARRAY, None, "X"), parts)
            if said and self.settings.tell is not None:
                self.settings.tell(said)
        return course

    def one_pass(self) -> Course:
        """One pass over all images, at one rate, with the optimizer as it was left."""
        everything = np.arange(self._rows.total)
        self._prepare(everything, everything[:0])
        optimizer = None if self._last is None else self._last.optimizer
        done = 0 if optimizer is None else optimizer.iteration
        seed = (self.settings.seed + done) % 2**31  # another order in each pass
        solver = solver_for(self.texts, self.fitted, self._wanted, seed)
        solver.message.lr_policy = "fixed"
        limit(solver, done + self.per_pass)
        return self._train(solver, seed, optimizer)

    def _parts(self) -> Parts:
        """Training and held-out images."""
        total, share = self._rows.total, self.settings.held_out
        most = min(total - 2, enough(math.prod(self.axes.image)))
        count = 0 if not share or total < FEW else min(max(round(share * total), min(HELD_OUT, total // 5)), most)
        found = parts_of(self._rows, count, self.settings.seed)
        if found.stretch is not None and self.settings.tell is not None:
            self.settings.tell("neighbouring images resemble each other: stretches are held out, not single images")
        return found

    def _prepare(self, training: np.ndarray, held_out: np.ndarray, parts: Parts | None = None) -> None:
        """Scaling and texts, or those of the last fit. `parts`: the images, where two designs may be compared."""
        settings, last = self.settings, self._last
        self._images = Taken(self._rows, training)
        self._held_out = Taken(self._rows, held_out) if len(held_out) else None
        self.scaling = learn(self._array, training, seed=settings.seed) if last is None else last.scaling
        if last is None and self.scaling.constant:
            warn(f"X is constant, {self.scaling.why}: there is nothing to be learned")
        elif last is None and self.scaling.beyond > FAR:
            warn(f"X has values far from all others, which may rule the training ({self.scaling.why}): clip them")
        self._wanted = Wanted(self.axes.image, settings.dims, self._rows, len(held_out), self.scaling, settings.batch)
        choose = None if parts is None else partial(self._race, parts)
        self.texts = (
            texts_for(settings.architecture, settings.solver, self._wanted, choose) if last is None else last.texts
        )
        self.fitted = for_arrays(self.texts.net, self.axes.image, self.scaling, settings.batch, len(training))
        self.per_pass = -(-len(training) // self.fitted.batch)

    def _race(self, parts: Parts, model: DesignedModel, lay: Lay) -> DesignedModel:
        """Of two designs the one that is ahead."""
        if self._held_out is None or model.rival is None:
            return model
        settings, per_pass = self.settings, -(-self._images.total // (self.settings.batch or model.plan.batch))
        iterations = None if settings.epochs is None else settings.epochs * per_pass
        found = race(model, Ground(
            self._images, self._held_out, settings.seed, settings.device, iterations=iterations,
            independent=parts.means, lay=lay,
        ))  # fmt: skip
        if found is None:
            return model
        if settings.tell is not None:
            settings.tell(f"race of two designs: {found}")
        return found.model

    def _train(self, solver: Document, seed: int, optimizer: Optimizer | None) -> Course:
        settings = self.settings
        return train(Task(
            solver, self.fitted, self._images, self._held_out, seed, settings.device,
            self.texts.start, self.texts.is_pca, self._weights, optimizer, settings.tell,
        ))  # fmt: skip

    def left(self, course: Course) -> Last:
        """What the next fit may go on from; the weights are the net's."""
        texts = replace(self.texts, start=None)
        return Last(self.axes, self.settings.dims, self.scaling, texts, self.fitted, course.optimizer)
