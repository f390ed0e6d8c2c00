"""Whether images come in order, so that neighbours resemble each other: frames of a recording, planes of a volume.

Some images x, from all over the set, are compared with the next one and with one that is half a line away:

    gain = mean |x - far| - mean |x - next|

They come in order if the mean gain is more than `SURE` times its standard error. A line holds what differs by its order
alone: images of one file and, where classes are known, of one class. Otherwise images of any order would pass for a
recording, because they are sorted by class, or because files differ as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

PAIRS, FEWEST, LEAST = 200, 5, 8  # of neighbours: looked at, needed to tell, looked at however large they are
SHORTEST = 4  # images of a line that is looked at
BYTES = 2**28  # that are read, unless `LEAST` images are larger
PIXELS = 2**14  # of an image that are compared, spread over it
SURE = 4.0  # standard errors by which neighbours are nearer than images far apart

Line = np.ndarray | range


@dataclass(frozen=True)
class Likeness:
    """`near`: median distance of neighbours, in units of that of images far apart; `in_order`: whether that is sure."""

    near: float
    in_order: bool


def likeness(read: Callable[[int], np.ndarray], lines: Sequence[Line], cost: int) -> Likeness | None:
    """How much neighbours in the `lines`, each the numbers of images that follow one another, resemble each other.

    `read(number)` gives an image, and is called in rising order; `cost`: bytes of one, as float32. None where there are
    too few images to tell, where all are equal, and where they differ in size or hold values that are not finite.
    """
    long = [line for line in lines if len(line) >= SHORTEST]
    ends = np.cumsum([len(line) for line in long]) if long else np.zeros(1, int)
    count = min(PAIRS, int(ends[-1]) // 2, max(LEAST, BYTES // (3 * max(1, cost))))
    if count < FEWEST:
        return None
    trios = [_trio(long, ends, at) for at in np.linspace(0, ends[-1] - 1, count).astype(int).tolist()]
    held = {number: _some(read(number)) for number in sorted({number for trio in trios for number in trio})}
    images = list(held.values())
    if len({image.shape for image in images}) > 1 or not all(np.isfinite(image).all() for image in images):
        return None
    with np.errstate(over="ignore"):  # of values near float32's largest
        distances = np.array(
            [[np.abs(held[x] - held[other]).mean(dtype=np.float64) for other in others] for x, *others in trios]
        )
    near, far = np.median(distances, axis=0).tolist()
    gain = distances[:, 1] - distances[:, 0]
    if not math.isfinite(gain.sum()) or not far:
        return None
    return Likeness(near / far, bool(gain.mean() > SURE * gain.std(ddof=1) / math.sqrt(count)))


def _trio(lines: Sequence[Line], ends: np.ndarray, at: int) -> tuple[int, int, int]:
    """An image, the one next to it, and one half a line away; `at` counts through all lines."""
    number = int(np.searchsorted(ends, at, side="right"))
    line = lines[number]
    place = at - int(ends[number]) + len(line)
    beside = place + 1 if place + 1 < len(line) else place - 1
    return int(line[place]), int(line[beside]), int(line[(place + len(line) // 2) % len(line)])


def _some(image: np.ndarray) -> np.ndarray:
    """Some values of an image, float32: each n-th, of which n is odd, so that they do not stand in columns."""
    flat = image.reshape(-1)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as it will be read
        return flat[:: -(-flat.size // PIXELS) | 1].astype(np.float32)
