"""How far the images that a trained net restores are from those it was shown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..codes.judging import spread_of
from ..errors import DataError
from .examples import Examples
from .network import Trained
from .passes import batch_size, in_block

LEAST = 1e-7  # that a restored grey level is away from 0 and 1, where it is all that is known


def reconstruction_losses(
    trained: Trained, examples: Examples, progress: Callable[[int], object] | None = None
) -> dict[str, float]:
    """Means over all examples of what one image x and its restored y (both of D pixels) differ by.

    `l2` = 1/2 sum_d (y_d - x_d)^2, with its median over the images, `l2_median`, and its maximum, `l2_worst`;
    `cross_entropy` = -sum_d (x_d log y_d + (1 - x_d) log(1 - y_d)), computed from the logits where the net compares
    these. They are Caffe's EuclideanLoss and SigmoidCrossEntropyLoss (paper, Tables I and IV), whatever weights and
    normalization the net's text gives them. Left out: all where the net restores no images, `cross_entropy` where the
    restored values are not within 0..1.
    """
    try:
        restored = trained.restored
    except DataError:
        return {}
    logits = trained.logits
    entropies, most = 0.0, [0.0, 1.0]
    errors: list[np.ndarray] = []
    done = 0
    size = batch_size(trained)
    for images, _ in examples.batches(size):
        entry, fed = trained.fed(images, examples.origin)
        try:
            made = in_block(trained, entry, fed, [restored, *([logits] if logits else [])], size)
        except DataError as error:
            raise DataError(f"{examples.origin}: {error}") from None
        x = np.asarray(images, dtype=np.float64).reshape(len(images), -1)
        y = _rows(made[restored], len(images))
        if y.shape != x.shape:
            return {}
        most = [min(most[0], float(y.min())), max(most[1], float(y.max()))]
        entropy = _from_logits(_rows(made[logits], len(images)), x) if logits else _from_levels(y, x)
        entropies += float(entropy.sum())
        errors.append(0.5 * ((y - x) ** 2).sum(axis=1))
        done += len(images)
        if progress is not None:
            progress(done)
    within = {"cross_entropy": entropies / done} if most == [0.0, 1.0] else {}
    return {**within, **spread_of(np.concatenate(errors))}


def _rows(blob: np.ndarray, count: int) -> np.ndarray:
    return blob.astype(np.float64).reshape(count, -1)


def _from_logits(z: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0) - z * x + np.log1p(np.exp(-np.abs(z)))


def _from_levels(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    y = np.clip(y, LEAST, 1 - LEAST)
    return -(x * np.log(y) + (1 - x) * np.log(1 - y))
