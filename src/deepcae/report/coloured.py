"""The columns that colour the points: from the data, the codes, or a file of values."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..codes.columns import Column
from ..data.labelfile import ENDINGS, read_values
from ..errors import DataError
from ..recording.origin import Origins


def column(
    name: str, count: int, find: Callable[[str], np.ndarray], numbers: np.ndarray | None = None,
    origins: Origins | None = None,
) -> Column:  # fmt: skip
    """The column that `name` means: what `find` gives for it, or `FILE` or `FILE:NAME` on disk.

    FILE is what `data.labelfile` reads, with `count` values, of which those with `numbers` are taken. Or, where the
    images come from one source, or have names (`origins`), with a value for each image of that, held out or not.
    DataError for another number of values.
    """
    file, _, inside = name.partition(":")
    if not file.lower().endswith(ENDINGS):
        return Column.of(name, find(name))
    path, ask = Path(file), f"{file}:{{}}".format
    if origins is not None and (whole := _of_all(path, inside or None, ask, origins)) is not None:
        return Column.of(inside or path.stem, whole)
    values = read_values(path, [""] * count, inside or None, ask)
    return Column.of(inside or Path(file).stem, values if numbers is None else values[numbers])


def _of_all(path: Path, inside: str | None, ask: Callable[[str], str], origins: Origins) -> np.ndarray | None:
    """The values of the images from a file that tells those of all images; None where it does not."""
    told = origins.understood
    with suppress(DataError):
        if told is not None and len(told.sources) == 1:
            return read_values(path, [""] * told.count, inside, ask)[origins.row]
    with suppress(DataError):
        if origins.names is not None:
            return read_values(path, origins.names.tolist(), inside, ask)
    return None
