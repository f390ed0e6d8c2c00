"""A scene as a matplotlib Figure, for PNG, PDF and pages that take figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.patches import Circle, FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path as Outline

from ..viz.style import axes_at, bare, sheet, styled
from .scene import Curve, Dot, Scene, Shape, Words, arrow_head

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCH = 72  # points
_SIDES = {"start": "left", "middle": "center", "end": "right"}


def to_figure(scene: Scene) -> Figure:
    """The scene at its own size: a point of it is a point of the figure."""
    with styled():
        page = sheet(scene.width / INCH, scene.height / INCH)
        axes = axes_at(page, 0, 0, scene.width / INCH, scene.height / INCH)
        bare(axes)
        axes.set_xlim(0, scene.width)
        axes.set_ylim(scene.height, 0)
        axes.patch.set_visible(False)
        for order, item in enumerate(scene.items):
            _paint(axes, item, 1 + order * 1e-4)
        return page


def _paint(axes: Axes, item: Shape | Dot | Curve | Words, order: float) -> None:
    if isinstance(item, Words):
        style: Any = {"fontweight": "bold"} if item.bold else {}
        side: Any = _SIDES[item.anchor]
        axes.text(
            *item.at, item.text, size=item.size, color=item.color, ha=side, va="baseline", zorder=order,
            parse_math=False, **style,
        )  # fmt: skip
    elif isinstance(item, Curve):
        _curve(axes, item, order)
    else:
        look: Any = {"facecolor": item.fill, "edgecolor": item.line, "linewidth": item.width, "zorder": order}
        if isinstance(item, Dot):
            axes.add_patch(Circle(item.center, item.radius, **look))
        elif item.corner:
            (left, top), (right, bottom) = item.points[0], item.points[2]
            box = f"round,pad=0,rounding_size={item.corner}"
            axes.add_patch(FancyBboxPatch((left, top), right - left, bottom - top, boxstyle=box, **look))
        else:
            axes.add_patch(Polygon(item.points, closed=True, joinstyle="miter", **look))


def _curve(axes: Axes, item: Curve, order: float) -> None:
    codes = [Outline.MOVETO] + [Outline.CURVE4] * (len(item.points) - 1)
    look: Any = {"facecolor": "none", "edgecolor": item.line, "linewidth": item.width, "zorder": order}
    if item.dashed:
        look["linestyle"] = (0, (3 / item.width, 2.2 / item.width))
    axes.add_patch(PathPatch(Outline(item.points, codes), capstyle="butt", **look))
    ends = [(item.points[0], item.points[1])] * item.arrow_start + [(item.points[-1], item.points[-2])] * item.arrow_end
    for tip, before in ends:
        axes.add_patch(Polygon(arrow_head(tip, before), closed=True, facecolor=item.line, linewidth=0, zorder=order))
