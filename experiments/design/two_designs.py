"""With a linear way beside the network, and without: the test error of both while they train, in units of PCA's.

    python experiments/design/two_designs.py --mnist data/mnist --neuro FOLDER [--only MNIST] [--iterations 2400]
                                            [--set 'type: "Adam" momentum: 0.9 base_lr: 0.0056']

Seed 1, one thread, a rate that falls to 0 over these iterations; a line of JSON for each design. FOLDER: see
`beside_pca.py`, whose images the first of these are. Those called `many: ...` are of `many_images.py`, of which 9,000
are learned from, as `ConvAutoencoder` does.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import torch
from beside_pca import Array, Split, digits, photographs, spots, tissue
from many_images import Set
from many_images import sets as many
from sklearn.decomposition import PCA

from deepcae import Solver, zoo
from deepcae.solver.records import Test
from deepcae.zoo.streams import opened, scaling_of


def sets(neuro: Path, mnist: Path) -> dict[str, tuple[int, int, Callable[[], Split]]]:
    """Name → code neurons, iterations, images."""
    return {
        "MNIST, N = 16": (16, 2400, lambda: digits(mnist, 10_000)),
        "MNIST, N = 2": (2, 500, lambda: digits(mnist, 10_000)),
        "spots 32x32": (8, 500, lambda: spots(2000, 500)),
        "tissue 32x32": (16, 400, lambda: tissue(neuro, 12_000, 32)),
        "photographs 3x32x32": (16, 400, lambda: photographs(12_000, 32, 32)),
        **{f"many: {name}": (each.dims, 1350, partial(most, each)) for name, each in many(neuro, mnist).items()},
    }


def most(each: Set) -> Split:
    """9,000 of 10,000 images, and those of the test."""
    train, test = each.split()
    return train[np.sort(np.random.default_rng(1).permutation(len(train))[1000:])], test


def course(dims: int, iterations: int, train: Array, test: Array, linear: bool, more: str) -> list[tuple[int, float]]:
    """(iteration, error in units of PCA's)."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for kind, rows in (("train", train), ("test", test)):
            with h5py.File(folder / f"{kind}.h5", "w") as file:
                file["data"] = rows
        images = opened(folder / "train.h5", "data")
        assert images is not None
        scaling, size = scaling_of(images), tuple(train.shape[1:])
        lists = folder / "train.h5", folder / "test.h5"
        model = zoo.build_design(size, dims, *lists, folder=folder, scaling=scaling, linear=linear)
        _, solver = zoo.write(model, folder)
        settings = f"max_iter: {iterations} test_interval: {iterations // 20} patience: 0 random_seed: 1 snapshot: 0"
        quiet = "snapshot_after_train: false snapshot_best: false"
        records = list(Solver(str(solver), overrides=f"{settings} {quiet} {more}").solve())
    shown = [scaling.shown(rows).reshape(len(rows), -1).astype(float) for rows in (train, test)]
    fitted = PCA(dims, random_state=0).fit(shown[0])
    error = np.square(shown[1] - fitted.inverse_transform(fitted.transform(shown[1]))).sum() / (2 * len(test))
    return [(each.iteration, round(float(each.loss / error), 4)) for each in records if isinstance(each, Test)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, default=Path("data/mnist"))
    parser.add_argument("--neuro", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of sets, or their beginnings")
    parser.add_argument("--iterations", type=int, help="in place of those of the table")
    parser.add_argument("--set", default="", help="fields of the solver text, in place of the design's")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, (dims, iterations, load) in sets(args.neuro, args.mnist).items():
        if args.only and not name.startswith(tuple(args.only)):
            continue
        train, test = load()
        for linear in (True, False):
            found: Any = course(dims, args.iterations or iterations, train, test, linear, args.set)
            print(json.dumps({"set": name, "dims": dims, "linear": linear, "tests": found}), flush=True)


if __name__ == "__main__":
    main()
