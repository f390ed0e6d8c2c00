"""Points coloured by a quantity: a running speed, the time, an error; and the errors of all images, in their order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import DataError
from .style import INK, PAGE, SOFT, TEST_COLOR, TRAIN_COLOR, counting, figure, fitted, heading, number, styled

SCALE = "viridis"  # grows lighter all the way: read alike in print and without colour vision
MISSING = "#c4cad2"  # points of no value
LINE = 2000  # images whose errors are drawn as one line
STRETCHES = 20  # of images that lie side by side, up to which they are drawn as lines
LEGEND = 0.13  # of a histogram's height that a line of its legend takes
REACH = 1.5  # how far beyond all errors a line to compare with is still drawn
CUT = 0.01  # part of the values at each end that share its colour, so that single ones do not take the whole scale


def draw_values(page: Figure, axes: Axes, points: np.ndarray, values: np.ndarray, name: str, area: float) -> None:
    """Points (N, 2) in the colours of their values (N,), with a colour bar; those without a value lie below, grey.

    The scale ends where a hundredth of the values lies beyond, which the bar's arrows say.
    """
    known = np.isfinite(values)
    few = len(points) <= 2000
    if not known.all():
        axes.scatter(points[~known, 0], points[~known, 1], s=area, c=MISSING, linewidths=0, rasterized=not few)
    if not known.any():
        raise DataError(f"no value of '{name}' is a number")
    low, high, extend = limits(values[known])
    order = np.flatnonzero(known)[np.random.default_rng(0).permutation(int(known.sum()))]  # none hides the others
    drawn = axes.scatter(
        points[order, 0],
        points[order, 1],
        s=area,
        c=values[order],
        cmap=SCALE,
        vmin=low,
        vmax=high,
        linewidths=0,
        rasterized=not few,
    )
    bar = page.colorbar(drawn, ax=axes, location="bottom", aspect=40, pad=0.02, fraction=0.045, extend=extend)
    bar.outline.set_linewidth(0)
    bar.ax.tick_params(length=2, labelsize=6)
    words, size = fitted(name if known.all() else f"{name} (grey: unknown)", page.get_figwidth() * 0.8, 7)
    bar.set_label(words, fontsize=size, color=SOFT)


def limits(values: np.ndarray) -> tuple[float, float, str]:
    """The ends of the scale, and at which of them values lie beyond: `neither`, `min`, `max`, `both`."""
    least, most = float(values.min()), float(values.max())
    low, high = (float(each) for each in np.quantile(values, [CUT, 1 - CUT]))
    if high - low > 0.5 * (most - least):  # nothing sticks out
        low, high = least, most
    if not high > low:
        low, high = least, most if most > least else least + 1
    below, above = least < low, most > high
    return low, high, "both" if below and above else "min" if below else "max" if above else "neither"


def _in_order(axes: Axes, places: np.ndarray, errors: np.ndarray) -> None:
    """A line; of more images than there is room for, a dot for each, and of a stretch of neighbours the median.

    The line is broken where images lie farther apart than others; of images all over a recording there are dots alone.
    """
    order = np.argsort(places, kind="stable")
    places, errors = places[order], errors[order]
    lines = broken(places, errors)
    if len(lines[0]) > len(errors) + STRETCHES:
        axes.plot(places, errors, color=TRAIN_COLOR, marker=".", markersize=2, linestyle="none")
        return
    if len(errors) <= LINE:
        axes.plot(*lines, color=TRAIN_COLOR, linewidth=0.5)
        return
    axes.plot(places, errors, color=TRAIN_COLOR, marker=",", linestyle="none", alpha=0.5, rasterized=True)
    parts = [part for part in np.array_split(np.arange(len(errors)), LINE // 10) if np.isfinite(errors[part]).any()]
    middles = [np.nanmedian(errors[part]) for part in parts]
    axes.plot([places[part].mean() for part in parts], middles, color=INK, linewidth=0.7)


def broken(places: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (n,) that rise, and values, with NaN where neighbours lie farther apart than most do: a line has gaps."""
    steps = np.diff(places)
    gaps = np.flatnonzero(steps > 1.5 * np.median(steps)) + 1 if len(steps) else np.empty(0, int)
    return np.insert(np.asarray(places, np.float64), gaps, np.nan), np.insert(
        np.asarray(values, np.float64), gaps, np.nan
    )


def error_panels(
    errors: np.ndarray, lines: Mapping[str, float] | None = None, title: str = "Error of each image",
    *, places: np.ndarray | None = None, axis: str = "image, in the order of the data", width: float = PAGE,
) -> Figure:  # fmt: skip
    """errors (N,), half the squared error of each image → over the images' order, and how often each size occurs.

    `lines`: means to compare with, as PCA's, by name. `places` (N,): where each image stands on the `axis`, as its
    number in a recording; without them its place in the data.
    """
    known = np.asarray(errors, np.float64).reshape(-1)
    if not np.isfinite(known).any():
        raise DataError("no error is a finite number")
    known = np.where(np.isfinite(known), known, np.nan)
    compared = {"this network, mean": float(np.nanmean(known)), **(lines or {})}
    with styled():
        page = figure(width, 0.33 * width)
        left, right = page.subplots(1, 2, width_ratios=(2, 1))
        heading(left, title, f"median {number(float(np.nanmedian(known)))}, worst {number(float(np.nanmax(known)))}")
        _in_order(left, np.arange(len(known)) * 1.0 if places is None else np.asarray(places, np.float64), known)
        left.set_xlabel(axis)
        left.set_ylabel("½·squared error")
        finite = known[np.isfinite(known)]
        right.hist(finite, bins=min(60, max(5, int(len(finite) ** 0.5))), color=TRAIN_COLOR, linewidth=0)
        heading(right, "How often")
        right.set_xlabel("½·squared error")
        right.set_ylabel("images")
        end = REACH * float(finite.max())  # a far line must not flatten the rest
        for place, (name, value) in enumerate(compared.items()):
            style: Any = {"color": TEST_COLOR if place else SOFT, "linestyle": ("-", "--", ":", "-.")[place % 4]}
            beyond = "" if value <= end else ", beyond the frame"
            right.plot([], [], linewidth=0.9, label=f"{name} {number(value)}{beyond}", **style)
            if not beyond:
                right.axvline(value, linewidth=0.9, **style)
                left.axhline(value, linewidth=0.7, **style)
        right.set_ylim(top=right.get_ylim()[1] * (1 + LEGEND * len(compared)))
        right.legend(loc="upper right", frameon=True, framealpha=1, edgecolor="none", fontsize=6)
        for axes in (left, right):
            axes.grid(True, axis="y")
        counting(left.xaxis)
        counting(right.yaxis)
    return page
