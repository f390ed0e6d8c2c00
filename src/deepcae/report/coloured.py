"""The columns that colour the points: from the data, the codes, or a file of values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..codes.columns import Column
from ..data.labelfile import ENDINGS, read_values


def column(name: str, count: int, find: Callable[[str], np.ndarray], numbers: np.ndarray | None = None) -> Column:
    """The column that `name` means: what `find` gives for it, or `FILE` or `FILE:NAME` on disk.

    FILE is what `data.labelfile` reads, with `count` values, of which those with `numbers` are taken. DataError for
    another number of values.
    """
    file, _, inside = name.partition(":")
    if not file.lower().endswith(ENDINGS):
        return Column.of(name, find(name))
    values = read_values(Path(file), [""] * count, inside or None, f"{file}:{{}}".format)
    return Column.of(inside or Path(file).stem, values if numbers is None else values[numbers])
