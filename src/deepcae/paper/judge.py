"""What a trained network is worth, in the paper's measures: both losses on both sets, and its classes told apart."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import whole_file
from ..codes import classes_separated, knn_accuracy, tsne
from ..codes.measure import NEIGHBOURS
from ..printed.tables import LOSSES
from ..report.material import FEWEST
from ..solver.chosen import LAST
from ..solver.run import Run
from ..trained.examples import BATCH, Examples, open_examples
from ..trained.losses import reconstruction_losses
from ..trained.network import Trained
from ..trained.passes import encoded

_TINY = 1e-6  # of an interval that is clipped to, and of a spread that is none


def judged(run: Run, train: Path, test: Path, seed: int) -> dict[str, Any]:
    """Losses by set and name, those of the mean image, kNN accuracy and separated classes of the test images.

    What too few images leave open is None: kNN of up to `NEIGHBOURS`, classes of less than `FEWEST`.
    """
    trained = Trained.of_run(run, snapshot=LAST)
    sets = {"train": open_examples(trained, train), "test": open_examples(trained, test)}
    found: dict[str, Any] = {name: losses(trained, examples) for name, examples in sets.items()}
    found["mean_image"] = of_mean_image(sets["train"], sets["test"])
    return {**found, **_of_codes(run, trained, sets["test"], seed)}


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


def _of_codes(run: Run, trained: Trained, test: Examples, seed: int) -> dict[str, Any]:
    codes, labels = encoded(trained, test, trained.code)
    codes = codes.reshape(len(codes), -1)
    if labels is None or not np.isfinite(codes).all():
        return {"knn": None, "classes": None}
    knn = knn_accuracy(codes, labels) if len(codes) > NEIGHBOURS else None
    if len(codes) < FEWEST:
        return {"knn": knn, "classes": None}
    if np.ptp(codes, axis=0).max() <= _TINY * np.abs(codes).max():  # one code for all images
        return {"knn": knn, "classes": 0}
    points = codes if codes.shape[1] == 2 else laid_out(codes, seed, run.folder)
    separation = classes_separated(points, labels)
    apart = [row.label for row in separation.rows if row.separated]
    return {"knn": knn, "classes": separation.count, "separated": apart}


def laid_out(codes: np.ndarray, seed: int, folder: Path) -> np.ndarray:
    """The codes' t-SNE map, (N, 2), kept in `folder`: it takes a minute, and is asked for more than once."""
    codes = np.ascontiguousarray(codes)
    digest = hashlib.sha256(f"{codes.dtype} {codes.shape} {seed}".encode() + codes.tobytes()).hexdigest()
    path = folder / f"tsne-{digest[:16]}.npy"
    try:
        return np.load(path)
    except (OSError, ValueError, EOFError):  # not there, or damaged
        places = tsne(codes, seed=seed)
    with whole_file(path) as temporary, open(temporary, "wb") as file:
        np.save(file, places)
    return places
