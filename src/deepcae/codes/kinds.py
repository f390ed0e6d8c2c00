"""What labels are: names of classes, or a quantity, such as a running speed or a time.

Words are classes, unless nearly each example has its own, as a file's name. Numbers are classes if they are whole, and
there are few of them (`FEW`) or so many examples of each (`EACH`) as no count or clock has. What is missing (NaN)
decides nothing.
"""

from __future__ import annotations

import numpy as np

FEW = 20  # different values that are classes however few the examples are
EACH = 5  # examples of each whole number, on average, where there are more of them
EACH_WORD = 2  # of each word
MOST = 2**17  # different values that are counted


class Values:
    """The different values of labels that come in blocks."""

    def __init__(self) -> None:
        self._distinct = np.empty(0)
        self._words = self._fractions = self._many = False
        self._count = 0

    def take(self, labels: np.ndarray) -> None:
        """Labels (n, ...): numbers or words."""
        flat = np.asarray(labels).reshape(-1)
        if flat.dtype.kind not in "fiub":
            self._words = True
        elif flat.dtype.kind == "f":
            flat = flat[np.isfinite(flat)]
            self._fractions |= bool((flat != np.round(flat)).any())
        self._count += len(flat)
        if not (self._fractions or self._many):
            found = np.unique(flat)
            self._distinct = np.union1d(self._distinct, found) if len(self._distinct) else found
            self._many = len(self._distinct) > MOST

    @property
    def are_classes(self) -> bool:
        """Whether all that was taken names classes."""
        if self._fractions or self._many:
            return False
        each = EACH_WORD if self._words else EACH
        return len(self._distinct) <= FEW or self._count >= each * len(self._distinct)


def are_classes(labels: np.ndarray) -> bool:
    """Whether labels (N,) name classes; False: they are a quantity, or names of single examples."""
    values = Values()
    values.take(labels)
    return values.are_classes
