"""Which images a fit holds out: the same as `deepcae fit` holds out of the same array."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..data.heldout import at_random, stretches
from ..data.kept import StoredRows
from ..data.order import likeness
from .rows import ARRAY


@dataclass(frozen=True)
class Parts:
    """`training`, `held_out`: indices, rising. `stretch`: of each held-out image, where they are no random ones."""

    training: np.ndarray
    held_out: np.ndarray
    stretch: np.ndarray | None = None

    def means(self, errors: np.ndarray) -> np.ndarray:
        """What is independent of each other: the errors of held-out images, or their means over each stretch."""
        if self.stretch is None:
            return errors
        means: np.ndarray = np.bincount(self.stretch, errors) / np.bincount(self.stretch)
        return means


def parts_of(rows: StoredRows, count: int, seed: int) -> Parts:
    """`count` images are held out, or as many as the stretches have room for."""
    if count and in_order(rows):
        stretch = stretches(rows.total, count)
        held_out = np.flatnonzero(stretch >= 0)
        return Parts(np.flatnonzero(stretch < 0), held_out, stretch[held_out])
    chosen = at_random(rows.total, count, seed)
    return Parts(np.flatnonzero(~chosen), np.flatnonzero(chosen))


def in_order(rows: StoredRows) -> bool:
    """Whether images are surely nearer to their neighbours than to those half the set away."""
    found = likeness(
        lambda number: rows.read(np.array([number]))[ARRAY], [range(rows.total)], 4 * math.prod(rows.shapes[ARRAY])
    )
    return found is not None and found.in_order
