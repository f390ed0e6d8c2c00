"""What `deepcae zoo design` reaches beside PCA of as many dimensions, fitted on the same training images.

    python experiments/design/beside_pca.py --mnist data/mnist --neuro FOLDER [--only em64 digits] [--plain]

Each set is designed and trained as the command does it, seed 1, one thread; a line of JSON for each: half the squared
error per test image by scikit-learn's PCA and by the snapshot that is kept, where that was, and the seconds.
FOLDER holds `drosophila_em/*.png`, `mouse_2p/mouse_2p.tif`, `spike_waveforms/full_data.npy` and
`cortex_cells/cubes/*/*.tif`. Digits, photographs and MNIST come from scikit-learn and `deepcae data mnist`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import h5py
import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits, load_sample_images
from sklearn.decomposition import PCA

from deepcae import Solver, zoo
from deepcae.race.race import Ground, race
from deepcae.solver.records import Test
from deepcae.zoo.streams import opened, scaling_of

Array = np.ndarray[Any, Any]
Split = tuple[Array, Array]


def crops(pictures: list[Array], count: int, height: int, width: int, rng: np.random.Generator) -> Array:
    """`count` pieces, cut anywhere out of pictures (c, H, W)."""
    found = []
    for _ in range(count):
        picture = pictures[rng.integers(len(pictures))]
        y, x = rng.integers(picture.shape[1] - height + 1), rng.integers(picture.shape[2] - width + 1)
        found.append(picture[:, y : y + height, x : x + width])
    return np.stack(found)


def shuffled(rows: Array, test: int) -> Split:
    rows = rows[np.random.default_rng(0).permutation(len(rows))]
    return rows[:-test], rows[-test:]


def pages(path: Path) -> Iterator[Array]:
    film: Any = Image.open(path)
    for number in range(film.n_frames):
        film.seek(number)
        yield np.array(film)


def tissue(neuro: Path, count: int, size: int) -> Split:
    """Patches of electron microscopy; those of the last 5 of 25 slices are the test."""
    slices = [np.array(Image.open(each).convert("L"))[None] for each in sorted((neuro / "drosophila_em").glob("*.png"))]
    rng = np.random.default_rng(0)
    return crops(slices[:20], count, size, size, rng), crops(slices[20:], 500, size, size, rng)


def film(neuro: Path) -> Split:
    """500 frames of calcium imaging; the last 100 are the test."""
    frames = np.stack(list(pages(neuro / "mouse_2p" / "mouse_2p.tif")))[:, None]
    return frames[:400], frames[400:]


def cells(neuro: Path) -> Split:
    """Planes of cubes round cells; of every fourth cube the test."""
    planes = np.stack([page for path in sorted((neuro / "cortex_cells/cubes").rglob("*.tif")) for page in pages(path)])
    tested = np.arange(len(planes)) // 20 % 4 == 3
    return planes[~tested][:, None], planes[tested][:, None]


def photographs(count: int, height: int, width: int) -> Split:
    """Pieces of two photographs; those of their right thirds are the test."""
    pictures = [np.moveaxis(np.asarray(each), -1, 0) for each in load_sample_images().images]
    rng = np.random.default_rng(0)
    left, right = [each[:, :, :440] for each in pictures], [each[:, :, 440:] for each in pictures]
    return crops(left, count, height, width, rng), crops(right, 300, height, width, rng)


def spots(count: int, test: int) -> Split:
    """Two bright spots anywhere, on noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    made = 0.05 * rng.standard_normal((count + test, 32, 32))
    for _ in range(2):
        places, size = rng.random((len(made), 2, 1, 1)) * 32, 2 + 2 * rng.random((len(made), 1, 1))
        made += np.exp(-((y - places[:, 0]) ** 2 + (x - places[:, 1]) ** 2) / (2 * size**2))
    return made[:count, None], made[count:, None]


