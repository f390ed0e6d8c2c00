"""Which images are held out: any, or stretches of a series (`order`). And how many are enough.

A frame between two that were learned from says little of frames that are still to come, so of a recording whole
stretches are held out.

A training looks at about 2·10⁹ values at most (`zoo.schedule`), and is tested ten times or more; so `VALUES` for each
test keep all tests together at half of what is learned from, or less, whatever the size of the data.
"""

from __future__ import annotations

import itertools

import numpy as np

VALUES, MOST, LEAST = 10**8, 50_000, 100
STRETCHES = 5  # of a recording, one in each fifth
END, MIDDLE = 1.0, 0.5  # of the fifth, where a stretch lies


def enough(size: int) -> int:
    """How many images of `size` values are held out at most, where nobody says how many and there are very many."""
    return min(MOST, max(LEAST, VALUES // max(1, size)))


def at_random(total: int, count: int, seed: int) -> np.ndarray:
    """(total,): which `count` images are held out; the seed draws them."""
    chosen = np.zeros(total, bool)
    chosen[np.random.default_rng([seed % 2**64, 0x5911]).permutation(total)[:count]] = True
    return chosen


def stretches(total: int, count: int, place: float = END) -> np.ndarray:
    """(total,): the number of the stretch in which each image is held out, -1 where it is none.

    Stretches of equal length, `count` images together or as many as there is room for, lie at the `place` of each
    fifth: at its end, so that a recording's last images are among them; of a volume, whose ends are empty, in the
    middle.
    """
    number = min(STRETCHES, count)
    chosen = np.full(total, -1, np.int8)
    borders = np.linspace(0, total, number + 1).round().astype(int)
    for stretch, (begin, end) in enumerate(itertools.pairwise(borders)):
        length = min(count * (stretch + 1) // number - count * stretch // number, end - begin)
        first = begin + round(place * (end - begin - length))
        chosen[first : first + length] = stretch
    return chosen
