"""A drawing as a list of simple shapes on a page, in points (1/72 inch) from its upper left corner.

Whoever lays out makes a Scene; `svg` and `paint` put it on paper. Neither knows what the shapes mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from ..errors import in_one_line, shortened

Point = tuple[float, float]
LONGEST = 160  # letters of a line
Part = tuple[Literal["layer", "blob"], str]
"""What of the network a shape or a text stands for, and its name."""
LINE = 1.25  # lines of text, in sizes of the letters
TIP = 3.6  # the length of an arrow's head

# Widths of DejaVu Sans from the blank to the tilde, in thousandths of its size, so that boxes fit their texts without a
# font at hand. Other letters are taken to be as wide as a widest small one.
_WIDTHS = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636,
    636, 636, 636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863,
    748, 787, 603, 787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635,
    615, 352, 635, 634, 278, 278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636,
    337, 636, 838,
)  # fmt: skip
_OTHER, _BOLDER = 838, 1.13
_WIDE_FROM = "\u1100"  # letters of East Asia fill a square


@dataclass(frozen=True)
class Shape:
    """A closed outline; `corner` rounds those of a rectangle."""

    points: tuple[Point, ...]
    fill: str
    line: str
    width: float = 0.8
    corner: float = 0.0
    part: Part | None = None


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    center: Point
    radius: float
    fill: str
    line: str
    width: float = 0.8


@dataclass(frozen=True)
class Curve:
    """A start, then cubic Bézier pieces: two control points and an end each. Arrows stand at its ends."""

    points: tuple[Point, ...]
    line: str
    width: float = 0.8
    dashed: bool = False
    arrow_start: bool = False
    arrow_end: bool = False


@dataclass(frozen=True)
class Words:
    """One line of text; `at` is the place of its baseline."""

    text: str
    at: Point
    size: float
    color: str
    bold: bool = False
    anchor: Literal["start", "middle", "end"] = "middle"
    part: Part | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "text", legible(self.text))


@dataclass
class Scene:
    """A page. What comes later in `items` lies above."""

    width: float
    height: float
    title: str
    items: list[Shape | Dot | Curve | Words] = field(default_factory=list)


def legible(text: str) -> str:
    """A text as it stands in a picture: in one line, and no longer than anybody reads."""
    return shortened(in_one_line(text), LONGEST)


def text_width(text: str, size: float, bold: bool = False) -> float:
    """How wide a line of text is, in points: exact for DejaVu Sans, and enough for the common narrower fonts."""
    letters = legible(text)
    widths = (_WIDTHS[ord(c) - 32] if " " <= c <= "~" else 1000 if c >= _WIDE_FROM else _OTHER for c in letters)
    return sum(widths) * size / 1000 * (_BOLDER if bold else 1)


def rectangle(
    left: float,
    top: float,
    width: float,
    height: float,
    fill: str,
    line: str,
    corner: float = 0.0,
    stroke: float = 0.8,
    part: Part | None = None,
) -> Shape:
    right, bottom = left + width, top + height
    return Shape(((left, top), (right, top), (right, bottom), (left, bottom)), fill, line, stroke, corner, part)


def octagon(
    left: float, top: float, width: float, height: float, fill: str, line: str, part: Part | None = None
) -> Shape:
    """A rectangle with its corners cut."""
    cut = min(width, height) * 0.29
    right, bottom = left + width, top + height
    points = (
        (left + cut, top), (right - cut, top), (right, top + cut), (right, bottom - cut), (right - cut, bottom),
        (left + cut, bottom), (left, bottom - cut), (left, top + cut),
    )  # fmt: skip
    return Shape(points, fill, line, part=part)


def straight(points: Sequence[Point]) -> tuple[Point, ...]:
    """A broken line as the points of a Curve."""
    found = [points[0]]
    for (x0, y0), (x1, y1) in pairwise(points):
        found += [(x0 + (x1 - x0) / 3, y0 + (y1 - y0) / 3), (x1 - (x1 - x0) / 3, y1 - (y1 - y0) / 3), (x1, y1)]
    return tuple(found)


def arrow_head(tip: Point, before: Point) -> tuple[Point, Point, Point]:
    """A triangle that points from `before` to `tip`."""
    x, y = tip[0] - before[0], tip[1] - before[1]
    length = (x * x + y * y) ** 0.5 or 1.0
    x, y = x / length * TIP, y / length * TIP
    return tip, (tip[0] - x - y * 0.42, tip[1] - y + x * 0.42), (tip[0] - x + y * 0.42, tip[1] - y - x * 0.42)
