"""Whether the images are a series, in which neighbours look alike, and the sequences that it consists of."""

from __future__ import annotations

from contextlib import suppress
from functools import partial

import numpy as np

from ..data.order import Likeness, likeness
from ..errors import DataError
from .images import ArrayImages
from .looked import image_of
from .plan import Plan
from .sources import Source


def classes_of(labels: np.ndarray | None) -> np.ndarray | None:
    """(n,): 0, 1, ... for the class of each image; None where the labels are no classes, which many images share."""
    if labels is None or labels.ndim != 1:
        return None
    values, numbers = np.unique(labels, return_inverse=True)
    return numbers.reshape(-1) if len(values) <= max(1, len(labels) // 4) else None


def is_volume(source: Source) -> bool:
    """Whether its images are planes of a body, at one time."""
    steps = dict(source.told.steps)
    return "z" in steps and "t" not in steps


def series(plan: Plan, classes: np.ndarray | None) -> tuple[bool, str]:
    """Whether neighbours look alike, and whence that is known: the file says so, or they were looked at.

    Images of a class are compared with each other alone: else all that is sorted by class would be a series.
    """
    if plan.options.split != "auto":
        return False, ""
    if any(source.told.is_series for source in plan.sources):
        planes = all(map(is_volume, plan.sources))
        return True, "neighbouring planes look alike" if planes else "neighbours in a recording look alike"
    if any(source.cost for source in plan.sources):
        return True, "images that are stored together are taken for a recording"
    found = None
    with suppress(DataError):  # damage is told where the images are read
        found = _neighbours(plan, classes)
    if found is not None and found.in_order:
        others = "others of their class" if classes is not None else "others"
        return True, f"neighbours look alike (they differ {found.near:.0%} as much as {others} do)"
    if classes is not None:
        return False, "images of classes in any order"
    return False, "neighbours are no more alike than others" if found is not None else "nothing tells an order"


def lines_of(files: np.ndarray, classes: np.ndarray | None, share: float) -> np.ndarray:
    """(n,): numbers of the lines in which stretches are held out: files, or, where they are sorted so, their classes.

    Files alone where a class is so small that its `share` is less than one image.
    """
    if classes is None:
        return files
    of = files * (int(classes.max()) + 1) + classes
    starts = np.flatnonzero(np.diff(of, prepend=-1))
    lengths = np.diff(starts, append=len(of))
    if len(starts) > len(np.unique(of)) or lengths.min() * share < 1:
        return files
    return np.repeat(np.arange(len(starts)), lengths)


def _neighbours(plan: Plan, classes: np.ndarray | None) -> Likeness | None:
    """How much images that follow one another resemble each other, within their file and, if known, their class."""
    if len({plan.image_size(0), plan.image_size(len(plan.items) // 2)}) > 1:
        return None
    of = plan.items[:, 0] if classes is None else plan.items[:, 0] * (int(classes.max()) + 1) + classes
    order = np.argsort(of, kind="stable")
    lines = np.split(order, np.flatnonzero(np.diff(of[order])) + 1)
    return likeness(partial(image_of, plan), lines, max(map(_cost, plan.sources)))


def _cost(source: Source) -> int:
    """Bytes that one image of a source costs: as float32, or what is unpacked for it."""
    images = source.images
    size = 4 * int(images.sizes.prod(axis=1).max(initial=0))
    if isinstance(images, ArrayImages) and not images.array.keeps:
        return max(size, images.array.alone)
    return size
