"""Results of a net for all rows of its data, in the order of the recording."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..trained.examples import Examples
from ..trained.network import Trained
from ..trained.passes import batch_size, in_block

Progress = Callable[[int], object]
"""Is told how many rows are done."""


@dataclass(frozen=True)
class Made:
    """Of a few rows: their `index` in the data (k,), `codes` (k, K), `images` and `restored` (k, c, h, w) or (k, d).

    Images as the net is shown them.
    """

    index: np.ndarray
    codes: np.ndarray
    images: np.ndarray
    restored: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """½ Σ (restored - image)² of each, (k,)."""
        apart = (self.restored - self.images).reshape(len(self.images), -1).astype(np.float64)
        return np.asarray(0.5 * np.square(apart).sum(axis=1))


def walk(trained: Trained, examples: Examples, order: np.ndarray, progress: Progress | None = None) -> Iterator[Made]:
    """Codes and restored images of the rows that `order` names, as it names them, a batch at a time."""
    code, restored = trained.code, trained.restored
    size, done = batch_size(trained), 0
    for start in range(0, len(order), size):
        index = order[start : start + size]
        images = rows_of(examples, index)
        made = passed(trained, images, [code, restored], size, examples.origin)
        yield Made(index, made[code].reshape(len(index), -1), images, as_shown(trained, made[restored], images))
        done += len(index)
        if progress is not None:
            progress(done)


def rows_of(examples: Examples, index: np.ndarray) -> np.ndarray:
    """Images of the data, in any order, as the net is shown them."""
    first = int(index[0])
    follow = np.array_equal(index, np.arange(first, first + len(index)))
    return np.asarray(examples.rows.read(slice(first, first + len(index)) if follow else index)[examples.images])


def passed(trained: Trained, images: np.ndarray, blobs: list[str], size: int, origin: str) -> dict[str, np.ndarray]:
    """Blobs of a net for up to `size` images as it is shown them."""
    entry, fed = trained.fed(images, origin)
    try:
        return in_block(trained, entry, fed, list(dict.fromkeys(blobs)), size)
    except DataError as error:
        raise DataError(f"{origin}: {error}") from None


def as_shown(trained: Trained, restored: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Restored images in the shape of those that were shown. DataError where they have another number of values."""
    if restored.size != images.size:
        sizes = f"{list(restored.shape[1:])}, its images {list(images.shape[1:])}"
        raise DataError(f"{trained.origin}: its restored images have shape {sizes}: there is no error to lay back")
    return restored.reshape(images.shape)
