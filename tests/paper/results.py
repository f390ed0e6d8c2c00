"""Made up: results as runs leave them, and images to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from deepcae.paper.experiment import Data, Experiment
from deepcae.paper.verdict import MEAN_IMAGE
from deepcae.paper.worker import CONVERGED


def result(
    network: str, dims: int, seed: int, test: tuple[float, float], outcome: str = CONVERGED,
    reasons: Sequence[str] = (), iterations: int = 20_000, classes: int = 8, seconds: float = 60.0,
) -> dict[str, Any]:  # fmt: skip
    """A finished run with these test losses: cross-entropy, Euclidean."""
    losses = {"cross_entropy_loss": test[0], "l2_error": test[1]}
    return {
        "experiment": Experiment(network, dims, seed, iterations).to_json(),
        "outcome": outcome,
        "reason": "; ".join(reasons),
        "reasons": list(reasons),
        "iterations": iterations,
        "seconds": seconds,
        "train": losses,
        "test": losses,
        "mean_image": MEAN_IMAGE,
        "knn": 0.9,
        "classes": classes,
    }


def write_images(folder: Path, seed: int = 0, test: int = 12) -> Data:
    """30 images to learn from, `test` to test with."""
    generator = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for name, rows in (("train", 30), ("test", test)):
        with h5py.File(folder / f"{name}.h5", "w") as file:
            file["data"] = generator.random((rows, 1, 28, 28), dtype=np.float32)
            file["label"] = np.arange(rows, dtype=np.float32) % 3
        (folder / f"{name}.txt").write_text(f"{name}.h5\n")
    return Data(folder / "train.txt", folder / "test.txt", folder / "pairs")
