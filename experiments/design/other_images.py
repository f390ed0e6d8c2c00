"""Is `ConvAutoencoder` ever worse than PCA, for images that neither has seen?

    python experiments/design/other_images.py --neuro FOLDER [--only waves cells] [--seeds 1 2]

Both learn from the same small set, with nothing configured; PCA is scikit-learn's. A line of JSON for each set and
seed: the error for other images in units of PCA's, the standard error of that, and the iteration that was kept (0: PCA
itself). FOLDER: see `beside_pca.py`, whose images these are.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from beside_pca import Array, Split, cells, film, gratings, photographs, shuffled, spots, tissue
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from deepcae import ConvAutoencoder


def few(split: Split, count: int) -> Split:
    """`count` of the training images."""
    train, test = split
    return train[np.random.default_rng(1).permutation(len(train))[:count]], test


def sets(neuro: Path) -> dict[str, tuple[int, Callable[[], Split]]]:
    """Name → code neurons, images."""
    waves = lambda: shuffled(np.load(neuro / "spike_waveforms" / "full_data.npy"), 125)  # noqa: E731
    digits = lambda: shuffled(load_digits().images[:, None] / 16, 297)  # noqa: E731
    return {
        "waves, 40": (4, lambda: few(waves(), 40)),
        "waves": (4, waves),
        "waves, N = 16": (16, waves),
        "digits 8x8, 100": (16, lambda: few(digits(), 100)),
        "digits 8x8": (16, digits),
        "noise 16x16": (16, lambda: shuffled(np.random.default_rng(0).random((600, 1, 16, 16)), 300)),
        "cells 50x50, 40": (16, lambda: few(cells(neuro), 40)),
        "cells 50x50": (8, lambda: cells(neuro)),
        "gratings 24x24": (8, lambda: gratings(300, 300)),
        "spots 32x32": (8, lambda: spots(300, 300)),
        "tissue 32x32": (16, lambda: tissue(neuro, 300, 32)),
        "photographs 3x32x32": (16, lambda: photographs(300, 32, 32)),
        "calcium 64x64": (16, lambda: film(neuro)),
        "calcium 64x64, N = 2": (2, lambda: film(neuro)),
    }


def flat(images: Array) -> Array:
    return np.asarray(images, float).reshape(len(images), -1)


def measure(name: str, dims: int, seed: int, train: Array, test: Array) -> dict[str, Any]:
    """One fit beside PCA."""
    fitted = ConvAutoencoder(dims, random_state=seed).fit(train)
    pca = PCA(dims, random_state=0).fit(flat(train))
    shown = flat(test)
    ours = np.square(shown - flat(fitted.inverse_transform(fitted.transform(test)))).sum(axis=1)
    theirs = np.square(shown - pca.inverse_transform(pca.transform(shown))).sum(axis=1)
    chance = (ours - theirs).std() / np.sqrt(len(test)) / theirs.mean()
    return {
        "set": name, "dims": dims, "images": len(train), "seed": seed, "error": round(ours.sum() / theirs.sum(), 4),
        "standard_error": round(chance, 4), "kept": fitted.best_iteration_, "made": fitted.n_steps_,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--neuro", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of sets, or their beginnings")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1])
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, (dims, load) in sets(args.neuro).items():
        if args.only and not name.startswith(tuple(args.only)):
            continue
        train, test = load()
        for seed in args.seeds:
            print(json.dumps(measure(name, dims, seed, train, test)), flush=True)


if __name__ == "__main__":
    main()
