"""A user's images and labels as arrays, whole: what `eval` compares and data sets are made of."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np

from ..errors import DataError
from .contents import contents_of
from .stored import unfit


def load_images(path: str | Path, limit: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """(images, labels or None) of a file that `open_rows` reads, or a list of them (.txt).

    Images are float32 (n, C, H, W), vectors (n, K); labels float32 (n,), or (n, K) where a row has several. They are
    called `data` and `label` (or `labels`). Numbers are taken as they stand, but bytes (uint8) of formats of pictures
    (IDX, .npy, .npz) are grey levels and become x / 255. `limit`: the first rows only.
    """
    contents = contents_of(path)
    label = contents.labels()
    with closing(contents.rows(["data", label] if label else ["data"], as_shown=True)) as rows:
        arrays = rows.whole(limit)
    images = arrays["data"]
    if images.ndim < 2 or not images.size:
        raise DataError(f"{path}: {unfit(images.shape)}")
    return images[:, None] if images.ndim == 3 else images, _by_row(arrays[label]) if label else None


def load_labels(path: str | Path, name: str | None = None) -> np.ndarray:
    """Labels (n,), (n, K), as they are stored: `label` or `labels`, or all that a format without names holds.

    `name`: another array, where the file has one that is called so.
    """
    contents = contents_of(path)
    label = contents.labels() or ("data" if contents.nameless else None)
    label = name if name in contents.names and not contents.nameless else label
    if label is None:
        raise DataError(f"{path}: has neither 'label' nor 'labels'")
    with closing(contents.rows([label])) as rows:
        return _by_row(rows.as_stored(label))


def read_all(path: str | Path, dataset: str = "data", limit: int | None = None) -> np.ndarray:
    """All rows (or the first `limit`) of an array of a file, or of the files that a list names; float32 as stored."""
    with closing(contents_of(path).rows([dataset])) as rows:
        return rows.whole(limit)[dataset]


def _by_row(labels: np.ndarray) -> np.ndarray:
    """(n, 1, ...) → (n,); several values of a row stay apart."""
    return labels.reshape(-1) if labels.size == len(labels) else labels
