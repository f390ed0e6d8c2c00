"""Small pictures of images for programs that draw many points at once: whole numbers of 8 bits, three channels each."""

from __future__ import annotations

import math

import numpy as np

from .reduced import means
from .samples import Samples

LARGEST = 64  # pixels of a small picture's longer side
SHEET = 8192  # pixels of a sheet's side, that graphics cards take
SMALLEST = 4  # pixels, below which nothing can be told
INK, GROUND = 60, 245  # grey of a curve and behind it
MARGIN = 0.05  # of a curve's box, above and below it


def side_for(count: int) -> int:
    """Pixels of the longer side, with which `count` pictures fit on one sheet; 0 where they would be too small."""
    side = min(LARGEST, SHEET // max(1, math.ceil(math.sqrt(count))))
    return side if side >= SMALLEST else 0


def small_pictures(stack: np.ndarray, low: float, high: float, side: int) -> np.ndarray:
    """stack (n, ...) as `Samples` takes it → (n, height, width, 3), uint8; `low` is black, `high` white."""
    shown = Samples(stack)
    high = high if high > low else low + 1
    tall = shown.aspect >= 1
    height, width = (side, round(side / shown.aspect)) if tall else (round(side * shown.aspect), side)
    size = max(1, width), max(1, height)
    made = np.empty((len(shown), size[1], size[0], 3), np.uint8)
    weights: tuple[np.ndarray, np.ndarray] | None = None
    for index in range(len(shown)):
        if shown.lines is not None:
            made[index] = _curves(shown.curves(index), low, high, size)[..., None]
            continue
        picture = np.nan_to_num(shown.picture(index), nan=low)
        weights = weights or (means(picture.shape[0], size[1]), means(picture.shape[1], size[0]))
        small = np.einsum(
            "ih,hw...,jw->ij...", weights[0], np.clip((picture - low) / (high - low), 0, 1), weights[1], optimize=True
        )
        made[index] = np.rint(255 * small if small.ndim == 3 else 255 * small[..., None])
    return made


def _curves(lines: np.ndarray, low: float, high: float, size: tuple[int, int]) -> np.ndarray:
    """(lines, values) as dark curves, (height, width)."""
    width, height = size
    levels = np.full((height, width), GROUND, np.uint8)
    places = np.linspace(0, lines.shape[1] - 1, width)
    for line in lines:
        heights = (np.interp(places, np.arange(len(line)), line) - low) / (high - low)
        rows = np.clip((1 - MARGIN - (1 - 2 * MARGIN) * heights) * height, 0, height - 1).astype(int)
        for column, (row, before) in enumerate(zip(rows, [rows[0], *rows[:-1]], strict=True)):
            levels[min(row, before) : max(row, before) + 1, column] = INK
    return levels
