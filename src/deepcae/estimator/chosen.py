"""Which weights a fit keeps: those of the best held-out test, if they are surely better than the first ones.

A designed net begins as PCA. The best of many tests on a few images is better by chance alone; so what was learned has
to restore the held-out images better than PCA does by more than that, or PCA it stays.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ..solver.significance import significantly_better
from ..trained.examples import Examples
from ..trained.network import Trained
from ..trained.passes import batch_size, in_block
from .heldout import Parts
from .training import Course

KEPT = "kept: PCA, with which the training began; what was learned restores held-out images not surely better"


def restored(trained: Trained, examples: Examples) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Images and restored images (N, D) of each batch, as the net is shown them, float64."""
    size = batch_size(trained)
    for images, _ in examples.batches(size):
        entry, fed = trained.fed(images, "X")
        made = in_block(trained, entry, fed, [trained.restored], size)[trained.restored]
        yield _flat(images), _flat(made)


def errors(trained: Trained, examples: Examples) -> np.ndarray:
    """½ |x - x̂|² of each image (n,)."""
    return np.concatenate([np.square(x - made).sum(axis=1) / 2 for x, made in restored(trained, examples)])


def choose(course: Course, trained: Trained, held_out: Examples, parts: Parts) -> str:
    """Puts the first weights back, unless the best are surely better for held-out images; says where they are back."""
    if course.first is None or course.best is None or len(held_out) < 2:
        return ""
    if course.best == course.tests[0][0]:
        return KEPT
    tensors, optimizer = course.first
    best = [tensor.detach().clone() for tensor in course.net.tensors]
    after = errors(trained, held_out)
    _put(course, tensors)
    if significantly_better(parts.means(errors(trained, held_out)), parts.means(after)):
        _put(course, best)
        return ""
    course.best, course.optimizer = course.tests[0][0], optimizer
    return KEPT


def _put(course: Course, tensors: list[torch.Tensor]) -> None:
    with torch.no_grad():
        for mine, given in zip(course.net.tensors, tensors, strict=True):
            mine.copy_(given)


def _flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1).astype(np.float64)
