"""Codes in the plane, coloured by class (paper: Figs. 1, 2, 4, 5 and 6) or by a quantity."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..errors import DataError
from .quantity import draw_values
from .style import COLUMN, INK, SOFT, class_color, class_marker, class_names, figure, heading, styled

MARKERS_UP_TO = 600  # more points than this are dots: their shapes could not be told apart
NAMED_CLASSES = 20  # more classes than this would make a legend nobody reads


def scatter(
    codes2d: np.ndarray,
    labels: np.ndarray | None = None,
    title: str = "",
    *,
    values: np.ndarray | None = None,
    values_name: str = "",
    separated: tuple[int, int] | None = None,
    note: str = "",
    axis_names: tuple[str, str] = ("code 1", "code 2"),
    scales: bool = True,
    width: float = COLUMN,
) -> Figure:
    """codes2d (N, 2), labels (N,) → a map of the classes, each named where it is purest.

    `values` (N,) in place of labels: a quantity, shown by colours with a bar that is called `values_name`. `separated`
    (count, total) goes into the subtitle beside `note`. `scales=False` drops the numbers at the axes, for maps whose
    units mean nothing (t-SNE), and shows both directions to one scale. Points lie over each other in random order, so
    that no class hides another.
    """
    points = np.asarray(codes2d, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise DataError(f"a map needs codes of shape (N, 2), not {points.shape}")
    if not np.isfinite(points).all():
        raise DataError(f"code {int(np.argmin(np.isfinite(points).all(axis=1)))} holds a value that is not finite")
    for what, given in (("labels", labels), ("values", values)):
        if given is not None and np.size(given) != len(points):
            raise DataError(f"{np.size(given)} {what} for {len(points)} points of the map")
    facts = [note] if note else []
    if separated:
        facts.append(f"{separated[0]} of {separated[1]} classes separated")
    with styled():
        page = figure(width, width * 1.05)
        axes = page.add_subplot()
        heading(axes, title, " · ".join(facts))
        _frame(axes, axis_names, scales)
        if values is not None:
            draw_values(
                page, axes, points, np.asarray(values, np.float64).reshape(-1), values_name, _area(len(points), width)
            )
        elif labels is None:
            axes.scatter(
                points[:, 0],
                points[:, 1],
                s=_area(len(points), width),
                c=class_color(0),
                linewidths=0,
                rasterized=len(points) > 2000,
            )
        else:
            _classes(page, axes, points, labels, width)
    return page


def _frame(axes: Axes, names: tuple[str, str], scales: bool) -> None:
    axes.grid(scales)
    axes.margins(0.04)
    axes.set_xlabel(names[0])
    axes.set_ylabel(names[1])
    if not scales:
        axes.set_aspect("equal", adjustable="datalim")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, labelbottom=False, labelleft=False)


def _area(count: int, width: float) -> float:
    """Area of a point (square points of print): small enough that 10,000 keep their gaps, large enough to see one."""
    return float(np.clip(9000 / max(count, 1), 1.1, 14)) * (width / COLUMN) ** 2


def _classes(page: Figure, axes: Axes, points: np.ndarray, labels: Any, width: float) -> None:
    names, classes, words = class_names(labels)
    shaped = len(points) <= MARKERS_UP_TO
    _draw(axes, points, classes, len(names), _area(len(points), width), shaped)
    if len(names) > NAMED_CLASSES:
        return
    halo = [patheffects.withStroke(linewidth=2.2, foreground="white")]
    for word, (x, y) in zip(words, _spots(points, classes, len(names)), strict=True):
        axes.text(
            x, y, word, color=INK, fontsize=8, fontweight="bold", ha="center", va="center", path_effects=halo, zorder=5
        )
    handles = []
    for number, word in enumerate(words):
        marker = class_marker(number) if shaped else "o"
        handles.append(Line2D([], [], ls="", marker=marker, ms=4.2, mew=0, color=class_color(number), label=word))
    page.legend(
        handles=handles,
        loc="outside lower center",
        ncols=min(len(words), 10),
        columnspacing=0.9,
        handletextpad=0.1,
        labelcolor=SOFT,
    )


def _draw(axes: Axes, points: np.ndarray, classes: np.ndarray, num_classes: int, area: float, shaped: bool) -> None:
    if shaped:
        for number in range(num_classes):
            x, y = points[classes == number].T
            axes.scatter(x, y, s=area, c=class_color(number), marker=class_marker(number), linewidths=0, alpha=0.9)
        return
    order = np.random.default_rng(0).permutation(len(points))
    x, y = points[order].T
    colors = np.array([class_color(number) for number in range(num_classes)])[classes[order]]
    axes.scatter(x, y, s=area, c=colors, linewidths=0, alpha=0.8, rasterized=len(points) > 2000)


def _spots(points: np.ndarray, classes: np.ndarray, num_classes: int, bins: int = 48) -> np.ndarray:
    """Where to write each class's name: the place with most of it and least of the others, kept apart. (num_classes, 2)

    score = mine² / all, of counts in a grid blurred by one bin and a half.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    cells = np.clip(((points - low) / span * bins).astype(int), 0, bins - 1)
    counts = np.zeros((num_classes, bins, bins))
    np.add.at(counts, (classes, cells[:, 0], cells[:, 1]), 1.0)
    counts = _blur(counts)
    score = counts**2 / (counts.sum(axis=0) + 1e-12)
    best = np.array([np.unravel_index(one.argmax(), one.shape) for one in score], dtype=np.float64)
    return low + span * (_apart(best, bins * 0.05) + 0.5) / bins


def _blur(counts: np.ndarray, sigma: float = 1.5) -> np.ndarray:
    """Gaussian along both grid axes of (classes, bins, bins)."""
    reach = np.arange(-4, 5)
    weights = np.exp(-(reach**2) / (2 * sigma**2))
    for axis in (1, 2):
        counts = np.apply_along_axis(np.convolve, axis, counts, weights / weights.sum(), mode="same")
    return counts


def _apart(spots: np.ndarray, distance: float) -> np.ndarray:
    """Push names that would overprint each other to `distance`."""
    spots = spots + np.arange(len(spots))[:, None] * 1e-3  # two at one spot need a direction
    for _ in range(60):
        between = spots[:, None] - spots[None]
        length = np.linalg.norm(between, axis=-1) + np.eye(len(spots)) * 1e9
        push = np.where(length < distance, (distance - length) / length / 2, 0.0)
        if not push.any():
            break
        spots = spots + (between * push[..., None]).sum(axis=1)
    return spots
