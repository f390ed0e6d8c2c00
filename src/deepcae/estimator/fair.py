"""Callers' arrays in chunks (h5py, zarr) that make one image costly to read: rewritten once, with a warning."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from ..data.axes import Axes, oriented
from ..data.kept import MEMORY_LIMIT
from ..data.named import Named
from ..data.stored import Stored
from ..errors import warn
from ..prepare.costly import Rewritten, cost_of
from .refused import RefusedData

_LETTERS = {"hw": "nyx", "chw": "ncyx", "hwc": "nyxc"}


def fairly(rows: Stored, axes: Axes, at_random: bool) -> Stored:
    """The rows as nets read them, at a price that an image is worth; nothing is read where they are so already.

    `at_random`: they will be read in any order. What would unpack far more than an image for each is rewritten, in one
    pass, into a file without a name in the folder for temporary files (`TMPDIR`), with a warning. DataError where that
    has no room.
    """
    if rows.chunks is None or len(rows.shape) != len(_LETTERS.get(axes.order, "")):
        return oriented(rows, axes)
    named = Named(rows.origin, _LETTERS[axes.order], rows.shape, rows.dtype, rows.part, chunks=rows.chunks)
    cost = cost_of(named, at_random and 4 * math.prod(rows.shape) > MEMORY_LIMIT)
    if cost is None:
        return oriented(rows, axes)
    folder = Path(tempfile.gettempdir())
    warn(f"{rows.origin} is {cost}, in {folder}")
    try:
        return Rewritten(named, folder)
    except OSError as error:
        why = f"{rows.origin} is {cost}, and {folder} cannot take it ({error.strerror or error})"
        raise RefusedData(f"{why}; TMPDIR names another folder") from error
