"""Maps over an image: what was shown, what was restored, the error, and each number of the code where it stands."""

from __future__ import annotations

import math

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .samples import CUT, Samples, scale_of, window_of
from .style import LAND, PAGE, figure, fitted, greys, number, page_title, styled

MOST_CODES = 20  # maps of codes that are drawn
COLUMNS, TITLE = 4, 0.3  # inches
BRIGHTEST = 99.5  # percentile of errors that has the last colour
ERRORS, CODES = "inferno", "viridis"  # perceptually uniform, readable without colour vision and in grey


def maps_of_image(
    shown: np.ndarray, restored: np.ndarray, error: np.ndarray, codes: np.ndarray, title: str = ""
) -> Figure:
    """shown, restored (c, h, w), error (h, w), codes (K, h, w) → a panel each, with axes in pixels and a colour bar.

    Image and restored image share one scale of grey, see `window_of`. NaN, where nothing is known, is drawn as
    background.
    """
    count = min(len(codes), MOST_CODES)
    panels = 3 + count
    rows = math.ceil(panels / COLUMNS)
    tall = min(max(error.shape[0] / error.shape[1], 0.4), 2.5)
    scale, cut = window_of(shown)
    title += f"; {len(codes) - count} more codes are not drawn" if len(codes) > count else ""
    title += f"; {cut}" if cut else ""
    with styled():
        page = _under_title(figure(PAGE, TITLE + rows * (0.42 + (PAGE / COLUMNS - 0.65) * tall)), title)
        axes = [page.add_subplot(rows, COLUMNS, place) for place in range(1, panels + 1)]
        for place, (name, image) in enumerate((("image", shown), ("restored", restored))):
            _picture(page, axes[place], image, scale, name)
        _map(page, axes[2], error, ERRORS, f"error, mean {number(float(np.nanmean(error)))}")
        for k in range(count):
            _map(page, axes[3 + k], codes[k], CODES, f"code {k + 1}")
    return page


def _picture(page: Figure, axes: Axes, image: np.ndarray, scale: tuple[float, float], name: str) -> None:
    """Images of other than 1 or 3 channels: the channels side by side."""
    low, high = scale
    drawn = Samples(np.nan_to_num(image[None], nan=low)).picture(0) if image.shape[0] not in (1, 3) else _plain(image)
    if drawn.ndim == 3:
        axes.imshow(np.clip((np.nan_to_num(drawn, nan=low) - low) / (high - low), 0, 1))
    else:
        page.colorbar(axes.imshow(drawn, cmap=greys(), vmin=low, vmax=high), ax=axes, shrink=0.8)
    _named(axes, name)


def _plain(image: np.ndarray) -> np.ndarray:
    return image[0] if len(image) == 1 else image.transpose(1, 2, 0)


def _map(page: Figure, axes: Axes, values: np.ndarray, colours: str, name: str) -> None:
    low, high = scale_of(values)
    cut = colours == ERRORS
    if cut:
        low, high = 0.0, float(np.nanpercentile(values, BRIGHTEST)) or high
    drawn = axes.imshow(values, cmap=colormaps[colours].with_extremes(bad=LAND), vmin=low, vmax=high)
    page.colorbar(drawn, ax=axes, shrink=0.8, extend="max" if cut else "neither")
    _named(axes, name)


def _named(axes: Axes, name: str) -> None:
    words, size = fitted(name, PAGE / COLUMNS - 0.3, 7, "bold")
    axes.set_title(words, fontsize=size)
    axes.tick_params(labelsize=5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def before_and_after(before: np.ndarray, after: np.ndarray, names: list[str], title: str = "") -> Figure:
    """before, after (n, c, h, w) in the same units → a row for each image: before, after, and after - before.

    All images before and after share one scale, of all values but the 0.2 % at its ends, all differences another one
    around zero.
    """
    low, high = scale_of(np.clip(before, *np.nanpercentile(before, (CUT, 100 - CUT))))
    title += f"; contrast: {CUT:g} to {100 - CUT:g} percentile, {number(low)} to {number(high)}"
    change = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    most = float(np.nanmax(np.abs(change))) or 1.0
    tall = min(max(before.shape[-2] / before.shape[-1], 0.3), 2.5)
    with styled():
        page = _under_title(figure(PAGE, TITLE + len(before) * (0.42 + (PAGE / 3 - 0.75) * tall)), title)
        for row, name in enumerate(names):
            axes = [page.add_subplot(len(before), 3, 3 * row + place) for place in (1, 2, 3)]
            _picture(page, axes[0], np.asarray(before[row], np.float64), (low, high), f"{name}: before")
            _picture(page, axes[1], np.asarray(after[row], np.float64), (low, high), "after")
            shown = Samples(change[row][None]).picture(0) if len(change[row]) > 1 else change[row][0]
            if shown.ndim == 3:  # of colours the mean
                shown = shown.mean(axis=2)
            page.colorbar(axes[2].imshow(shown, cmap="RdBu_r", vmin=-most, vmax=most), ax=axes[2], shrink=0.8)
            _named(axes[2], "after - before")
    return page


def _under_title(page: Figure, title: str) -> Figure:
    """The page with its title, and the room for it."""
    page_title(page, title)
    height = page.get_figheight()
    page.get_layout_engine().set(rect=(0, 0, 1, 1 - TITLE / height))  # type: ignore[union-attr,call-arg]
    return page
