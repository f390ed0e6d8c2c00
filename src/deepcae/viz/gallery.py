"""Images side by side, each with its number and its class below."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from .reduced import reduced
from .samples import Samples, scale_of, window_of
from .style import INK, PAGE, class_names, fitted, number, say, sheet, styled
from .tile import Tiles

SHOWN = 400  # images; more could not be seen on paper
WIDEST = 1.1  # inches of one image
TALLEST = 9.8  # inches of the page: A4 with its margins
HEAD, GAP, CAPTION = 0.36, 0.045, 0.15  # inches: title, between images, below an image


def gallery(
    stack: np.ndarray,
    labels: np.ndarray | None = None,
    title: str = "",
    *,
    limit: int = SHOWN,
    width: float = PAGE,
) -> Figure:
    """stack (N, ...) as `Samples` takes it, labels (N,) → the first `limit`, captioned `number` or `number · class`.

    Numbers count from 0. Grey runs from 0 to 1, or as `window_of` has it where they leave that range.
    """
    shown = Samples(reduced(np.asarray(stack[:limit])))
    captions = [str(index) for index in range(len(shown))]
    if labels is not None:
        _, classes, names = class_names(labels)
        captions = [f"{index} · {names[of]}" for index, of in zip(captions, classes, strict=False)]
    (low, high), cut = _scale(shown)
    part = f"first {len(shown)} of {len(stack)} images" if len(shown) < len(stack) else f"{len(shown)} images"
    levels = cut or f"{'grey' if shown.lines is None else 'heights'}: {number(low)} to {number(high)}"
    below = f"below each: its number{'' if labels is None else ' · class'}"
    facts, small = fitted("; ".join(filter(None, [part, below, levels, shown.note])), width - 0.04, 6.5)
    columns = _columns(len(shown), shown.aspect, width)
    across = min(width / columns - GAP, WIDEST)
    size = min(6.5, 72 * across / (0.6 * max(map(len, captions))))  # the longest caption stays under its image
    down, caption = across * shown.aspect, min(CAPTION, 1.6 * size / 72)
    rows = math.ceil(len(shown) / columns)
    with styled():
        page = sheet(width, HEAD + rows * (down + caption))
        words, points = fitted(title or "Images", width - 0.04, 8, "bold")
        say(page, 0.02, 0.12, words, fontsize=points, fontweight="bold", color=INK)
        say(page, 0.02, 0.27, facts, fontsize=small)
        tiles = Tiles(page)
        for index, words in enumerate(captions):
            left, top = index % columns * (across + GAP), HEAD + index // columns * (down + caption)
            shown.draw(tiles, index, (left, top, across, down), low, high)
            say(page, left + across / 2, top + down + caption / 2, words, ha="center", fontsize=size)
    return page


def _columns(count: int, steep: float, width: float) -> int:
    """The fewest columns, six at least, with which `count` images (height / width: `steep`) fit on an A4 page."""

    def height(columns: int) -> float:
        return HEAD + math.ceil(count / columns) * (min(width / columns - GAP, WIDEST) * steep + CAPTION)

    return next((columns for columns in range(6, count) if height(columns) <= TALLEST), max(count, 6))


def _scale(shown: Samples) -> tuple[tuple[float, float], str]:
    low, high = scale_of(shown.stack)
    if low >= 0 and high <= 1:
        return (0.0, 1.0), ""
    return window_of(shown.stack) if shown.lines is None else ((low, high), "")
