"""The images whose codes lie nearest to one image's: by Euclidean distance, the nearest first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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


def numbers_of(origins: Origins) -> np.ndarray:
    """By what number each row of the data is asked for, (n,): that of the image in its source, from 0; of patches the
    place in the order of the recording."""
    return origins.row if origins.place is None else np.argsort(origins.order)


def place_of(origins: Origins, number: int) -> int:
    """The row of the data that is image `number` of the recording; of several sources, one after another.

    DataError where there is none.
    """
    if len(origins.sources) == 1:
        return row_of(origins, number)
    if not 0 <= number < len(origins):
        raise DataError(f"there is no image {number}; images are 0 to {len(origins) - 1}, in the order of their files")
    return int(origins.order[number])


def row_of(origins: Origins, number: int, source: str | None = None) -> int:
    """The row of the data of this number, see `numbers_of`; `source`: the end of the name of one of several.

    DataError where there is none, or where several sources have one.
    """
    if origins.place is None:
        of = [name == source or Path(name).name == source for name in origins.sources]
        named = np.ones(len(origins), bool) if source is None else np.array(of)[origins.source]
        rows = np.flatnonzero(named & (origins.row == number))
        if len(rows) == 1:
            return int(rows[0])
        some = ", ".join(Path(name).name for name in origins.sources[:5])
        if len(rows):
            raise DataError(f"{len(rows)} sources have an image {number}; --source says which: {some}")
        if not named.any():
            raise DataError(f"there is no source '{source}'; there are {some}")
        least, most = origins.row[named].min(), origins.row[named].max()
        raise DataError(f"there is no image {number}; images are {least} to {most}, as in their file")
    if not 0 <= number < len(origins):
        raise DataError(f"there is no image {number}; images are 0 to {len(origins) - 1}, in the order of their file")
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
