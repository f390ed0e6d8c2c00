"""Some rows of an array as a data set of their own, transformed as the net's text says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.ahead import Ahead
from ..data.joined import Part
from ..data.kept import StoredRows
from ..data.scaling import Scaling
from ..data.span import Span, outside
from ..data.stored import Stored
from ..data.stream import Arrays, Stream

ARRAY = "data"
SLACK = 2.0  # times the range of a fit: how far beyond it values may lie without a word
DENSE = 4  # times as many rows as are wanted are read in one stretch


def all_rows(array: Stored) -> StoredRows:
    """The rows of an array, called `data`; kept in memory where they are few, read in blocks otherwise."""
    return StoredRows([Part(array.origin, {ARRAY: array}, (), None)])


class Taken:
    """The `Rows` of some indices, rising, of others."""

    def __init__(self, rows: StoredRows, indices: np.ndarray) -> None:
        self._rows, self.indices = rows, indices
        self.tops, self.shapes, self.total = rows.tops, rows.shapes, len(indices)
        self._is_whole = self.total == rows.total

    def at_hand(self, size: int, shuffled: bool) -> bool:
        return self._rows.at_hand(size, shuffled or not self._is_whole)

    def read(self, rows: slice | np.ndarray) -> Arrays:
        if self._is_whole:
            return self._rows.read(rows)
        wanted = self.indices[rows]
        if isinstance(rows, slice) and len(wanted):
            first, stop = int(wanted[0]), int(wanted[-1]) + 1
            if stop - first <= DENSE * len(wanted):
                return {top: found[wanted - first] for top, found in self._rows.read(slice(first, stop)).items()}
        return self._rows.read(wanted)

    def close(self) -> None:
        self._rows.close()


class Shown:
    """Rows as a net is shown them: the `Rows` whose images went through `change`."""

    def __init__(self, rows: StoredRows | Taken, change: Any) -> None:
        self.tops, self.total = rows.tops, rows.total
        self.shapes = rows.shapes
        self.at_hand = rows.at_hand
        self._rows, self._change = rows, change
        self.seen = Span()

    def read(self, rows: slice | np.ndarray) -> Arrays:
        found = self._rows.read(rows)[ARRAY]
        shown = found if self._change is None else self._change(found, 0)
        self.seen.take(shown)
        return {ARRAY: shown}

    def strange(self, scaling: Scaling) -> str:
        """What is to be said of the values that were read, beside those that `scaling` was learned from; or ""."""
        known = Span(values=1, least=-scaling.beyond, most=1 + scaling.beyond)
        if scaling.constant or not outside(self.seen, known, many=False, slack=SLACK):
            return ""
        return (
            f"X has values of another range than those of fit: scaled as these, they lie in {self.seen} in place of "
            f"{known}. Are they in the same units? Codes of such images mean little"
        )

    def close(self) -> None:
        self._rows.close()


class Fed:
    """What reads a net's images for a training: batch i of a stream, as blob `top`; others are read by `rest`."""

    def __init__(self, stream: Stream, top: str, rest: Any, shape: tuple[int, ...]) -> None:
        self._stream, self._top, self._rest, self._shape = stream, top, rest, shape
        self._ahead = None if stream.at_hand else Ahead(stream.batch)

    def batch(self, index: int) -> Mapping[str, np.ndarray]:
        rows = (self._ahead or self._stream).batch(index)[ARRAY]
        return {self._top: rows.reshape(len(rows), *self._shape), **self._rest.batch(index)}

    def close(self) -> None:
        if self._ahead is not None:
            self._ahead.close()
