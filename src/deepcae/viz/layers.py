"""How one image passes through the network: a panel per blob, from the input to the restored image (paper: Fig. 7)."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import DataError, in_one_line, shortened
from .reduced import reduced
from .samples import draw_curves, signal
from .style import (
    PAGE,
    SOFT,
    TRAIN_COLOR,
    axes_at,
    columns_to_fit,
    greys,
    mosaic,
    number,
    page_title,
    sheet,
    styled,
    thickened,
)
from .tile import tile_at

MOST_PANELS, LONGEST_NAME = 100, 40  # blobs that are drawn; letters of a blob's name
PIXELS, SMALLEST = 600, 16  # of a panel with maps, about; of a map, at least
BARS_UP_TO = 40  # values that can still be read as bars; more become a field of grey cells
TALLEST = 9.8  # inches: an A4 page with its margins
HEAD = 0.31  # inches above a panel, for its two lines
EDGE = 0.2  # inches beside bars, for the numbers of their axis
LETTER = 0.6  # mean width of a letter, in font sizes
TWO_LINES, THREE_LINES = 6.2, 5.2  # letters of titles, at most
LEAST = 4.6  # points: titles whose letters would be smaller in two lines get three


def layer_panels(
    blobs: Sequence[tuple[str, np.ndarray]],
    label: Any = None,
    title: str = "",
    *,
    named: str = "class",
    images: Mapping[str, Sequence[int]] | None = None,
    scores: Collection[str] = (),
    columns: int = 4,
    width: float = PAGE,
) -> Figure:
    """blobs: (name, (C, H, W) maps | (K,) values) in order of the network → one panel each, on one page.

    Of volumes (C, D, H, W) each slice is a tile. Where the first blob is a signal, it and what has its size are curves.
    `images`: names of blobs that are images, as the first and the restored one, with the shape that each is shown in;
    those of three channels are shown in colour, which runs from the smallest value of all channels to the largest.
    `scores`: names of blobs with a value for each class: their bars count from 0, as labels do, those of codes from 1.

    A panel is titled `02 conv1`, and below it the label (what it is `named`; left out where unknown), the size as
    Caffe shows it (`20x20x8`: height, width, maps) and `[min, max]`. Maps are tiled; grey runs from a panel's smallest
    value (black) to its largest (white). Up to 40 values of a fully connected layer are bars, more are cells, row by
    row. More columns than asked are used where the page would not fit A4. Of more than `MOST_PANELS` blobs the first
    are drawn, and the title says so.
    """
    if not blobs:
        raise DataError("there are no blobs to draw")
    arrays = [(shortened(in_one_line(name), LONGEST_NAME), _content(name, blob)) for name, blob in blobs[:MOST_PANELS]]
    if len(blobs) > len(arrays):
        title = f"{shortened(title, 80)} (the first {len(arrays)} of {len(blobs):,} blobs)"
    line = _signal(arrays[0][1])
    columns = min(columns, len(arrays))
    while _height(len(arrays), columns, width) > TALLEST and columns < 10:
        columns += 1
    top = 0.3 if title else 0.02
    cell = width / columns
    side = cell - 0.12
    told = "" if label is None else f"{shortened(in_one_line(named), LONGEST_NAME)} {label}"
    titles, size = _titles(arrays, told, cell)
    whole = next(iter((images or {}).values()), ())  # of an image, which blobs of as many values in a row are, too
    with styled():
        page = sheet(width, _height(len(arrays), columns, width) + top)
        if title:
            page_title(page, title)
        for index, (_, array) in enumerate(arrays):
            left, down = index % columns * cell + 0.06, top + index // columns * (side + HEAD + 0.08) + HEAD
            curves = line is not None and array.size == math.prod(line)
            bars = array.ndim == 1 and array.size <= BARS_UP_TO
            room = EDGE if bars or curves else 0.0  # beside bars and curves, and under them, stand their numbers
            place = axes_at if bars or curves else tile_at
            axes = place(page, left + room, down, side - room, side - 0.7 * room)
            shape = tuple((images or {}).get(blobs[index][0], whole if array.ndim == 1 else ()))
            if curves:
                _curves(axes, _as_lines(array, line))
            elif shape and math.prod(shape) == array.size and not bars:
                _picture(axes, array.reshape(shape), in_colour=len(shape) == 3 and shape[0] == 3)
            elif bars:
                _bars(axes, array, first=0 if blobs[index][0] in scores else 1)
            else:
                _picture(axes, array)
            start = -room / (side - room)
            axes.set_title(titles[index], x=start, y=1.0, fontsize=size, fontweight="normal", pad=2.5, linespacing=1.3)
    return page


def _titles(arrays: Sequence[tuple[str, np.ndarray]], label: str, cell: float) -> tuple[list[str], float]:
    """Each panel's title, and the size (points) at which the longest line stays in its column of `cell` inches."""

    def size(words: Sequence[str]) -> float:
        return cell * 72 / (LETTER * max(len(line) for each in words for line in each.split("\n")))

    titles = [f"{index:02d} {name}\n{facts(array, label)}" for index, (name, array) in enumerate(arrays, 1)]
    if size(titles) >= LEAST:
        return titles, min(TWO_LINES, size(titles))
    titles = ["\n[".join(words.rsplit(" · [", 1)) for words in titles]  # the range: its own line
    return titles, min(THREE_LINES, size(titles))


