"""Error and codes over a recording, and its least usual images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .quantity import broken
from .reduced import reduced, size_note
from .samples import Samples, scale_of
from .style import (
    CLASS_COLORS,
    GRID,
    INK,
    PAGE,
    SOFT,
    TEST_COLOR,
    figure,
    fitted,
    number,
    page_title,
    say,
    sheet,
    styled,
)
from .tile import Tiles

MOST_CODES = 16  # curves of codes that are drawn
SMALL, LETTER, ROOM = 5.5, 0.052, 6.2  # points of the names of marks; inches of a letter, and of all places
WORD, LINE = 1.1, 7  # inches of a name, at most; points of a line of names
MOST_NAMES = 12  # sources that are named
BRIGHTEST = 99.8  # percentile of the images' values that is white
HELD = "#fbeee8"  # the ground of what was held out


def timeline(
    errors: np.ndarray,
    codes: np.ndarray,
    *,
    marked: Sequence[int] | np.ndarray = (),
    names: Sequence[str] = (),
    held_out: np.ndarray | None = None,
    sources: Sequence[tuple[int, str]] = (),
    rows: np.ndarray | None = None,
    title: str = "",
    together: str = "recording",
) -> Figure:
    """errors (n,), codes (n, K) in the order of the recording → a curve for the error, and one for each code.

    `marked`: images to mark, called `names`; `held_out` (n,): a mask of those that the net did not learn from, drawn on
    another ground; `sources`: where each source begins, and its name; `rows` (n,): of one source, the images' numbers
    in it, which stand at the axis then; `together`: what the images are in their order, in a word.
    """
    count = min(codes.shape[1], MOST_CODES)
    at = np.arange(len(errors)) if rows is None else np.asarray(rows)
    heights = [2.6] + [1.0] * count
    with styled():
        page = figure(PAGE, 0.6 + 0.5 * sum(heights))
        panels = page.subplots(1 + count, 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
        _curve(panels[0], at, errors, INK, "error")
        panels[0].set_ylim(bottom=0)
        for k in range(count):
            _curve(panels[1 + k], at, codes[:, k], CLASS_COLORS[k % len(CLASS_COLORS)], f"code {k + 1}")
        for axes in panels:
            _grounds(axes, at, held_out)
            for start, _ in list(sources)[1:] if len(sources) <= MOST_NAMES else ():
                axes.axvline(start - 0.5, color=SOFT, linewidth=0.5)
        _mark(panels[0], at, errors, marked, names)
        if 1 < len(sources) <= MOST_NAMES:
            _name_sources(panels[-1], sources, len(errors))
        one = (
            f"image of {sources[0][1]}, from 0" if rows is not None and sources else f"image of the {together}, from 0"
        )
        several = "image, from 0, of all files one after another"
        panels[-1].set_xlabel(several if len(sources) > 1 else one)
        panels[0].set_xlim(at[0] - 0.5, at[-1] + 0.5)
        more = f"; {codes.shape[1] - count} more codes are not drawn" if codes.shape[1] > count else ""
        held = "; held-out images on a red ground" if held_out is not None and held_out.any() else ""
        page_title(page, f"{title}{held}{more}")
        page.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.3 / page.get_figheight()))  # type: ignore[union-attr,call-arg]
    return page


def _curve(axes: Axes, at: np.ndarray, values: np.ndarray, color: str, name: str) -> None:
    axes.plot(*broken(at, values), color=color, linewidth=0.6)
    axes.set_ylabel(name, rotation=0, ha="right", va="center")
    axes.grid(axis="x", color=GRID)
    axes.locator_params(axis="y", nbins=3)


def _grounds(axes: Axes, at: np.ndarray, held_out: np.ndarray | None) -> None:
    """A ground under each run of images that were held out."""
    if held_out is None:
        return
    edges = np.flatnonzero(np.diff(np.concatenate([[False], held_out, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2).tolist():
        axes.axvspan(at[start] - 0.5, at[stop - 1] + 0.5, color=HELD, linewidth=0, zorder=0)


def _name_sources(axes: Axes, sources: Sequence[tuple[int, str]], total: int) -> None:
    """Below the axis, under the middle of each source; in as many lines as they need."""
    starts = np.array([start for start, _ in sources])
    middles = (starts + np.append(starts[1:], total) - 1) / 2
    words = [fitted(name, WORD, 5) for _, name in sources]
    for (word, size), middle, tier in zip(
        words, middles, tiers(middles / max(total, 1) * ROOM, _widths(words)), strict=True
    ):
        axes.annotate(word, (middle, 0), xycoords=("data", "axes fraction"), xytext=(0, -24 - LINE * tier), va="top",
                      textcoords="offset points", ha="center", fontsize=size, color=SOFT)  # fmt: skip


def _mark(
    axes: Axes, at: np.ndarray, errors: np.ndarray, marked: Sequence[int] | np.ndarray, names: Sequence[str]
) -> None:
    """A mark on the curve for each; above all of it their names, in as many lines as they need, each over its mark."""
    if not len(marked):
        return
    places, top = np.asarray(marked), float(errors.max()) or 1.0
    axes.plot(at[places], errors[places], "v", color=TEST_COLOR, markersize=3.5)
    named = sorted(zip(places.tolist(), names, strict=False))
    words = [fitted(name, WORD, SMALL) for _, name in named]
    inches = (at[[place for place, _ in named]] - at[0]) / max(at[-1] - at[0], 1) * ROOM
    lines = tiers(inches, _widths(words))
    for (place, _), (word, size), line in zip(named, words, lines, strict=True):
        axes.annotate(word, (at[place], top), xytext=(0, 6 + LINE * line), textcoords="offset points",
                      ha="center", fontsize=size, color=TEST_COLOR)  # fmt: skip
        axes.plot([at[place]] * 2, [errors[place], top], color=TEST_COLOR, linewidth=0.4, linestyle=":")
    axes.set_ylim(top=(1.15 + 0.12 * max(lines, default=0)) * top)


def _widths(words: Sequence[tuple[str, float]]) -> list[float]:
    """Inches of words in their sizes, about."""
    return [LETTER * size / SMALL * len(word) for word, size in words]


def tiers(middles: np.ndarray, widths: Sequence[float]) -> list[int]:
    """middles (n,), rising, of words of some widths → a line for each, the lowest in which none touches another."""
    ends: list[float] = []  # of the last word in each line
    chosen = []
    for middle, width in zip(middles.tolist(), widths, strict=True):
        left = middle - width / 2
        tier = next((tier for tier, end in enumerate(ends) if end < left), len(ends))
        ends[tier : tier + 1] = [middle + width / 2]
        chosen.append(tier)
    return chosen


def cluster_strip(
    labels: np.ndarray, *, rows: np.ndarray | None = None, held_out: np.ndarray | None = None, axis: str = "",
    title: str = "",
) -> Figure:  # fmt: skip
    """labels (n,) from 0, in order → a line for each cluster, with a bar wherever images are of it.

    `rows` (n,): where each image stands on the `axis`; `held_out`: as of `timeline`.
    """
    labels = np.asarray(labels)
    at, count = np.arange(len(labels)) if rows is None else np.asarray(rows), int(labels.max()) + 1
    step = float(np.median(np.diff(at))) if len(at) > 1 else 1.0
    with styled():
        page = figure(PAGE, 0.75 + 0.17 * count)
        axes = page.add_subplot()
        for cluster in range(count):
            edges = np.flatnonzero(np.diff(np.concatenate([[False], labels == cluster, [False]]).astype(np.int8)))
            bars = [(at[start] - step / 2, at[stop - 1] - at[start] + step) for start, stop in edges.reshape(-1, 2)]
            axes.broken_barh(bars, (cluster - 0.4, 0.8), facecolors=CLASS_COLORS[cluster % len(CLASS_COLORS)])
        _grounds(axes, at, held_out)
        axes.set_yticks(range(count), [f"cluster {cluster}" for cluster in range(count)])
        axes.set_ylim(count - 0.4, -0.6)
        axes.set_xlim(at[0] - step / 2, at[-1] + step / 2)
        axes.set_xlabel(axis)
        held = "; held-out images on a red ground" if held_out is not None and held_out.any() else ""
        page_title(page, f"{title}{held}")
        page.get_layout_engine().set(rect=(0, 0, 1, 1 - 0.3 / page.get_figheight()))  # type: ignore[union-attr,call-arg]
    return page


ROWS = (("image", 0), ("restored", 1), ("difference", 2))
HEAD, EDGE, SPACE, CAPTION = 0.36, 0.2, 0.05, 0.17  # inches


def unusual_images(
    shown: np.ndarray, restored: np.ndarray, names: Sequence[str], title: str = "", about: str = ""
) -> Figure:
    """shown, restored (n, ...) → a column for each: image, restored, and restored - image on a scale of its own.

    `about`: what the names say.
    """
    count = len(shown)
    whole = np.shape(shown)
    shown, restored = (reduced(np.asarray(each)) for each in (shown, restored))
    change = np.asarray(restored, np.float64) - np.asarray(shown, np.float64)
    most = float(np.percentile(np.abs(change), BRIGHTEST)) or 1.0
    stacks = [Samples(shown), Samples(restored), Samples(change)]
    low, high = scale_of(np.clip(shown, *np.percentile(shown, (100 - BRIGHTEST, BRIGHTEST))))
    across = min((PAGE - EDGE) / max(count, 1) - SPACE, 1.6)
    down = across * stacks[0].aspect
    with styled():
        page = sheet(PAGE, HEAD + 3 * (down + SPACE) + CAPTION)
        words, size = fitted(title, PAGE - 0.04, 8, "bold")
        say(page, 0.02, 0.12, words, fontsize=size, fontweight="bold", color=INK)
        facts = f"grey {number(low)} to {number(high)}; differences ±{number(most)} (black, white)"
        facts += f", {100 - BRIGHTEST:.1f} % beyond"
        words, size = fitted("; ".join(filter(None, [about, facts, size_note(whole, shown.shape)])), PAGE - 0.04, 6.5)
        say(page, 0.02, 0.27, words, fontsize=size)
        for name, row in ROWS:
            say(page, EDGE / 2, HEAD + row * (down + SPACE) + down / 2, name, ha="center", rotation=90)
        tiles = Tiles(page)
        for index, name in enumerate(names):
            left = EDGE + index * (across + SPACE)
            for row, (samples, scale) in enumerate(zip(stacks, ((low, high), (low, high), (-most, most)), strict=True)):
                samples.draw(tiles, index, (left, HEAD + row * (down + SPACE), across, down), *scale)
            words, size = fitted(name, across, 6)
            say(page, left + across / 2, HEAD + 3 * (down + SPACE) + CAPTION / 2, words, ha="center", fontsize=size)
    return page
