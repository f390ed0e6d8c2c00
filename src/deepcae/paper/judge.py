"""What a trained network is worth, in the paper's measures: both losses on both sets, and its classes told apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..codes import classes_separated, knn_accuracy, tsne
from ..report.paper import LOSSES
from ..trained.examples import BATCH, Examples, open_examples
from ..trained.losses import reconstruction_losses
from ..trained.network import Trained
from ..trained.passes import encoded

_TINY = 1e-6  # of an interval that is clipped to, and of a spread that is none
BETTER = 0.98  # of the loss of the mean image: what a network must come below to have learned anything


def judged(trained: Trained, train: Path, test: Path, seed: int) -> dict[str, Any]:
    """Losses by set and name, those of the mean image, kNN accuracy and separated classes of the test images."""
    sets = {"train": open_examples(trained, train), "test": open_examples(trained, test)}
    found: dict[str, Any] = {name: losses(trained, examples) for name, examples in sets.items()}
    found["mean_image"] = of_mean_image(sets["train"], sets["test"])
    return {**found, **_of_codes(trained, sets["test"], seed)}


def losses(trained: Trained, examples: Examples) -> dict[str, float]:
    """Means over all images of the paper's two losses; {} of a net that restores no images."""
    found = reconstruction_losses(trained, examples)
    return {name: found[short] for name, short in zip(LOSSES, ("cross_entropy", "l2"), strict=True) if short in found}


def of_mean_image(train: Examples, test: Examples) -> dict[str, float]:
    """Both losses on the test images of a network that gives the mean training image m for each:

    -sum over pixels of x log m + (1 - x) log(1 - m), and half the sum of (x - m)^2; means over the images x.
    """
    total = sum(np.sum(images, axis=0, dtype=np.float64) for images, _ in train.batches(BATCH))
    mean = np.asarray(total) / len(train)
    clipped = np.clip(mean, _TINY, 1 - _TINY)
    entropy = squares = 0.0
    for images, _ in test.batches(BATCH):
        entropy -= float(np.sum(images * np.log(clipped) + (1 - images) * np.log1p(-clipped)))
        squares += float(np.sum((images - mean) ** 2))
    return dict(zip(LOSSES, (entropy / len(test), squares / (2 * len(test))), strict=True))


def _of_codes(trained: Trained, test: Examples, seed: int) -> dict[str, Any]:
    codes, labels = encoded(trained, test, trained.code)
    codes = codes.reshape(len(codes), -1)
    if labels is None or not np.isfinite(codes).all():
        return {"knn": None, "classes": None}
    if np.ptp(codes, axis=0).max() <= _TINY * np.abs(codes).max():  # one code for all images
        return {"knn": knn_accuracy(codes, labels), "classes": 0}
    points = codes if codes.shape[1] == 2 else tsne(codes, seed)
    separation = classes_separated(points, labels)
    apart = [row.label for row in separation.rows if row.separated]
    return {"knn": knn_accuracy(codes, labels), "classes": separation.count, "separated": apart}
