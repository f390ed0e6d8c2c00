"""How far the images that a trained net restores are from those it was shown."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import DataError
from .examples import Examples
from .network import Trained
from .passes import batch_size, in_block

LEAST = 1e-7  # that a restored grey level is away from 0 and 1, where it is all that is known


def reconstruction_losses(
    trained: Trained, examples: Examples, progress: Callable[[int], object] | None = None
) -> dict[str, float]:
    """Means over all examples of what one image x and its restored y (both of D pixels) differ by.

    `l2` = 1/2 sum_d (y_d - x_d)^2;  `cross_entropy` = -sum_d (x_d log y_d + (1 - x_d) log(1 - y_d)), computed from the
    logits where the net compares these. They are Caffe's EuclideanLoss and SigmoidCrossEntropyLoss (paper, Tables I and
    IV), whatever weights and normalization the net's text gives them. Left out: both where the net restores no images,
    `cross_entropy` where the restored values are not within 0..1.
    """
    try:
        restored = trained.restored
    except DataError:
        return {}
    logits = trained.logits
    sums, most = np.zeros(2), [0.0, 1.0]
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
        sums += [0.5 * ((y - x) ** 2).sum(), entropy.sum()]
        done += len(images)
        if progress is not None:
            progress(done)
    l2, cross_entropy = (sums / done).tolist()
    within = most == [0.0, 1.0]
    return {"cross_entropy": cross_entropy, "l2": l2} if within else {"l2": l2}


def _rows(blob: np.ndarray, count: int) -> np.ndarray:
    return blob.astype(np.float64).reshape(count, -1)


def _from_logits(z: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0) - z * x + np.log1p(np.exp(-np.abs(z)))


def _from_levels(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    y = np.clip(y, LEAST, 1 - LEAST)
    return -(x * np.log(y) + (1 - x) * np.log(1 - y))
