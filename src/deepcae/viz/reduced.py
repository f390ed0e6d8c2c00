"""Images reduced to the few pixels that a picture of many has room for, so that large ones need little memory."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .samples import LINES, signal

SMALL = 200  # pixels of the longer side of an image among others: two thirds of an inch in print


def reduced(stack: np.ndarray, most: int = SMALL) -> np.ndarray:
    """stack (n, ...) as `Samples` takes it → the same, no side of an image longer than `most`; signals stay.

    Each pixel is the mean of the part of the image that it covers: y = A x B^T, A and B as `means` gives them.
    """
    shape = reduced_to(stack.shape[1:], most)
    if shape == tuple(stack.shape[1:]):
        return stack
    down, across = (means(*sides).astype(np.float32) for sides in zip(stack.shape[-2:], shape[-2:], strict=True))
    made = np.empty((len(stack), *shape), np.float32)
    for place, image in zip(made, stack, strict=True):
        place[...] = down @ np.asarray(image, np.float32) @ across.T
    return made


def reduced_to(shape: Sequence[int], most: int = SMALL) -> tuple[int, ...]:
    """The shape of an image (..., H, W) once it is reduced."""
    if len(shape) < 2 or signal(shape) is not None or max(shape[-2:]) <= most:
        return tuple(shape)
    part = most / max(shape[-2:])
    return (*shape[:-2], *(min(side, max(LINES + 1, round(side * part))) for side in shape[-2:]))


def size_note(given: Sequence[int], drawn: Sequence[int]) -> str:
    """What must be said of images (..., H, W) that are drawn in fewer pixels; "" where they are not."""
    sides = ["x".join(map(str, shape[-2:])) for shape in (drawn, given)]
    return "" if sides[0] == sides[1] else f"drawn in {sides[0]} of {sides[1]} pixels"


def means(given: int, wanted: int) -> np.ndarray:
    """(wanted, given): each of `wanted` pixels as the mean of that part of a line of `given` that it covers."""
    edges = np.linspace(0, given, wanted + 1)
    covered = np.minimum(edges[1:, None], np.arange(1, given + 1)) - np.maximum(edges[:-1, None], np.arange(given))
    return np.maximum(covered, 0) * wanted / given
