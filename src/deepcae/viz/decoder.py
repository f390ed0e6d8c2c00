"""A grid of restored images over a plane of codes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import DataError
from .reduced import reduced
from .samples import EDGE, Samples, scale_of
from .style import COLUMN, class_color, figure, greys, heading, styled

TINY = 80  # pixels of a decoded image's longer side


def grid_codes(codes2d: np.ndarray, rows: int = 15, columns: int = 15, cover: float = 0.98) -> np.ndarray:
    """Places to decode, (rows * columns, 2), top row first, over the middle `cover` of the codes along each axis."""
    points = np.asarray(codes2d, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise DataError(f"a code plane needs codes of shape (N, 2), not {points.shape}")
    edge = (1 - cover) / 2
    low, high = np.quantile(points, [edge, 1 - edge], axis=0)
    x, y = np.meshgrid(np.linspace(low[0], high[0], columns), np.linspace(high[1], low[1], rows))
    return np.stack([x.ravel(), y.ravel()], axis=1)


def code_plane(
    codes: np.ndarray, decoded: np.ndarray, title: str = "Decoded code plane", *, width: float = COLUMN
) -> Figure:
    """codes (R*C, 2) of `grid_codes`, decoded (R*C, ...) → one picture over the plane, with the codes at its axes.

    `decoded` is what `Samples` takes: images, several channels, volumes, signals.
    """
    tiles = Samples(reduced(np.asarray(decoded), TINY), "decoded images")
    places = np.asarray(codes, dtype=np.float64)
    xs, ys = np.unique(places[:, 0]), np.unique(places[:, 1])
    if len(tiles) != len(places) or len(xs) * len(ys) != len(tiles):
        raise DataError(f"{len(tiles)} images for {len(places)} codes on a grid of {len(ys)}x{len(xs)}")
    half_x, half_y = _half_step(xs), _half_step(ys)
    with styled():
        page = figure(width, width * tiles.aspect * len(ys) / len(xs) + 0.25)
        axes = page.add_subplot()
        heading(axes, title, tiles.note)
        axes.set_xlim(xs[0] - half_x, xs[-1] + half_x)
        axes.set_ylim(ys[0] - half_y, ys[-1] + half_y)
        (_images if tiles.lines is None else _curves)(axes, tiles, places, (half_x, half_y))
        axes.set_xlabel("code 1")
        axes.set_ylabel("code 2")
    return page


def _images(axes: Axes, tiles: Samples, places: np.ndarray, half: tuple[float, float]) -> None:
    """The tiles as one picture, the top row first."""
    rows, columns = len(np.unique(places[:, 1])), len(np.unique(places[:, 0]))
    edge = EDGE if tiles.note else 0
    cells = [_edged(tiles.picture(index), edge) for index in range(len(tiles))]
    mosaic = np.concatenate([np.concatenate(cells[row * columns :][:columns], axis=1) for row in range(rows)], axis=0)
    if mosaic.ndim == 3:  # colours, which lie in 0..1
        low, high = scale_of(mosaic)
        low, high = min(low, 0.0), max(high, 1.0)
        mosaic = (mosaic - low) / (high - low)
    extent = (*axes.get_xlim(), *axes.get_ylim())
    axes.imshow(mosaic, cmap=greys(), extent=extent, aspect="auto")


def _edged(picture: np.ndarray, edge: int) -> np.ndarray:
    """The picture with `edge` pixels of no number around it."""
    return np.pad(picture, edge, constant_values=np.nan) if edge else picture


def _curves(axes: Axes, tiles: Samples, places: np.ndarray, half: tuple[float, float]) -> None:
    """Each signal around its place, all in one scale."""
    low, high = scale_of(tiles.stack)
    for index, (x, y) in enumerate(places):
        for number, line in enumerate(tiles.curves(index)):
            across = np.linspace(x - 0.85 * half[0], x + 0.85 * half[0], len(line))
            up = y + 0.85 * half[1] * (2 * (line - low) / (high - low) - 1)
            axes.plot(across, up, color=class_color(number), linewidth=0.5)


def _half_step(values: np.ndarray) -> float:
    return float(values[1] - values[0]) / 2 if len(values) > 1 else 0.5
