"""Principal components of images in a file of any size: a few passes, bounded memory, numpy alone.

    x ≈ m + Vᵀ V (x - m)        V (N, D): the N directions in which the images vary most, m: their mean

Of images with few values the covariance XᵀX is summed up block by block; of few images XXᵀ is, which has the same
variances: XXᵀ u = λ u gives the direction Xᵀu / √λ. Of others neither is made: subspace iteration, Q ← orthonormal(C Q)
with C Q = Σ (x - m)(x - m)ᵀ Q, on about twice as many directions as are wanted, until the variance that they hold
stands still. Source: Halko, Martinsson, Tropp, SIAM Review 53 (2011), algorithm 4.4.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np

from ..errors import DataError

Array = np.ndarray[Any, Any]
Blocks = Callable[[], Iterator[Array]]  # each call gives the same blocks of images again, (n, D) float32

BLOCK = 2**21  # values of a block
SAMPLE = 2**28  # values that are looked at, unless there are fewer than PER_COMPONENT images for each component
KEPT = SAMPLE // 4  # values that are read once
PER_COMPONENT = 200
STRETCHES = 64  # of neighbouring images, of which a sample consists
SMALL = 1024  # values of an image, up to which the covariance is made
FEW = 1024  # images, up to which their products are, if they are read once
MORE, TWICE = 10, 2  # directions that are iterated: twice as many as wanted, and ten
STILL = 1e-6  # the relative gain of variance at which it ends
MOST_PASSES = 16


class Images(Protocol):
    """Rows that `data.open_rows` gives, or any others that can be read so."""

    total: int

    def read(self, rows: slice) -> dict[str, Array]: ...


@dataclass(frozen=True)
class Principal:
    """`mean` (D,), `components` (N, D), orthonormal (zeros where there are no more), their `variances` (N,) falling."""

    mean: Array
    components: Array
    variances: Array
    spread: float  # mean of |x - mean|²
    num_images: int  # that were looked at

    @property
    def contrast(self) -> float:
        """Root mean square of a value about its mean; 1 where all images are equal."""
        return math.sqrt(self.spread / len(self.mean)) or 1.0

    @property
    def left(self) -> float:
        """Root mean square, per value, of what the components leave; a hundredth of `contrast` at least."""
        rest = max(self.spread - float(self.variances.sum()), 0.0) / len(self.mean)
        return max(math.sqrt(rest), self.contrast / 100)

    def error(self, images: Array) -> float:
        """Mean of |x - x̂|² / 2 over `images` (n, D): what Caffe's EuclideanLoss says of PCA."""
        centred = images - self.mean
        kept = centred @ self.components.T
        return float(np.square(centred, dtype=np.float64).sum() - np.square(kept, dtype=np.float64).sum()) / (
            2 * len(images)
        )


def principal(blocks: Blocks, dims: int) -> Principal:
    """The first `dims` components of the images in `blocks`. DataError for values that are not finite."""
    count, sums = 0, np.zeros(0)
    for block in blocks():
        if not np.isfinite(block).all():
            bad = count + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
            raise DataError(f"image {bad} of those looked at holds a value that is not finite (NaN or infinite)")
        sums = (sums if count else 0) + block.sum(axis=0, dtype=np.float64)
        count += len(block)
    mean = (sums / count).astype(np.float32)
    size = len(mean)
    few = count <= FEW and count * size <= KEPT
    find = _of_covariance if size <= SMALL else _of_products if few else _of_subspace
    found, values, total = find(partial(_centred, blocks, mean), size, min(dims, size))
    held = int((values > 1e-10 * max(float(values[0]), 1e-30)).sum())  # directions in which there is something
    components, variances = np.zeros((dims, size), np.float32), np.zeros(dims)
    components[:held], variances[:held] = _signed(found[:held]), np.maximum(values[:held], 0) / count
    return Principal(mean, components, variances, total / count, count)


def _centred(blocks: Blocks, mean: Array) -> Iterator[Array]:
    for block in blocks():
        yield block - mean


