"""Images at the places of their codes, and rows of images: each group's, or what a change of one number does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from ..errors import DataError
from .reduced import reduced, size_note
from .samples import Samples, apart, window_of
from .style import INK, PAGE, fitted, number, say, sheet, styled
from .tile import Tiles

ACROSS, FEWEST = 18, 4  # thumbnails along a side of a map, at most and at least
ROOM = 1.6  # cells along a side for each image, were they in a square
HIDDEN = 0.3  # of the images that there is room for: where fewer would be seen, they are laid out by rank
LARGEST = 9  # columns for which there is always room: images are not larger
THUMBNAIL = 128  # pixels of its longer side
WIDEST = 0.8  # inches of an image in a row
HEAD, EDGE, GAP = 0.36, 1.05, 0.045  # inches: title, names at the left, between images


def thumbnail_rows(points: np.ndarray, most: int = ACROSS) -> np.ndarray:
    """Which of the points (N, 2) get a picture: in each cell of a grid the one that lies nearest to its middle."""
    grid = _Grid.of(points, most)
    far = np.square(grid.points - (grid.cells + 0.5)).sum(axis=1)
    order = np.lexsort((far, grid.cells[:, 1], grid.cells[:, 0]))
    first = np.ones(len(order), bool)
    first[1:] = (grid.cells[order][1:] != grid.cells[order][:-1]).any(axis=1)
    return np.sort(order[first])


def thumbnails(
    points: np.ndarray, rows: np.ndarray, stack: np.ndarray, title: str = "Images at their codes",
    *, most: int = ACROSS, given: Sequence[int] | None = None, width: float = PAGE,
) -> Figure:  # fmt: skip
    """points (N, 2) of all codes, the `rows` of `thumbnail_rows`, their images (n, ...) → each image at its place.

    `given`: the shape of an image, where those of the stack were `reduced` before.
    """
    small = reduced(np.asarray(stack), THUMBNAIL)
    (drawn,), scale, alike = apart(small)
    fewer = size_note(given or np.shape(stack)[1:], small.shape[1:])
    shown = Samples(drawn)
    if len(shown) != len(rows):
        raise DataError(f"{len(shown)} images for {len(rows)} places")
    grid = _Grid.of(points, most)
    low, high = int(grid.cells[:, 1].min()), int(grid.cells[:, 1].max()) + 1
    side = (width - 0.08) / max(grid.across, LARGEST)
    down = side * min(shown.aspect, 1.6)
    where = "by the order of their codes across and up" if grid.by_rank else "at the places of their codes"
    facts = f"{len(rows)} of {len(points):,} images, {where}"
    with styled():
        page = sheet(width, HEAD + (high - low) * down + 0.04)
        say(page, 0.04, 0.12, title, fontsize=8, fontweight="bold", color=INK)
        words, size = fitted("; ".join(filter(None, [facts, shown.note, alike, fewer])), width - 0.08, 6.5)
        say(page, 0.04, 0.27, words, fontsize=size)
        tiles = Tiles(page)
        for index, row in enumerate(rows):
            column, line = grid.cells[row]
            left, top = 0.04 + column * side, HEAD + (high - 1 - line) * down
            shown.draw(tiles, index, (left, top, side - 0.015, down - 0.015), *scale)
    return page


@dataclass(frozen=True)
class _Grid:
    """`points` (N, 2) in units of cells, and the `cells` (column, line) that they lie in, of `across` columns.

    `by_rank`: points of a few narrow heaps, of which nearly all would hide each other, are laid out by their ranks.
    """

    points: np.ndarray
    cells: np.ndarray
    across: int
    by_rank: bool

    @classmethod
    def of(cls, points: np.ndarray, most: int) -> _Grid:
        points = np.asarray(points, np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not len(points):
            raise DataError(f"a map needs codes of shape (N, 2), not {points.shape}")
        across = min(most, max(FEWEST, math.ceil(ROOM * math.sqrt(len(points)))))
        low, high = np.quantile(points, [0.005, 0.995], axis=0)
        span = np.where(high > low, high - low, 1.0)
        grid = cls._laid((points - low) / span * across, across, False)
        if len(np.unique(grid.cells, axis=0)) >= HIDDEN * min(len(points), across**2 // 2):
            return grid
        ranks = points.argsort(axis=0, kind="stable").argsort(axis=0, kind="stable")
        return cls._laid((ranks + 0.5) / len(points) * across, across, True)

    @classmethod
    def _laid(cls, places: np.ndarray, across: int, by_rank: bool) -> _Grid:
        return cls(places, np.clip(places.astype(int), 0, across - 1), across, by_rank)


def image_rows(
    stack: np.ndarray, names: Sequence[str], title: str, about: str = "", captions: Sequence[Sequence[str]] = (),
    *, given: Sequence[int] | None = None, plain: bool = False, width: float = PAGE,
) -> Figure:  # fmt: skip
    """stack (rows * columns, ...) as `Samples` takes it → a row of images for each of `names`, all in one scale.

    A row may have fewer images than the others: images that are not finite are left out. `captions`: under the images.
    `given`: as of `thumbnails`. `plain`: the images themselves, though all look alike.
    """
    small = reduced(np.asarray(stack))
    (drawn,), scale, alike = ([small], *window_of(small)) if plain else apart(small)
    fewer = size_note(given or np.shape(stack)[1:], small.shape[1:])
    shown = Samples(drawn)
    columns = len(shown) // max(len(names), 1)
    if not names or columns * len(names) != len(shown):
        raise DataError(f"{len(shown)} images do not make {len(names)} rows")
    across = min((width - EDGE) / columns - GAP, WIDEST)
    high, caption = across * shown.aspect, 0.12 if captions else 0.0
    with styled():
        page = sheet(width, HEAD + len(names) * (high + GAP + caption))
        say(page, 0.04, 0.12, title, fontsize=8, fontweight="bold", color=INK)
        words, size = fitted("; ".join(filter(None, [about, shown.note, alike, fewer])), width - 0.08, 6.5)
        say(page, 0.04, 0.27, words, fontsize=size)
        tiles = Tiles(page)
        for line, name in enumerate(names):
            top = HEAD + line * (high + GAP + caption)
            for part, words in enumerate(name.split("\n")):
                text, points = fitted(words, EDGE - 0.1, 6.5)
                say(page, 0.04, top + high / 2 + (part - (name.count("\n")) / 2) * 0.11, text, fontsize=points)
            for column in range(columns):
                index, left = line * columns + column, EDGE + column * (across + GAP)
                if np.isfinite(shown.stack[index]).any():
                    shown.draw(tiles, index, (left, top, across, high), *scale)
                    if captions:
                        text, points = fitted(captions[line][column], across, 5)
                        say(page, left + across / 2, top + high + 0.06, text, ha="center", fontsize=points)
    return page


def traversal_codes(
    codes: np.ndarray, steps: int = 9, most: int = 16, cover: float = 0.98
) -> tuple[np.ndarray, list[int]]:
    """(rows * steps, K): each number of a code from low to high over the middle `cover` of it, others at their median.

    And which numbers these are, from 0: of more than `most` those that vary most. codes (N, K).
    """
    flat = np.asarray(codes, np.float64).reshape(len(codes), -1)
    chosen = sorted(np.argsort(-flat.std(axis=0), kind="stable")[:most].tolist())
    low, high = np.quantile(flat, [(1 - cover) / 2, (1 + cover) / 2], axis=0)
    made = np.tile(np.median(flat, axis=0), (len(chosen) * steps, 1))
    for row, column in enumerate(chosen):
        made[row * steps : (row + 1) * steps, column] = np.linspace(low[column], high[column], steps)
    return made, chosen


def traversals(
    codes: np.ndarray, chosen: Sequence[int], decoded: np.ndarray, title: str = "Each number of the code, low to high",
    *, given: Sequence[int] | None = None, width: float = PAGE,
) -> Figure:  # fmt: skip
    """What the decoder makes of the codes of `traversal_codes`: a row for each number, the others at their median.

    `given`: as of `thumbnails`.
    """
    steps = len(codes) // max(len(chosen), 1)
    ends = [codes[row * steps : (row + 1) * steps, column][[0, -1]] for row, column in enumerate(chosen)]
    names = [
        f"code {column + 1}\n{number(float(low))} to {number(float(high))}"
        for column, (low, high) in zip(chosen, ends, strict=True)
    ]
    part = "" if len(chosen) == codes.shape[1] else f"the {len(chosen)} of {codes.shape[1]} numbers that vary most; "
    return image_rows(decoded, names, title, f"{part}all other numbers at their median", given=given, width=width)