def facts(array: np.ndarray, label: str) -> str:
    """`class 2 · 20x20x8 · [-1.20, 3.40]`."""
    low, high = float(array.min()), float(array.max())
    constant = " constant" if low == high and array.size > 1 else ""  # the paper's saturated layers look like this
    return " · ".join(filter(None, [label, caffe_size(array), f"[{number(low)}, {number(high)}]{constant}"]))


def caffe_size(array: np.ndarray) -> str:
    """(C, H, W) → `HxWxC` (one map: `HxW`), (C, D, H, W) → `DxHxWxC`, (K,) → `K`: as the paper writes."""
    if array.ndim == 1:
        return str(array.size)
    channels, *sides = array.shape
    return "x".join(map(str, [*sides, *([channels] if channels > 1 else [])]))


def _height(count: int, columns: int, width: float) -> float:
    return math.ceil(count / columns) * (width / columns - 0.12 + HEAD + 0.08)


def _content(name: str, blob: Any) -> np.ndarray:
    array = np.asarray(blob, dtype=np.float64)
    if array.ndim > 2 and set(array.shape[1:]) == {1}:
        array = array.reshape(-1)
    if array.ndim == 2:
        array = array[None]
    if not array.ndim or not array.size:
        raise DataError(f"blob '{name}' has shape {array.shape}; a panel shows (C, H, W) or (K,) of one image")
    return array


def _signal(first: np.ndarray) -> tuple[int, int] | None:
    """(lines, values of each) where the first blob is a signal; a row that is a square may be an image laid flat."""
    lines = signal(first.shape)
    laid_flat = first.ndim == 1 and math.isqrt(first.size) ** 2 == first.size
    return None if laid_flat or first.size <= BARS_UP_TO else lines


def _as_lines(array: np.ndarray, lines: tuple[int, int] | None) -> np.ndarray:
    """A blob of as many values as the signal, as its curves."""
    assert lines is not None
    return np.moveaxis(array, int(np.argmax(array.shape)), -1).reshape(lines)


def _curves(axes: Axes, lines: np.ndarray) -> None:
    draw_curves(axes, lines)
    axes.tick_params(labelsize=5.5, length=0, pad=1.5)
    axes.grid(True, axis="y")


def _picture(axes: Axes, array: np.ndarray, in_colour: bool = False) -> None:
    low, high = float(array.min()), float(array.max())
    low, high = (low - 1, high + 1) if low == high else (low, high)  # a constant is neither black nor white
    if in_colour:
        axes.imshow(np.clip((array.transpose(1, 2, 0) - low) / (high - low), 0, 1))
        axes.set_anchor("NW")
        return
    if array.ndim == 1:
        columns = columns_to_fit(array.size, 1.0, 1.0)
        cells = np.full(-(-array.size // columns) * columns, np.nan)
        cells[: array.size] = array
        picture = cells.reshape(-1, columns)
    else:
        maps = thickened(array.reshape(-1, *array.shape[-2:]))
        columns = columns_to_fit(len(maps), maps.shape[2] / maps.shape[1], 1.0)
        picture = mosaic(reduced(maps, max(SMALLEST, PIXELS // columns)), columns)
    axes.imshow(picture, cmap=greys(), vmin=low, vmax=high)
    axes.set_anchor("NW")


def _bars(axes: Axes, values: np.ndarray, first: int) -> None:
    """Each neuron with its number below, from `first` on, and, where there is room, its value."""
    place = np.arange(first, len(values) + first)
    axes.bar(place, values, width=0.75, color=TRAIN_COLOR, linewidth=0)
    axes.axhline(0, color=SOFT, linewidth=0.5)
    axes.set_xlim(first - 0.6, len(values) + first - 0.4)
    axes.use_sticky_edges = False  # bars that all point down keep away from the title too
    axes.margins(y=0.15)
    inches = axes.get_position().width * axes.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    axes.set_xticks(place if len(values) <= 10 and inches > 0.09 * len(values) else place[place % 5 == 0])
    axes.tick_params(labelsize=5.5, length=0, pad=1.5)
    axes.locator_params(axis="y", nbins=6)
    axes.spines["bottom"].set_visible(False)
    axes.grid(True, axis="y")
    if len(values) > 5:
        return
    for x, y in zip(place, values, strict=True):
        up = y >= 0
        axes.annotate(
            number(float(y)),
            (x, y),
            xytext=(0, 2 if up else -2),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            fontsize=6,
            color=SOFT,
        )
