"""Where the patches of an image lie: (n, 2), the row y and column x of each one's upper left pixel."""

from __future__ import annotations

import numpy as np

from .options import Options, Size


def places_in(size: Size, options: Options, image: int, rows: slice | None = None) -> np.ndarray:
    """The patches of image number `image`, of this size; with `rows`, those that lie within these rows of pixels.

    In a grid they begin at the upper left, and what is left over at the right and below holds none. By chance, seed
    and number of the image decide.
    """
    assert options.patch is not None
    first, end = (rows.start, rows.stop) if rows is not None else (0, size[0])
    height, width = end - first - options.patch[0], size[1] - options.patch[1]
    if min(height, width) < 0:
        return np.empty((0, 2), np.int64)
    if options.count is not None:
        generator = np.random.default_rng([options.seed % 2**64, 0x9A7C4, image, first])
        ys = generator.integers(0, height + 1, options.count)
        return np.stack([ys + first, generator.integers(0, width + 1, options.count)], axis=1)
    stride = options.stride or options.patch
    ys, xs = np.arange(first, first + height + 1, stride[0]), np.arange(0, width + 1, stride[1])
    return np.stack(np.meshgrid(ys, xs, indexing="ij"), axis=-1).reshape(-1, 2)


def uncovered(size: Size, options: Options) -> float:
    """The part of an image of this size that lies in no patch of the grid; 0 where patches are drawn by chance."""
    if options.patch is None or options.count is not None:
        return 0.0
    covered = 1.0
    for length, patch, stride in zip(size, options.patch, options.stride or options.patch, strict=True):
        count = max(0, length - patch) // stride + 1
        covered *= ((count - 1) * min(stride, patch) + patch) / length
    return 1 - covered


def fitting(size: Size, patch: Size) -> Size:
    """The patch nearest in size of which a whole number fills an image, but for less than one pixel each."""
    height, width = (length // max(1, round(length / each)) for length, each in zip(size, patch, strict=True))
    return height, width


def cut(image: np.ndarray, places: np.ndarray, size: Size) -> np.ndarray:
    """(n, c, *size) of (c, h, w)."""
    if not len(places):
        return np.empty((0, image.shape[0], *size), image.dtype)
    return np.stack([image[:, y : y + size[0], x : x + size[1]] for y, x in places.tolist()])
