"""Many small pictures on one sheet, all of them in one axes that lie over the whole page; and axes for one alone.

matplotlib makes four ticks (each of three lines and two texts) and four edges for all axes, also for those that show
none. So a picture inside of some axes is made in a tenth of the time, and axes without any in a third.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from .style import bare, class_color, greys, rectangle

GROUND = "#f3f5f7"  # behind curves
ROOM = 0.05  # of a curve's box, above and below all values

Box = tuple[float, float, float, float]
"""Left, top, width and height, in inches from the page's upper left corner."""


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
    """As `style.axes_at`, for a picture alone. A title needs its `y`: to place it, matplotlib looks for the ticks."""
    axes = page.add_axes(rectangle(page, left, top, width, height), axes_class=Tile)
    bare(axes)
    return axes


class Tiles:
    """The pictures of a page. `boxes`: where each is, in their order."""

    def __init__(self, page: Figure) -> None:
        width, height = page.get_size_inches()
        self.axes = tile_at(page, 0, 0, width, height)
        self.axes.patch.set_visible(False)
        self.axes.set_xlim(0, width)
        self.axes.set_ylim(height, 0)

    def picture(self, picture: np.ndarray, box: Box, low: float, high: float) -> None:
        """(H, W) or (H, W, 3) in a box; black at `low`, white at `high`, the colour of the ground where it is NaN."""
        left, top, width, height = box
        shown = np.clip((picture - low) / (high - low), 0, 1)
        drawn = AxesImage(self.axes, cmap=greys(), extent=(left, left + width, top + height, top))
        drawn.set_data(shown)
        drawn.set_clim(0, 1)
        self.axes.add_image(drawn)

    def curves(self, lines: np.ndarray, box: Box, low: float, high: float) -> None:
        """(lines, values) over the whole width of a box, whose bottom is at `low` and its top at `high`."""
        left, top, width, height = box
        ground = Rectangle((left, top), width, height, facecolor=GROUND, linewidth=0)
        self.axes.add_patch(ground)
        across = left + (np.arange(lines.shape[1]) + 0.5) / lines.shape[1] * width
        room = ROOM * (high - low)
        down = top + height * (high + room - lines) / (high - low + 2 * room)
        for number, line in enumerate(down):
            (drawn,) = self.axes.plot(across, line, color=class_color(number), linewidth=0.7)
            drawn.set_clip_path(ground)
