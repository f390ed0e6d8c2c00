"""Tables I and IV as pictures: each run a point, the paper's beside ours."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import DataError
from .drawing import Drawing, headed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .losses import Results

_LOSSES = {
    "cross_entropy_loss": ("cross-entropy", "test loss, nats per image"),
    "l2_error": ("Euclidean", "test loss, ½·squared error per image"),
}


def table_losses(name: str, results: Results, *, quick: bool = False) -> list[Drawing]:
    """A picture for each of the two losses of `table1` or `table4`: the paper's runs beside ours.

    Where all of the paper's runs learned, a line marks its mean and 5 %.
    """
    from ..printed import tables as printed
    from .losses import HEADINGS
    from .verdict import TOLERANCE, learned, mean

    if name not in HEADINGS:
        raise DataError(f"{name} holds no losses of runs; {' and '.join(HEADINGS)} do")
    head = headed(HEADINGS[name], quick)
    drawn = []
    for blob, (loss, unit) in _LOSSES.items():
        cells = []
        for (network, dims), cell in printed.cells(name).items():
            paper = [run.test[blob] for run in cell.runs]
            limit = (1 + TOLERANCE) * mean(paper) if all(map(learned, cell.runs)) else None
            ours = [run.get("test", {}).get(blob, math.nan) for run in results.get((network, dims), ())]
            cells.append(Cell(f"{network}, N = {dims}", paper, ours, limit))
        about = f"{loss} loss of the test set, the paper's runs and ours"
        drawn.append(Drawing(name, head, about, dots(f"{head}: {loss} loss", unit, cells)))
    return drawn


@dataclass(frozen=True)
class Cell:
    """One cell of a table: the test losses of the paper's runs and of ours; `limit`: what our mean should not pass."""

    name: str
    paper: Sequence[float]
    ours: Sequence[float]
    limit: float | None = None


def dots(title: str, unit: str, cells: Sequence[Cell]) -> Figure:
    """A row for each cell: the paper's runs above, ours below, each run a point, each mean a bar.

    Values that are not finite are left out, and their number is written at the end of the row.
    """
    from ..viz.style import COLUMN, GRID, figure, heading, styled

    if not cells:
        raise DataError("there are no cells to draw")
    with styled():
        page = figure(COLUMN, 1.0 + 0.24 * len(cells))
        axes = page.add_subplot()
        heading(axes, title, "each point is a run, each bar a mean")
        for row, cell in enumerate(cells):
            if row % 2:
                axes.axhspan(row - 0.5, row + 0.5, color=GRID, alpha=0.45, linewidth=0)
            _cell(axes, row, cell)
        axes.set_ylim(len(cells) - 0.5, -0.5)
        axes.set_yticks(range(len(cells)), [cell.name for cell in cells])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(unit)
        axes.grid(True, axis="x")
        axes.margins(x=0.05)
        if not all(math.isfinite(run) for cell in cells for run in (*cell.paper, *cell.ours)):
            left, right = axes.get_xlim()
            axes.set_xlim(left, right + 0.25 * (right - left))  # room for the words
        _key(page, any(cell.limit is not None for cell in cells))
    return page


def _cell(axes: Axes, row: int, cell: Cell) -> None:
    import numpy as np

    from ..viz.style import INK, SOFT

    for values, (color, marker), shift in ((cell.paper, _PAPER, -0.2), (cell.ours, _OURS, 0.2)):
        runs = np.asarray(values, dtype=np.float64)
        finite = runs[np.isfinite(runs)]
        look: Any = {"facecolors": "none", "edgecolors": color} if marker == "o" else {"color": color, "linewidths": 0}
        axes.scatter(finite, np.full(len(finite), row + shift), s=13, marker=marker, zorder=3, **look)
        if len(finite):
            axes.plot([finite.mean()] * 2, [row + shift - 0.17, row + shift + 0.17], color=INK, linewidth=0.9, zorder=4)
        if len(finite) < len(runs):
            words = f"{len(runs) - len(finite)} not finite"
            axes.annotate(
                words, (1, row + shift), xycoords=("axes fraction", "data"), ha="right", va="center", fontsize=5.5,
                color=SOFT,
            )  # fmt: skip
    if cell.limit is not None:
        axes.plot([cell.limit] * 2, [row - 0.42, row + 0.42], color=SOFT, linewidth=0.8, linestyle=(0, (2, 1.5)))


_PAPER, _OURS = ("#5d6875", "o"), ("#6271F0", "D")  # colour and marker


def _key(page: Figure, limits: bool) -> None:
    from matplotlib.lines import Line2D

    from ..viz.style import SOFT

    handles = [
        Line2D([], [], ls="", marker="o", ms=4, mfc="none", mec=_PAPER[0], label="paper"),
        Line2D([], [], ls="", marker="D", ms=3.6, mew=0, color=_OURS[0], label="ours"),
    ]
    if limits:
        handles.append(Line2D([], [], color=SOFT, lw=0.8, ls=(0, (2, 1.5)), label="paper's mean + 5 %"))
    page.legend(handles=handles, loc="outside lower center", ncols=3, labelcolor=SOFT)
