"""The place of one image of many on a sheet: axes without ticks and edges, which take most of the time to make axes.

matplotlib makes four ticks (each of three lines and two texts) and four edges for all axes, also for those that show
none: more than half of the time that a sheet of a hundred small images takes.
"""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure

from .style import bare, rectangle


class _Tickless:
    """Before an `Axis` of matplotlib, which keeps its ticks in two lists: they stay empty."""

    @property
    def majorTicks(self) -> list[Any]:
        return []

    @property
    def minorTicks(self) -> list[Any]:
        return []


class _X(_Tickless, XAxis):  # type: ignore[override]
    pass


class _Y(_Tickless, YAxis):  # type: ignore[override]
    pass


class Tile(Axes):
    """`Axes` as `bare` leaves them; by the two methods with which projections say what edges and axes are theirs."""

    def _gen_axes_spines(self, *_: Any, **__: Any) -> dict[str, Any]:
        return {}

    def _init_axis(self) -> None:
        self.xaxis, self.yaxis = _X(self, clear=False), _Y(self, clear=False)


def tile_at(page: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """As `style.axes_at`, for a picture alone: to place a title, matplotlib looks for the ticks."""
    axes = page.add_axes(rectangle(page, left, top, width, height), axes_class=Tile)
    bare(axes)
    return axes