def _of_covariance(blocks: Callable[[], Iterator[Array]], size: int, dims: int) -> tuple[Array, Array, float]:
    """Directions (N, D), the sums of squares along them, and their whole sum, of Σ xxᵀ itself."""
    total = np.zeros((size, size))
    for block in blocks():
        exact = block.astype(np.float64)
        total += exact.T @ exact
    values, vectors = np.linalg.eigh(total)
    return vectors.T[::-1][:dims].astype(np.float32), values[::-1][:dims], float(np.trace(total))


def _of_products(blocks: Callable[[], Iterator[Array]], size: int, dims: int) -> tuple[Array, Array, float]:
    """The same of XXᵀ, a part of the values at a time."""
    rows = np.concatenate(list(blocks()))
    parts = [rows[:, start : start + BLOCK // len(rows)] for start in range(0, size, BLOCK // len(rows))]
    total = np.zeros((len(rows), len(rows)))
    for part in parts:
        exact = part.astype(np.float64)
        total += exact @ exact.T
    values, vectors = np.linalg.eigh(total)
    values, vectors = values[::-1][:dims], vectors[:, ::-1][:, :dims]
    scaled = vectors.T / np.sqrt(np.maximum(values, np.finfo(float).tiny))[:, None]
    return np.concatenate([(scaled @ part).astype(np.float32) for part in parts], 1), values, float(np.trace(total))


def _of_subspace(blocks: Callable[[], Iterator[Array]], size: int, dims: int) -> tuple[Array, Array, float]:
    """The same by iteration, without the (D, D) matrix."""
    width = min(size, TWICE * dims + MORE)
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((size, width)).astype(np.float32))[0]
    before = 0.0
    for _ in range(MOST_PASSES):
        product, inner, total = np.zeros((size, width), np.float32), np.zeros((width, width)), 0.0
        for block in blocks():
            seen = block @ basis
            product += block.T @ seen
            inner += seen.T.astype(np.float64) @ seen
            total += float(np.square(block).sum(dtype=np.float64))
        values, turn = np.linalg.eigh(inner)
        directions = basis @ turn[:, ::-1][:, :dims].astype(np.float32)
        held = float(values[::-1][:dims].sum())
        if held - before <= STILL * held:
            break
        before, basis = held, np.linalg.qr(product)[0]
    return directions.T, values[::-1][:dims], total


def _signed(directions: Array) -> Array:
    """Each with its greatest entry positive, so that equal data give equal components."""
    greatest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1, keepdims=True), axis=1)
    signs: Array = np.where(greatest < 0, np.float32(-1), np.float32(1))
    return directions * signs


def blocks_of(
    images: Images, scaled: Callable[[Array], Array] | None = None, dims: int = 1, name: str = "data"
) -> Blocks:
    """The array `name` of `images` as flat blocks; of very many images some, in stretches spread over all.

    `scaled`: what makes of stored values those that the net is shown. What takes little memory is read once.
    """
    size = math.prod(images.read(slice(0, 1))[name].shape[1:])
    wanted = min(images.total, max(SAMPLE // size, PER_COMPONENT * dims))
    spans = list(_stretches(images.total, wanted, max(1, BLOCK // size)))

    def read() -> Iterator[Array]:
        for first, last in spans:
            rows = images.read(slice(first, last))[name].reshape(last - first, -1)
            _require_finite(images, name, first, rows)
            yield np.asarray(rows if scaled is None else scaled(rows), np.float32)

    if wanted * size > KEPT:
        return read
    kept = list(read())
    return lambda: iter(kept)


def _require_finite(images: Images, name: str, first: int, rows: Array) -> None:
    """DataError names the first image that holds another value, as its source calls it."""
    finite = np.isfinite(rows).all(axis=1)
    if not finite.all():
        row, called = first + int(np.argmin(finite)), getattr(images, "called", None)
        image = f"image {row}" if called is None else called(name, row)
        raise DataError(f"{image} holds values that are not finite (NaN or infinite); replace them, or leave it out")


def _stretches(total: int, wanted: int, most: int) -> Iterator[tuple[int, int]]:
    """Spans of at most `most` rows, `wanted` in all, in stretches that are spread evenly over `total` rows."""
    count = 1 if wanted >= total else min(STRETCHES, wanted)
    for number in range(count):
        length = wanted // count + (number < wanted % count)
        start = 0 if count == 1 else (total - length) * number // (count - 1)
        for first in range(start, start + length, most):
            yield first, min(first + most, start + length)
