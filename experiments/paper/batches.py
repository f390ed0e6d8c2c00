"""What the mean image would lose on each batch of 100 training images in the order of MNIST's file.

    python experiments/paper/batches.py            # data/mnist must be there: deepcae data mnist

A training in that order reads batch k mod 600 in iteration k. So batch 199 comes last before the test at iteration
5,000 or 20,000, and batch 400 is what is displayed at iterations 4,000 and 19,000.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import h5py
import numpy as np

BATCH = 100


def losses(images: np.ndarray, restored: np.ndarray) -> np.ndarray:
    """Sigmoid cross-entropy and Euclidean loss of each image."""
    entropy = -(images @ np.log(restored) + (1 - images) @ np.log(1 - restored))
    return np.stack([entropy, 0.5 * ((images - restored) ** 2).sum(1)], 1)


def batches(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, BATCH, 2).mean(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data/mnist"))
    folder = parser.parse_args().data
    train, test = (h5py.File(folder / f"{part}.h5")["data"][:].reshape(-1, 784) for part in ("train", "test"))
    train, test = train.astype(np.float64), test.astype(np.float64)
    mean = np.clip(train.mean(0), 1e-12, 1 - 1e-12)
    of_train = losses(train, mean)
    in_order, shuffled = batches(of_train), batches(np.random.default_rng(0).permutation(of_train))
    lowest, highest = in_order[:, 0].argmin(), in_order[:, 0].argmax()
    rows = {"all training images": of_train.mean(0), "all test images": losses(test, mean).mean(0)}
    for number, note in ((199, ""), (400, ""), (lowest, ", the lowest"), (highest, ", the highest")):
        rows[f"batch {number}{note}"] = in_order[number]
    print("sigmoid cross-entropy; Euclidean loss of the mean training image")
    for name, row in rows.items():
        print(f"{name:24} {row[0]:7.2f}; {row[1]:5.2f}")
    spread = f"{in_order[:, 0].std():.1f} in file order, {shuffled[:, 0].std():.1f} shuffled"
    print(f"standard deviation of the batches: {spread}")


if __name__ == "__main__":
    main()
