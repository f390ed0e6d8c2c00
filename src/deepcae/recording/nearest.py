"""The images whose codes lie nearest to one image's: by Euclidean distance, the nearest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from ..trained.examples import Examples
from ..trained.network import Trained
from ..trained.passes import batch_size, encoded_blocks
from .origin import Origins
from .walk import passed, rows_of


@dataclass(frozen=True)
class Nearest:
    """`index` (k,): rows of the data; `distance` (k,): of their codes from that of row `of`, which is left out."""

    of: int
    index: np.ndarray
    distance: np.ndarray


def nearest(
    trained: Trained, examples: Examples, of: int, count: int, progress: Callable[[int], object] | None = None
) -> Nearest:
    """The `count` nearest of all other images. DataError for a row that is not there."""
    if not 0 <= of < len(examples):
        raise DataError(f"{examples.origin}: has no row {of}; rows are 0 to {len(examples) - 1}")
    code = trained.code
    image = rows_of(examples, np.array([of]))
    own = passed(trained, image, [code], batch_size(trained), examples.origin)[code].reshape(-1).astype(np.float64)
    best, far, done = np.empty(0, np.int64), np.empty(0), 0
    for codes, _ in encoded_blocks(trained, examples, code, progress):
        rows = np.arange(done, done + len(codes))
        apart = np.sqrt(np.square(codes.reshape(len(codes), -1) - own).sum(axis=1))
        others = rows != of
        best, far = np.concatenate([best, rows[others]]), np.concatenate([far, apart[others]])
        order = np.lexsort((best, far))[:count]
        best, far = best[order], far[order]
        done += len(codes)
    return Nearest(of, best, far)


def row_of(origins: Origins, number: int) -> int:
    """The row of the data that stands at a place, from 0, in the order of the recording. DataError beyond its end."""
    if not 0 <= number < len(origins):
        raise DataError(
            f"there is no image {number}; images are 0 to {len(origins) - 1}, in the order of the recording"
        )
    return int(origins.order[number])


def index_of(origins: Origins, name: str) -> int:
    """The row of the image of this name. DataError where there is none, or it has several rows."""
    if origins.names is None:
        raise DataError(f"the images have no names; give --index, 0 to {len(origins) - 1}")
    rows = np.flatnonzero(origins.names == name)
    if len(rows) == 1:
        return int(rows[0])
    if not len(rows):
        raise DataError(f"no image is called '{name}'; the first is '{origins.names[0]}'")
    some = ", ".join(map(str, rows[:5].tolist()))
    raise DataError(f"'{name}' has {len(rows)} rows, its patches; give one by --index: {some}, ...")
