"""Codes that need no network: the pixels by PCA, t-SNE and UMAP. To be judged beside learned ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import DataError
from .judging import TEST, TRAIN, Part, Subject, spread_of

MEMORY = 2**29  # bytes of pixels that a baseline is fitted to, at most
MAP = 5_000  # training images of which t-SNE and UMAP make a map, at most: their time
DENOISED = 50  # principal components in which t-SNE and UMAP look for neighbours


def pca_of_pixels(train: Part, test: Part, dims: int, seed: int = 0) -> Subject:
    """z = (x - mean) V, V: the `dims` directions of largest variance of the training images; x^ = z V^T + mean.

    `l2` = (1/2M) sum_i |x^_i - x_i|^2 over the M test images, the same loss as the networks'. DataError for more
    dimensions than pixels or training images. Source: Pearson 1901; scikit-learn's PCA computes it.
    """
    train, test, pixels, tested = _pixels(train, test, TRAIN, seed)
    model = _pca(pixels, dims, seed)
    codes = model.transform(tested)
    errors = 0.5 * ((model.inverse_transform(codes) - tested) ** 2).sum(axis=1, dtype=np.float64)
    return Subject(
        f"PCA, N = {dims}", replace(test, codes=codes), replace(train, codes=model.transform(pixels)), spread_of(errors)
    )


def tsne_of_pixels(train: Part, test: Part, seed: int = 0, *, n_jobs: int = 1) -> Subject:
    """t-SNE (see `embed.tsne`) of `MAP` training images, in which the test images are then placed one by one.

    A test image begins at the median of its 25 nearest training images and moves for 250 steps down the same KL
    divergence, the training images held fast. Images are first reduced to 50 principal components.
    Source: van der Maaten and Hinton 2008; openTSNE computes it (Poličar, Stražar and Zupan 2019).
    """
    from openTSNE import TSNE

    train, test, pixels, tested = _denoised(train, test, seed)
    few = len(pixels) < 1000
    model = TSNE(
        perplexity=min(30.0, (len(pixels) - 1) / 3),
        neighbors="exact" if few else "auto",
        n_jobs=n_jobs,
        random_state=seed,
    )
    placed = model.fit(pixels)
    nearest = min(25, len(pixels) - 1)
    points = placed.transform(tested, perplexity=min(5.0, nearest / 3), k=nearest)
    return _mapped("t-SNE", train, test, placed, points)


def umap_of_pixels(train: Part, test: Part, seed: int = 0) -> Subject:
    """UMAP (15 neighbours) of `MAP` training images to two dimensions, in which the test images are then placed.

    y minimises the cross entropy between two fuzzy graphs of neighbours, of the images and of the map. Images are first
    reduced to 50 principal components. DataError without umap-learn, which the extra `umap` installs.
    Source: McInnes, Healy and Melville 2018; umap-learn computes it.
    """
    try:
        from umap import UMAP
    except ImportError:
        raise DataError("UMAP needs umap-learn, which is not installed: pip install 'deepcae[umap]'") from None
    import warnings

    train, test, pixels, tested = _denoised(train, test, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba's and umap's own affairs
        model = UMAP(n_neighbors=min(15, len(pixels) - 1), random_state=seed, n_jobs=1).fit(pixels)
        return _mapped("UMAP", train, test, model.embedding_, model.transform(tested))


def _mapped(name: str, train: Part, test: Part, points: Any, tested: Any) -> Subject:
    return Subject(
        f"{name}, N = 2",
        replace(test, codes=np.asarray(tested, dtype=np.float64)),
        replace(train, codes=np.asarray(points, dtype=np.float64)),
    )


def _denoised(train: Part, test: Part, seed: int) -> tuple[Part, Part, np.ndarray, np.ndarray]:
    train, test, pixels, tested = _pixels(train, test, MAP, seed)
    if len(pixels) < 5:
        raise DataError(f"a map needs five training images at least; there are {len(pixels)}")
    if pixels.shape[1] > DENOISED < len(pixels):
        model = _pca(pixels, DENOISED, seed)
        pixels, tested = model.transform(pixels), model.transform(tested)
    return train, test, pixels, tested


def _pca(pixels: np.ndarray, dims: int, seed: int) -> Any:
    from sklearn.decomposition import PCA

    if not 1 <= dims <= min(pixels.shape):
        raise DataError(f"PCA: {dims} dimensions asked of {len(pixels)} images of {pixels.shape[1]} pixels")
    return PCA(dims, random_state=seed).fit(pixels)


def _pixels(train: Part, test: Part, most: int, seed: int) -> tuple[Part, Part, np.ndarray, np.ndarray]:
    """The parts, no larger than what is judged and what memory allows, and their images as rows (n, D)."""
    tested = test.sample(TEST, seed)
    learned = train.sample(min(most, max(1, MEMORY // _row_bytes(train))), seed)
    return learned, tested, _rows(learned), _rows(tested)


def _images(part: Part) -> Callable[[np.ndarray], np.ndarray]:
    if part.images is None:
        raise DataError("the images of the codes are not at hand")
    return part.images


def _row_bytes(part: Part) -> int:
    return int(_images(part)(np.arange(1)).size) * 4


def _rows(part: Part) -> np.ndarray:
    images = _images(part)(np.arange(len(part.codes)))
    return np.asarray(images, dtype=np.float32).reshape(len(images), -1)
