"""Thirteen sets of 10,000 small images, train and test apart as in honest use: a design beside PCA, and a local PCA.

    python experiments/design/many_images.py --mnist data/mnist --neuro FOLDER [--only tissue] [--seeds 1 2]
                                             [--passes 15] [--clusters 10 50 --of 50000] [--turns] [--fifth]

Each set is learned by `ConvAutoencoder(N)` as it comes. A line of JSON for each set and seed: the error for 1,000 other
images in units of PCA's of as many dimensions, and how the race of two designs went. Those images come from other
slices, times, parts of a picture or chance draws. Of made-up images it is known what no code can hold, the noise that
was added, less N dimensions of it: `floor`, in the same units.

`--clusters` fits something else, which costs little: a PCA of N - 1 dimensions for each of so many clusters, of
which the best one is taken for each image, from `--of` images. That is a code of N numbers, too, one of which names the
cluster: so much is possible. It is no bound: where shapes move (digits, spots), a network gets much further.

`--fifth` tells, in place of that, how many dimensions PCA needs to leave a fifth less.

`--turns` tells, in place of that, how much worse PCA of a thousand images restores a thousand others, turned.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from beside_pca import Array, crops, digits, pages
from PIL import Image
from sklearn.cluster import KMeans
from sklearn.datasets import load_sample_images
from sklearn.decomposition import PCA

from deepcae import ConvAutoencoder
from deepcae.data.transform import TURNS

TRAINING, TESTED = 10_000, 1000
Draw = Callable[[int, np.random.Generator], Array]  # so many images, float32, about 0..1


@dataclass(frozen=True)
class Set:
    """`noise`: the deviation of what no code can hold, in units of the values."""

    dims: int
    training: Draw
    test: Draw
    noise: float = 0.0

    def split(self) -> tuple[Array, Array]:
        return self.training(TRAINING, np.random.default_rng(0)), self.test(TESTED, np.random.default_rng(1))


def pieces(pictures: list[Array], size: int) -> Draw:
    """Of pictures (c, H, W), 0..255."""
    return lambda count, rng: crops(pictures, count, size, size, rng).astype(np.float32) / 255


def rows_of(images: Array) -> Draw:
    """The first ones as they are stored, and any of them later on."""
    return lambda count, rng: images[:count] if count >= TESTED else images[rng.integers(len(images), size=count)]


def noisy(images: Array, noise: float, rng: np.random.Generator) -> Array:
    return (images + noise * rng.standard_normal(images.shape)).astype(np.float32)


def spots(count: int, rng: np.random.Generator) -> Array:
    """Two bright spots of one size anywhere, on noise."""
    y, x = np.mgrid[:32, :32]
    place, size = rng.random((2, 2, count, 1, 1)) * 32, 2 + 2 * rng.random((count, 1, 1))
    lit = np.exp(-((y - place[:, 0]) ** 2 + (x - place[:, 1]) ** 2) / (2 * size**2)).sum(axis=0)
    return noisy(lit[:, None], 0.05, rng)


def sprites(count: int, rng: np.random.Generator) -> Array:
    """An ellipse, a box or a cross, turned and of any size, anywhere."""
    y, x = np.mgrid[:32, :32]
    kind, turn = rng.integers(3, size=(count, 1, 1)), rng.random((count, 1, 1)) * math.pi
    place, half = 6 + 20 * rng.random((2, count, 1, 1)), 2.5 + 4 * rng.random((2, count, 1, 1))
    along = np.abs((x - place[0]) * np.cos(turn) + (y - place[1]) * np.sin(turn)) / half[0]
    across = np.abs((y - place[1]) * np.cos(turn) - (x - place[0]) * np.sin(turn)) / half[1]
    outside = np.stack([np.hypot(along, across), np.maximum(along, across), 2.2 * np.minimum(along, across)])
    outside[2] = np.maximum(outside[2], outside[1])
    chosen = np.take_along_axis(outside, kind[None], axis=0)[0]
    return noisy((1 / (1 + np.exp(8 * (chosen - 1))))[:, None], 0.02, rng)


def gratings(count: int, rng: np.random.Generator) -> Array:
    """Waves of any direction, length and phase; no two of the same."""
    y, x = np.mgrid[:24, :24]
    turn, rate, phase = rng.random((3, count, 1, 1)) * np.array([np.pi, 1.2, 2 * np.pi]).reshape(3, 1, 1, 1)
    return noisy((0.5 + 0.4 * np.sin((0.6 + rate) * (x * np.cos(turn) + y * np.sin(turn)) + phase))[:, None], 0.05, rng)


def cloth(count: int, rng: np.random.Generator) -> Array:
    """Textures: noise of one direction and coarseness each, of a chance pattern."""
    f, g = np.fft.fftfreq(32)[:, None], np.fft.fftfreq(32)[None, :]
    turn, rate, wide, narrow = rng.random((4, count, 1, 1))
    angle, centre = turn * math.pi, 0.03 + 0.12 * rate
    along, across = f * np.sin(angle) + g * np.cos(angle), f * np.cos(angle) - g * np.sin(angle)
    band = np.exp(-((np.abs(along) - centre) ** 2) / (0.01 + 0.04 * wide) ** 2 - (across / (0.02 + 0.1 * narrow)) ** 2)
    made = np.fft.ifft2(band * np.fft.fft2(rng.standard_normal((count, 32, 32)))).real
    return (0.5 + 0.2 * made / made.std(axis=(1, 2), keepdims=True)).astype(np.float32)[:, None]


def movie(count: int, rng: np.random.Generator, first: int = 0) -> Array:
    """Calcium imaging: 40 cells that flash and fade, of a field of view that shakes, above a background that swells."""
    fixed = np.random.default_rng(7)
    places, size = fixed.random((2, 40, 1, 1)) * 32, 1.2 + fixed.random((40, 1, 1))
    flashes = (np.random.default_rng([8, first]).random((count + 200, 40)) < 0.01) * fixed.uniform(0.5, 1.5, 40)
    for frame in range(1, len(flashes)):
        flashes[frame] += 0.93 * flashes[frame - 1]
    y, x = np.mgrid[:32, :32]
    made = np.empty((count, 1, 32, 32), np.float32)
    slow = 0.3 + 0.1 * np.sin(np.arange(first, first + count) / 150)
    for frame, shake in enumerate(rng.normal(0, 1.0, (count, 2))):
        cells = np.exp(-((y - places[0] - shake[0]) ** 2 + (x - places[1] - shake[1]) ** 2) / (2 * size**2))
        made[frame, 0] = slow[frame] + np.tensordot(0.1 + flashes[200 + frame], cells, 1) / 2
    return noisy(made, 0.05, rng)


def spikes(families: tuple[float, float]) -> Draw:
    """Waveforms of 48 samples: a trough and a peak behind it, a little early or late; `families`: bounds of widths."""

    def drawn(count: int, rng: np.random.Generator) -> Array:
        time = np.arange(48)
        width, ratio, late, loud, gap = rng.random((5, count, 1))
        width = families[0] + (families[1] - families[0]) * width
        middle = 16 + 6 * (late - 0.5)
        trough = -np.exp(-((time - middle) ** 2) / (2 * width**2))
        peak = (0.2 + 0.5 * ratio) * np.exp(-((time - middle - (2 + gap) * width) ** 2) / (4 * width**2))
        return noisy((0.4 + 0.6 * loud) * (trough + peak), 0.03, rng)

    return drawn


def noise(count: int, rng: np.random.Generator) -> Array:
    return rng.random((count, 1, 16, 16)).astype(np.float32)


def brain(neuro: Path) -> Array:
    """(z, y, x) of the MRI: NIfTI-1, 352 bytes of header, x fastest."""
    path = next((neuro / "mni152_mri").glob("*.nii.gz"))
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=352).reshape(189, 233, 197)


def inside(draw: Draw) -> Draw:
    """Those that are not mostly empty."""

    def drawn(count: int, rng: np.random.Generator) -> Array:
        found: list[Array] = []
        while sum(map(len, found)) < count:
            made = draw(count, rng)
            found.append(made[(made > 0.1).mean(axis=(1, 2, 3)) > 0.5])
        return np.concatenate(found)[:count]

    return drawn


def sets(neuro: Path, mnist: Path) -> dict[str, Set]:
    slices = [np.array(Image.open(each).convert("L"))[None] for each in sorted((neuro / "drosophila_em").glob("*.png"))]
    photos = [np.moveaxis(np.asarray(each), -1, 0) for each in load_sample_images().images]
    frames = np.stack(list(pages(neuro / "mouse_2p" / "mouse_2p.tif")))[:, None]
    frames = (frames / np.percentile(frames[:400], 99.9) * 255).astype(np.float32)
    volume = brain(neuro)
    behind, before = ([each[None] for each in part[40:150]] for part in (volume[:, :110], volume[:, 125:]))
    learned, tested = (rows_of(np.asarray(each, np.float32)) for each in digits(mnist, TRAINING))
    return {
        "MNIST": Set(16, learned, tested),
        "MNIST, N = 2": Set(2, learned, tested),
        "spots 32x32": Set(8, spots, spots, 0.05),
        "sprites 32x32": Set(8, sprites, sprites, 0.02),
        "gratings 24x24": Set(8, gratings, gratings, 0.05),
        "waveforms 48": Set(4, spikes((1.5, 4)), spikes((1.5, 4)), 0.03),
        "movie 32x32": Set(16, movie, lambda count, rng: movie(count, rng, 10**6), 0.05),
        "cloth 32x32": Set(16, cloth, cloth),
        "photographs 3x32x32": Set(
            16, pieces([each[:, :, :430] for each in photos], 32), pieces([each[:, :, 440:] for each in photos], 32)
        ),
        "tissue 32x32": Set(16, pieces(slices[:20], 32), pieces(slices[20:], 32)),
        "MRI 32x32": Set(16, inside(pieces(behind, 32)), inside(pieces(before, 32))),
        "calcium 32x32": Set(16, pieces(list(frames[:400]), 32), pieces(list(frames[400:]), 32)),
        "noise 16x16": Set(8, noise, noise, 12**-0.5),
    }


def flat(images: Array) -> Array:
    return np.asarray(images, float).reshape(len(images), -1)


def by_pca(each: Set, train: Array, test: Array) -> Array:
    """Squared error of each test image."""
    pca = PCA(each.dims, svd_solver="covariance_eigh").fit(flat(train))
    return np.square(flat(test) - pca.inverse_transform(pca.transform(flat(test)))).sum(axis=1)


def designed(each: Set, seed: int, passes: int | None) -> dict[str, Any]:
    """A training of the estimator."""
    train, test = each.split()
    theirs, began, said = by_pca(each, train, test), time.process_time(), StringIO()
    with redirect_stdout(said):
        fitted = ConvAutoencoder(each.dims, random_state=seed, max_iter=passes, verbose=True).fit(train)
    ours = np.square(flat(test) - flat(fitted.inverse_transform(fitted.transform(test)))).sum(axis=1)
    return {
        "seed": seed,
        "error": round(ours.sum() / theirs.sum(), 4),
        "standard_error": round((ours - theirs).std() / math.sqrt(len(test)) / theirs.mean(), 4),
        "floor": round(each.noise**2 * (test[0].size - each.dims) / theirs.mean(), 3),
        "race": " ".join(line[21:] for line in said.getvalue().splitlines() if line.startswith("race")),
        "kept": fitted.best_iteration_,
        "made": fitted.n_steps_,
        "seconds": round(time.process_time() - began),
        "learned": [float(f"{loss:.4g}") for _, loss in fitted.losses_[::4]],
        "held_out": [[at, float(f"{loss:.4g}")] for at, loss in fitted.held_out_losses_[::4]],
    }


def turned(each: Set) -> dict[str, Any]:
    """Errors of turned images, in units of those as they are: what decides how training images are turned."""
    images = each.training(2000, np.random.default_rng(0))
    pca, others = PCA(32, svd_solver="covariance_eigh").fit(flat(images[::2])), images[1::2]
    if others.ndim != 4:
        return {"turns": None}

    def error(rows: Array) -> float:
        return float(np.square(flat(rows) - pca.inverse_transform(pca.transform(flat(rows)))).mean())

    return {name: round(error(turn(others)) / error(others), 3) for name, turn in TURNS.items()}


def fifth(each: Set) -> dict[str, Any]:
    """What PCA leaves of the test images' variance, and with how many dimensions it leaves a fifth less."""
    train, test = (flat(part) for part in each.split())
    pca = PCA(svd_solver="covariance_eigh").fit(train)
    energy = np.square(pca.transform(test)).sum(axis=0)
    left = 1 - energy.cumsum() / energy.sum()
    enough = int(np.argmax(left <= 0.8 * left[each.dims - 1])) + 1
    return {"left": round(float(left[each.dims - 1]), 3), "a_fifth_less": enough}


