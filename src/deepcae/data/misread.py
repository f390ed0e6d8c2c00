"""Arrays whose shape contradicts their values: stacks with the number of images last, one picture for many rows.

(h, w, n), as MATLAB and some programs store stacks, passes for h images of w x n, and a picture (h, w) for h rows of w
features. What tells them apart is how much values change from one to the next along each axis: along height and width
of a picture equally much, along what counts pictures, or rows, more or less than that.
"""

from __future__ import annotations

import math
from contextlib import suppress

import numpy as np

from .stored import DAMAGE, Stored

LEAST = 8  # along each axis: of less nothing is told
SIDE, PLACES = 48, (0.2, 0.5, 0.8)  # of the blocks that are looked at, and where they lie
SMOOTH = 0.9  # of the difference of values far apart: along height and width neighbours differ by less
EQUAL, OTHER = 1.25, 1.16  # factors: within, and beyond which changes are alike, and differ
MOST, ALIKE, MILD = 256, 0.75, 1.5  # of a single picture: pixels along each axis, as `SMOOTH`, and as `EQUAL`
LONG = 1.5  # times as long and narrow as they would be in the other reading are unlikely images


def counts_last(array: Stored) -> bool:
    """Whether an array (a, b, n) is rather n images of a x b than a images of b x n, as its shape is read."""
    if len(array.shape) != 3 or min(array.shape) < LEAST or array.shape[1] == array.shape[2]:
        return False
    first, second, last = array.shape
    is_square = first == second
    if not is_square and _narrow(second, last) <= LONG * _narrow(first, second):
        return False
    changes = np.zeros((0, 3, 2))
    with suppress(*DAMAGE):  # told where it is read
        changes = np.array([_changes(array, place) for place in PLACES])
    if not len(changes) or not np.isfinite(changes).all():
        return False
    near, far = np.mean(changes, axis=0).T
    if not near.all() or (near[:2] > SMOOTH * far[:2]).any():
        return False
    of_first, of_last = abs(math.log(near[0] / near[1])), abs(math.log(near[2] / near[1]))
    if is_square:
        return of_first < of_last
    return of_first < min(math.log(EQUAL), of_last / 2) and of_last > math.log(OTHER)


def is_one_picture(array: Stored) -> bool:
    """Whether whole numbers (a, b) are rather one picture than a rows of b features, as their shape is read."""
    if len(array.shape) != 2 or min(array.shape) < LEAST or array.dtype.kind not in "iu":
        return False
    starts = [max(0, size - MOST) // 2 for size in array.shape]
    block = np.zeros((LEAST, LEAST))
    with suppress(*DAMAGE):  # told where it is read
        block = np.asarray(array.part(tuple(slice(start, start + MOST) for start in starts)), np.float64)
    near, far = ([_apart(block, axis, by(block.shape[axis])) for axis in (0, 1)] for by in (lambda _: 1, _half))
    if not min(near) or any(step > ALIKE * apart for step, apart in zip(near, far, strict=True)):
        return False
    return abs(math.log(near[0] / near[1])) < math.log(MILD)


def _half(size: int) -> int:
    return size // 2


def _narrow(height: int, width: int) -> float:
    return max(height, width) / min(height, width)


def _changes(array: Stored, place: float) -> list[list[float]]:
    """Of each axis: mean |difference| of neighbours in a block, and of values half a block apart."""
    starts = [int(place * max(0, size - SIDE)) for size in array.shape]
    block = np.asarray(array.part(tuple(slice(start, start + SIDE) for start in starts)), np.float64)
    return [[_apart(block, axis, 1), _apart(block, axis, block.shape[axis] // 2)] for axis in range(3)]


def _apart(block: np.ndarray, axis: int, by: int) -> float:
    moved = np.moveaxis(block, axis, 0)
    return float(np.abs(moved[by:] - moved[:-by]).mean())
