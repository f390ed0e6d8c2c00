"""A value for each example, by which points are coloured."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .kinds import are_classes


@dataclass(frozen=True)
class Column:
    """`values` (N,): classes, or numbers, of which those that are missing are NaN."""

    name: str
    values: np.ndarray
    classes: bool

    @classmethod
    def of(cls, name: str, values: np.ndarray) -> Column:
        """What the values are, they tell themselves. DataError for words that no two examples share."""
        found = are_classes(values)
        if not found and values.dtype.kind not in "fiub":
            raise DataError(f"'{name}' holds a word of its own for each example, which gives no colours")
        return cls(name, values if found else values.astype(np.float64), found)
