"""Six shapes of images, each learned without a word of configuration, beside PCA and a plain PyTorch auto-encoder.

    python experiments/design/six_shapes.py [--shapes 1x28x28 …] [--dims 16] [--no-plain] [--json FILE]

Each row: `ConvAutoencoder(16).fit(images)` as it comes. All three learn from the same images, have the same number of
dimensions, and are judged by others: half the squared error per image, of scaled values. The plain one is what one
writes by hand: convolutions with stride 2 and ELU down to 7 pixels, two linear layers, the mirror image of it back,
Adam at 0.001, as many presentations of an image as the estimator had. All its layers are as wide as makes it as large
as what the designed network trains. Its last weights count; the estimator holds out a tenth of the images to choose its
own.

The images are made up: two to four blobs and a grating at any angle, channels that mix both, a little noise.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import nn

from deepcae import ConvAutoencoder

IMAGES = {"1x28x28": 1000, "3x64x64": 600, "1x100x75": 600, "2x33x47": 1000, "3x120x80": 400, "1x512x512": 100}
TESTED = 100
SIDE, WIDEST = 7, 64  # pixels and, at width 1, channels at which the plain one ends


def images(shape: tuple[int, int, int], count: int, seed: int) -> np.ndarray:
    """float32 (count, *shape), about 0..1."""
    draw = np.random.default_rng(seed)
    height, width = shape[1:]
    longer = max(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / longer
    made = draw.normal(0, 0.02, (count, *shape)).astype(np.float32)
    for image in made:
        blobs = np.zeros((height, width), np.float32)
        for _ in range(draw.integers(2, 5)):
            cy, cx, size = draw.random() * height / longer, draw.random() * width / longer, draw.uniform(0.05, 0.15)
            blobs += draw.uniform(0.4, 1) * np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * size * size))
        angle, waves, phase = draw.random() * math.pi, draw.uniform(3, 7), draw.random() * 2 * math.pi
        grating = 0.5 + 0.5 * np.sin(2 * math.pi * waves * (math.cos(angle) * x + math.sin(angle) * y) + phase)
        for channel in image:
            mix = draw.uniform(0.2, 1)
            channel += mix * blobs + 0.3 * (1 - mix) * grating
    return made


def plain(shape: tuple[int, int, int], dims: int, wide: float) -> nn.Sequential:
    """Convolutions, two linear layers, and back. `wide`: a factor of their channels and neurons."""
    channels, height, width = shape
    counts, sizes, down, wished = [channels], [(height, width)], [], max(16, 4 * channels)
    while max(height, width) > SIDE:
        counts.append(max(1, round(wide * wished)))
        wished = min(WIDEST, 2 * wished)
        down += [nn.Conv2d(counts[-2], counts[-1], 3, 2, 1), nn.ELU()]
        height, width = (height + 1) // 2, (width + 1) // 2
        sizes.append((height, width))
    flat = counts[-1] * height * width
    hidden = max(dims, round(wide * max(4 * dims, math.isqrt(round(flat / wide) * dims))))
    middle = [nn.Flatten(), nn.Linear(flat, hidden), nn.ELU(), nn.Linear(hidden, dims)]
    middle += [nn.Linear(dims, hidden), nn.ELU(), nn.Linear(hidden, flat), nn.ELU()]
    up: list[nn.Module] = [nn.Unflatten(1, (counts[-1], height, width))]
    for level in range(len(counts) - 1, 0, -1):
        missing = [wanted - (2 * size - 1) for wanted, size in zip(sizes[level - 1], sizes[level], strict=True)]
        up += [nn.ConvTranspose2d(counts[level], counts[level - 1], 3, 2, 1, output_padding=tuple(missing)), nn.ELU()]
    return nn.Sequential(*down, *middle, *up[:-1])


def as_large(shape: tuple[int, int, int], dims: int, wanted: int) -> nn.Sequential:
    """The plain one whose parameters are nearest to `wanted`."""

    def size(wide: float) -> int:
        with torch.device("meta"):
            return size_of(plain(shape, dims, wide).parameters())

    low, high = 0.05, 20.0
    for _ in range(30):  # it grows with the width
        middle = math.sqrt(low * high)
        low, high = (middle, high) if size(middle) < wanted else (low, middle)
    return plain(shape, dims, min(low, high, key=lambda wide: abs(size(wide) - wanted)))


def size_of(tensors: Iterable[torch.Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def half_squared(made: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    return (made - images).square().sum() / (2 * len(images))


def by_hand(
    train: np.ndarray, test: np.ndarray, dims: int, wanted: int, steps: int, batch: int
) -> tuple[float, int, float]:
    """Test error, parameters (about as `wanted`) and seconds of the plain one."""
    torch.manual_seed(0)
    net = as_large(train.shape[1:], dims, wanted)  # type: ignore[arg-type]
    began = time.perf_counter()
    learned, judged = torch.from_numpy(train), torch.from_numpy(test)
    rule, order = torch.optim.Adam(net.parameters(), 1e-3), torch.Generator().manual_seed(0)
    for _ in range(steps):
        shown = learned[torch.randint(len(learned), (batch,), generator=order)]
        rule.zero_grad()
        half_squared(net(shown), shown).backward()
        rule.step()
    with torch.no_grad():
        error = np.mean([float(half_squared(net(part), part)) for part in judged.split(10)])
    return float(error), size_of(net.parameters()), time.perf_counter() - began


def measured(name: str, dims: int, seed: int, beside: bool) -> dict[str, Any]:
    """A row of the table. `beside`: with the plain one."""
    shape = tuple(map(int, name.split("x")))
    count = IMAGES[name]
    made = images(shape, count + TESTED, seed)  # type: ignore[arg-type]
    train, test, began = made[:count], made[count:], time.perf_counter()
    estimator = ConvAutoencoder(dims, random_state=seed).fit(train)
    seconds = time.perf_counter() - began
    error = float(estimator.reconstruction_error(test).mean())
    shown, judged = estimator.scaling_.shown(train), estimator.scaling_.shown(test)
    pca = PCA(dims, svd_solver="randomized", iterated_power=7, random_state=seed).fit(shown.reshape(count, -1))
    flat = judged.reshape(TESTED, -1)
    left = float(np.square(flat - pca.inverse_transform(pca.transform(flat))).sum() / 2 / TESTED)
    batch = estimator._fit_.fitted.batch
    trained = size_of(blob.tensor for blob in estimator.net_.learnable if blob.lr_mult)
    steps = estimator.n_steps_
    hand, parameters, hand_seconds = by_hand(shown, judged, dims, trained, steps, batch) if beside else (math.nan, 0, 0)
    return {
        "shape": name, "images": count, "deepcae": error, "pca": left, "plain": hand,
        "parameters": size_of(estimator.net_.tensors), "trained": trained, "plain_parameters": parameters,
        "iterations": steps, "best": estimator.best_iteration_, "batch": batch,
        "seconds": seconds, "plain_seconds": hand_seconds,
    }  # fmt: skip


def line(row: dict[str, Any]) -> str:
    return (
        f"| {row['shape']} | {row['images']} | {row['deepcae']:.4g} | {row['pca']:.4g} | {row['plain']:.4g} "
        f"| {row['trained']:,} / {row['plain_parameters']:,} | {row['iterations']} x {row['batch']} "
        f"| {row['seconds']:.0f} / {row['plain_seconds']:.0f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", nargs="+", default=list(IMAGES), choices=list(IMAGES))
    parser.add_argument("--dims", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-plain", action="store_true", help="leave the plain PyTorch one out, which takes longest")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    print("| shape | images | deepcae | PCA | plain PyTorch | trained parameters | iterations x batch | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    rows = []
    for name in args.shapes:
        rows.append(measured(name, args.dims, args.seed, not args.no_plain))
        print(line(rows[-1]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
