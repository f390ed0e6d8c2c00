"""How much is unpacked to read one row, where many rows are stored together. Known before the first row is read.

A chunk of HDF5 or Zarr is unpacked as a whole, and an .npz from its beginning. In order that costs nothing: what is
unpacked is what comes next. A training in random order unpacks it anew for each image, and takes many times as long as
its arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .joined import Part
from .stored import Stored

COSTLY = 8  # times the bytes of a row: what may be unpacked for it


def cost_note(parts: Sequence[Part], count: int, shuffled: bool) -> str:
    """What is to be said of reading `count` rows at a time, one after another or `shuffled`; or ""."""
    for part in parts:
        arrays = list(part.arrays.values())
        wanted = sum(count * row_bytes(array) for array in arrays)
        costs = [_unpacked(array, min(count, part.rows), shuffled) for array in arrays]
        if sum(costs) <= COSTLY * wanted:
            continue
        array = arrays[max(range(len(arrays)), key=costs.__getitem__)]
        each = in_units(sum(costs) // max(1, min(count, part.rows)))
        how = "in one packed piece" if array.chunks is None else f"in chunks of {'x'.join(map(str, array.chunks))}"
        order = "in random order " if shuffled else ""
        return f"{array.origin} is stored {how}, so each row read {order}costs {each} in place of {_row(arrays)}"
    return ""


def row_bytes(array: Stored) -> int:
    """Bytes of a row, as it is stored."""
    return max(1, math.prod(array.shape[1:]) * array.dtype.itemsize)


def _row(arrays: Sequence[Stored]) -> str:
    return in_units(sum(map(row_bytes, arrays)))


def _unpacked(array: Stored, count: int, shuffled: bool) -> int:
    """Bytes that are unpacked for `count` rows."""
    if shuffled:
        return min(count * array.alone, max(array.alone, row_bytes(array) * array.shape[0]))
    if array.keeps:
        return count * row_bytes(array)
    return max(count * row_bytes(array), array.alone)


def in_units(count: int) -> str:
    """`8.2 MB`."""
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.3g} kB" if count < 10**4 else f"{count / 1e3:.0f} kB"