def gratings(count: int, test: int) -> Split:
    """Waves of any direction, length and phase."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:24, :24]
    turn, rate, phase = rng.random((3, count + test, 1, 1)) * np.array([np.pi, 1.2, 2 * np.pi]).reshape(3, 1, 1, 1)
    made = 0.5 + 0.4 * np.sin((0.6 + rate) * (x * np.cos(turn) + y * np.sin(turn)) + phase)
    return made[:count, None], made[count:, None]


def digits(mnist: Path, count: int) -> Split:
    train, test = opened(mnist / "train.txt", "data"), opened(mnist / "test.txt", "data")
    assert train is not None
    assert test is not None
    return train.read(slice(0, count))["data"], test.read(slice(0, 2000 if count < 60_000 else 10_000))["data"]


def sets(neuro: Path, mnist: Path) -> dict[str, tuple[int, Callable[[], Split]]]:
    """Name → code neurons, images."""
    waves = lambda: shuffled(np.load(neuro / "spike_waveforms" / "full_data.npy"), 125)  # noqa: E731
    return {
        "spikes, rows of 48": (4, waves),
        "spikes, 1x1x48": (4, lambda: (waves()[0][:, None, None], waves()[1][:, None, None])),
        "digits 8x8": (8, lambda: shuffled(load_digits().images[:, None] / 16, 297)),
        "noise 16x16": (8, lambda: shuffled(np.random.default_rng(0).random((2500, 1, 16, 16)), 500)),
        "cells 50x50": (8, lambda: cells(neuro)),
        "calcium 64x64": (16, lambda: film(neuro)),
        "gratings 24x24": (8, lambda: gratings(1000, 400)),
        "spots 32x32": (8, lambda: spots(2000, 500)),
        "tissue 64x64, 1,000": (16, lambda: tissue(neuro, 1000, 64)),
        "photographs 3x32x32": (16, lambda: photographs(3600, 32, 32)),
        "MNIST, 500": (16, lambda: digits(mnist, 500)),
        "MNIST, 500, N = 2": (2, lambda: digits(mnist, 500)),
        "MNIST, 5,000": (16, lambda: digits(mnist, 5000)),
        "MNIST, 5,000, N = 2": (2, lambda: digits(mnist, 5000)),
        "MNIST, 5,000, N = 64": (64, lambda: digits(mnist, 5000)),
        "tissue 32x32, 12,000": (16, lambda: tissue(neuro, 12_000, 32)),
        "MNIST, 60,000": (16, lambda: digits(mnist, 60_000)),
    }


def measure(name: str, dims: int, train: Array, test: Array, plain: bool) -> dict[str, Any]:
    """PCA, and a training."""
    with TemporaryDirectory() as folder:
        for kind, rows in (("train", train), ("test", test)):
            with h5py.File(Path(folder, f"{kind}.h5"), "w") as file:
                file["data"] = rows
            Path(folder, f"{kind}.txt").write_text(f"{kind}.h5\n")
        lists = Path(folder, "train.txt"), Path(folder, "test.txt")
        images = opened(lists[0], "data")
        assert images is not None
        scaling, began = scaling_of(images), time.perf_counter()
        size: Any = train.shape[1:]
        model = zoo.build_design(size, dims, *lists, folder=folder, scaling=scaling, plain=plain)
        designed = time.perf_counter() - began
        tests = opened(lists[1], "data")
        assert tests is not None
        raced = race(model, Ground(images, tests, 1))
        model = model if raced is None else raced.model
        _, solver = zoo.write(model, folder)
        settings = "random_seed: 1 snapshot: 0 snapshot_after_train: false snapshot_best: false"
        seen = [each for each in Solver(str(solver), overrides=settings).solve() if isinstance(each, Test)]
    losses = {each.iteration: float(each.outputs["l2_error"]) for each in seen}  # type: ignore[arg-type]
    shown = [scaling.shown(rows).reshape(len(rows), -1).astype(float) for rows in (train, test)]
    fitted = PCA(dims, random_state=0).fit(shown[0])
    error = np.square(shown[1] - fitted.inverse_transform(fitted.transform(shown[1]))).sum() / (2 * len(test))
    best = min(losses, key=lambda iteration: losses[iteration])
    return {
        "set": name, "dims": dims, "images": len(train), "plain": plain, "alone": raced is not None and raced.alone_won,
        "turns": model.turns,
        "pca": float(f"{error:.5g}"), "first": round(losses[0] / error, 4), "best": round(losses[best] / error, 4),
        "at": best, "ended": max(losses), "last": round(losses[max(losses)] / error, 4),
        "seconds": round(time.perf_counter() - began), "design_seconds": round(designed, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mnist", type=Path, default=Path("data/mnist"))
    parser.add_argument("--neuro", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of sets, or their beginnings")
    parser.add_argument("--plain", action="store_true", help="the paper's way")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, (dims, load) in sets(args.neuro, args.mnist).items():
        if args.only and not name.startswith(tuple(args.only)):
            continue
        train, test = load()
        print(json.dumps(measure(name, dims, train, test, args.plain)), flush=True)


if __name__ == "__main__":
    main()