class Flat:
    """PCA of some images: the mean, and the directions in which they vary most."""

    def __init__(self, images: Array, dims: int) -> None:
        self.mean, rng = images.mean(axis=0), np.random.default_rng(0)
        rest = images - self.mean
        found = np.linalg.qr(rng.standard_normal((rest.shape[1], dims + 10), np.float32))[0]
        for _ in range(6):
            found = np.linalg.qr(rest.T @ (rest @ found))[0]
        self.into = found @ np.linalg.eigh((rest @ found).T @ (rest @ found))[1][:, -dims:]

    def codes(self, images: Array) -> Array:
        made: Array = (images - self.mean) @ self.into
        return made

    def errors(self, images: Array) -> Array:
        rest = images - self.mean
        left: Array = np.square(rest).sum(axis=1) - np.square(rest @ self.into).sum(axis=1)
        return left


def clustered(each: Set, clusters: int, count: int) -> dict[str, Any]:
    """A PCA for each cluster: k-means of 30 components, then four rounds in which each image takes its best one."""
    train, test = (flat(part).astype(np.float32) for part in each.split())
    began, theirs = time.process_time(), by_pca(each, train, test).mean()
    if count > len(train):
        train = flat(each.training(count, np.random.default_rng(2))).astype(np.float32)
    before = by_pca(each, train, train).mean()
    codes = Flat(train, 30).codes(train)
    chosen = KMeans(clusters, n_init=1, max_iter=10, random_state=0).fit_predict(codes)
    for _ in range(4):
        counts = np.bincount(chosen, minlength=clusters)
        enough = np.flatnonzero(counts > 2 * each.dims + 10)
        spaces = [Flat(train[chosen == number], each.dims - 1) for number in enough]
        errors = np.stack([space.errors(train) for space in spaces])
        chosen = errors.argmin(axis=0)
    judged = np.stack([space.errors(test) for space in spaces]).min(axis=0).mean()
    return {
        "clusters": clusters,
        "images": len(train),
        "error": round(float(judged / theirs), 3),
        "learned": round(float(errors.min(axis=0).mean() / before), 3),
        "seconds": round(time.process_time() - began),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mnist", type=Path, default=Path("data/mnist"))
    parser.add_argument("--neuro", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of sets, or their beginnings")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1])
    parser.add_argument("--passes", type=int, help="over the training images, at most (default: as the design has it)")
    parser.add_argument("--clusters", nargs="*", type=int, help="a PCA for each of so many clusters, in place of it")
    parser.add_argument("--turns", action="store_true", help="how turned images compare, in place of it")
    parser.add_argument("--fifth", action="store_true", help="dimensions of a PCA that leaves a fifth less")
    parser.add_argument("--of", type=int, default=TRAINING, help="images that these are fitted to")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for name, each in sets(args.neuro, args.mnist).items():
        if args.only and not name.startswith(tuple(args.only)):
            continue
        told = {"set": name, "dims": each.dims}
        if args.turns:
            print(json.dumps(told | turned(each)), flush=True)
            continue
        if args.fifth:
            print(json.dumps(told | fifth(each)), flush=True)
            continue
        for clusters in args.clusters or ():
            print(json.dumps(told | clustered(each, clusters, args.of)), flush=True)
        for seed in args.seeds if args.clusters is None else ():
            print(json.dumps(told | designed(each, seed, args.passes)), flush=True)


if __name__ == "__main__":
    main()
