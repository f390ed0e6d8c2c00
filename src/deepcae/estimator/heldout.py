"""Which images a fit holds out: any, or stretches where neighbours resemble each other, as frames of a recording do.

A frame between two that were learned from says little of frames that are still to come.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..data.kept import StoredRows
from .rows import ARRAY

STRETCHES = 5  # one at the end of each fifth
PAIRS, FEWEST = 200, 5  # of neighbours that are compared
BYTES = 2**26  # that are read for that
SURE = 4.0  # standard errors by which neighbours are nearer than images far apart


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
    total = rows.total
    if count >= STRETCHES and in_order(rows):
        return _stretches(total, count)
    order = np.random.default_rng([seed, 0x5917]).permutation(total)
    return Parts(np.sort(order[count:]), np.sort(order[:count]))


def _stretches(total: int, count: int) -> Parts:
    ends = np.linspace(0, total, STRETCHES + 1).round().astype(int)
    lengths = [len(part) for part in np.array_split(np.arange(count), STRETCHES)]
    stretch = np.full(total, -1)
    for number, (begin, end, length) in enumerate(zip(ends[:-1], ends[1:], lengths, strict=True)):
        stretch[max(begin, end - length) : end] = number
    held_out = np.flatnonzero(stretch >= 0)
    return Parts(np.flatnonzero(stretch < 0), held_out, stretch[held_out])


def in_order(rows: StoredRows) -> bool:
    """Whether images are surely nearer to their neighbours than to those half the set away (mean |x - y|)."""
    total, size = rows.total, math.prod(rows.shapes[ARRAY])
    pairs = min(PAIRS, total // 4, BYTES // (3 * 4 * max(1, size)))
    if pairs < FEWEST:
        return False
    first = np.linspace(0, total - 2, pairs).astype(int)
    here, near, far = (
        rows.read(each)[ARRAY].astype(np.float32).reshape(pairs, -1)
        for each in (first, first + 1, (first + total // 2) % total)
    )
    with np.errstate(all="ignore"):  # what is not finite is told where it is learned from
        nearer = np.abs(here - far).mean(axis=1) - np.abs(here - near).mean(axis=1)
        return bool(nearer.mean() > SURE * nearer.std(ddof=1) / math.sqrt(pairs))
