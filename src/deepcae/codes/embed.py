"""Codes of many dimensions laid out in the plane."""

from __future__ import annotations

import hashlib
import warnings

import numpy as np

from ..errors import DataError
from .measure import finite_rows

_last: dict[object, np.ndarray] = {}  # the map that was made last: pictures and a report ask for the same one


def pca(codes: np.ndarray, dims: int = 2) -> np.ndarray:
    """y = (x - mean) V, V: the `dims` directions of largest variance. (N, K) → (N, dims).

    Signs are fixed (in each direction the loading of largest magnitude is positive), so that two calls agree.
    """
    rows = finite_rows(codes)
    if not 1 <= dims <= rows.shape[1]:
        raise DataError(f"PCA: {dims} dimensions asked of codes with {rows.shape[1]}")
    centred = rows - rows.mean(axis=0)
    _, vectors = np.linalg.eigh(centred.T @ centred)  # ascending
    directions = vectors[:, ::-1][:, :dims]
    largest = directions[np.abs(directions).argmax(axis=0), np.arange(dims)]
    return centred @ (directions * np.where(largest < 0, -1.0, 1.0))


def tsne(
    codes: np.ndarray, seed: int = 0, perplexity: float = 30.0, *, n_jobs: int = 1, n_iter: int = 500
) -> np.ndarray:
    """t-SNE: y minimises KL(P || Q), P: neighbourhoods of the codes at this perplexity, Q: of the map. (N, K) → (N, 2).

    Starts from PCA, 250 iterations of early exaggeration, then `n_iter`. The same codes, seed and n_jobs give the same
    map; the last one is kept. A perplexity too large for the number of codes is lowered to (N - 1) / 3, as a
    neighbourhood must not hold everything.
    Source: paper, Figs. 5 and 6, and its reference [30].
    """
    rows = finite_rows(codes)
    if len(rows) < 5:
        raise DataError(f"t-SNE: {len(rows)} codes; at least 5 are needed")
    if perplexity < 1:
        raise DataError(f"t-SNE: perplexity is {perplexity}; it must be at least 1")
    asked = hashlib.sha256(rows.tobytes()).digest(), rows.shape, seed, perplexity, n_jobs, n_iter
    if asked not in _last:
        made = _tsne(rows, seed, perplexity, n_jobs, n_iter)
        _last.clear()
        _last[asked] = made
    return _last[asked].copy()


def _tsne(rows: np.ndarray, seed: int, perplexity: float, n_jobs: int, n_iter: int) -> np.ndarray:
    from openTSNE import TSNE
    from openTSNE.initialization import rescale

    perplexity = min(perplexity, (len(rows) - 1) / 3)
    start = pca(rows, min(2, rows.shape[1]))
    start = start if start.shape[1] == 2 else np.hstack([start, np.zeros_like(start)])
    start = start + np.random.default_rng(seed).normal(scale=1e-4 * max(start.std(), 1e-12), size=start.shape)
    start = rescale(start, inplace=False)  # standard deviation 1e-4, as openTSNE wants it
    model = TSNE(
        perplexity=perplexity,
        n_iter=n_iter,
        initialization=start,
        neighbors="exact" if len(rows) < 1000 else "auto",
        n_jobs=n_jobs,
        random_state=seed,
    )
    return np.asarray(model.fit(rows), dtype=np.float64)


def umap(codes: np.ndarray, seed: int = 0) -> np.ndarray:
    """UMAP as umap-learn computes it by its own settings. (N, K) → (N, 2). DataError where that is not installed."""
    try:
        from umap import UMAP
    except ImportError:
        raise DataError("UMAP needs umap-learn, which is not installed: pip install 'deepcae[umap]'") from None
    rows = finite_rows(codes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a seed makes it use one thread, which it tells
        return np.asarray(UMAP(random_state=seed).fit_transform(rows), dtype=np.float64)
