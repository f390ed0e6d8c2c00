"""What the decoder makes of each place of a code plane."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ..errors import DataError
from .style import COLUMN, GREYS, figure, heading, images, styled


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
    """codes (R*C, 2) of `grid_codes`, decoded (R*C, H, W) → one picture over the plane, with the codes at its axes."""
    tiles = images(decoded, "decoded images")
    places = np.asarray(codes, dtype=np.float64)
    xs, ys = np.unique(places[:, 0]), np.unique(places[:, 1])
    if tiles.ndim != 3 or len(tiles) != len(places) or len(xs) * len(ys) != len(tiles):
        raise DataError(f"{len(tiles)} images for {len(places)} codes on a grid of {len(ys)}x{len(xs)}")
    rows, columns, (height, across) = len(ys), len(xs), tiles.shape[1:]
    mosaic = tiles.reshape(rows, columns, height, across).swapaxes(1, 2).reshape(rows * height, columns * across)
    half_x, half_y = _half_step(xs), _half_step(ys)
    extent = (xs[0] - half_x, xs[-1] + half_x, ys[0] - half_y, ys[-1] + half_y)
    with styled():
        page = figure(width, width * (rows * height) / (columns * across) + 0.25)
        axes = page.add_subplot()
        heading(axes, title)
        axes.imshow(mosaic, cmap=GREYS, extent=extent, aspect="auto")
        axes.set_xlabel("code 1")
        axes.set_ylabel("code 2")
    return page


def _half_step(values: np.ndarray) -> float:
    return float(values[1] - values[0]) / 2 if len(values) > 1 else 0.5
