"""An architecture as a scene: a row of feature maps and neurons, from the image to the code and back (Fig. 3).

Maps are sheets, one for each up to eight, as high and wide as they are in pixels; neurons are circles in a capsule as
high as a square of as many pixels. One scale for the whole picture, so that the funnel of an auto-encoder shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .colors import CODE, DECODER, ENCODER, INK, LINES, SOFT, line, tint
from .scene import Curve, Dot, Point, Scene, Words, rectangle, straight, text_width
from .stages import Architecture, Row, Stage
from .words import counted, size_text

NAME, NOTE = 6.5, 5.8
LARGEST, SMALLEST = 50.0, 5.0  # sides of maps on paper
MOST_SHEETS, SHEET_STEPS = 8, (1.2, 2.4)
SLOT, CIRCLE = 5.0, 1.8  # of neurons
GAP, MARGIN, HEAD, BAND, ARC = 15.0, 14.0, 34.0, 16.0, 11.0
PARTS = {"encoder": ENCODER, "code": CODE, "decoder": DECODER}


@dataclass
class _Glyph:
    """A stage's picture: how wide and high it is, and the lines of text under it."""

    stage: Stage
    width: float
    height: float
    lines: list[tuple[str, float, str, bool]]
    sheet: tuple[float, float] = (0.0, 0.0)  # width and height of one map; of neurons nothing
    step: float = 0.0  # from a map to the next

    @property
    def color(self) -> str:
        return PARTS.get(self.stage.part) or line(self.stage.kind)

    @property
    def text_width(self) -> float:
        return max(text_width(text, size, bold) for text, size, _, bold in self.lines)


def architecture_scene(found: Architecture) -> Scene:
    """The drawing of an architecture."""
    return _Drawing(found).scene()


class _Drawing:
    """Columns common to all rows, rows under each other; x and y are those of the page."""

    def __init__(self, found: Architecture) -> None:
        self.found = found
        sides = [_side(stage) for row in found.rows for stage in row.stages]
        self.scale = LARGEST / max([*sides, 1.0])
        self.glyphs = [[self._glyph(stage) for stage in row.stages] for row in found.rows]
        self.lefts, self.widths = self._columns()
        self.lines = _lines(found.rows)
        self.talls = [
            max(g.height for row in self._beside(k) for g in self.glyphs[row]) for k in range(len(found.rows))
        ]
        self.levels = _levels([(row, first, last) for row, first, last, _ in found.links])
        self.tops = self._tops()

    def _glyph(self, stage: Stage) -> _Glyph:
        shape = stage.shape
        size = size_text((0, *shape)) if shape else counted(stage.maps, "map") if stage.maps else "?"
        lines = [(stage.name, NAME, INK, True), (size, NAME, INK, False)]
        lines += [(text, NOTE, SOFT, False) for text in (*stage.operation.split(", "), *stage.notes) if text]
        if shape is not None and len(shape) == 1:
            least = SLOT * min(shape[0], 3) + 3
            return _Glyph(stage, 9.0, max(_side(stage) * self.scale, least), lines)
        wide, high = self._sheet(stage)
        step = min(max(0.15 * wide, SHEET_STEPS[0]), SHEET_STEPS[1])
        depth = step * (_sheets(stage) - 1)
        return _Glyph(stage, wide + depth, high + depth, lines, (wide, high), step)

    def _sheet(self, stage: Stage) -> tuple[float, float]:
        """Width and height of one map on paper; a middling square where the size is not known."""
        spatial = stage.shape[1:] if stage.shape else ()
        if not spatial:
            return (LARGEST / 2,) * 2
        high, wide = (spatial[0], spatial[1]) if len(spatial) == 2 else (_side(stage),) * 2
        return max(wide * self.scale, SMALLEST), max(high * self.scale, SMALLEST)

    def _columns(self) -> tuple[list[float], list[float]]:
        number = max(row.first + len(row.stages) for row in self.found.rows)
        widths = [0.0] * number
        for row, glyphs in zip(self.found.rows, self.glyphs, strict=True):
            for column, glyph in enumerate(glyphs, row.first):
                widths[column] = max(widths[column], glyph.width + GAP, glyph.text_width + 5)
        lefts = [MARGIN + sum(widths[:column]) for column in range(number)]
        return lefts, widths

    def _tops(self) -> list[float]:
        """Where each row's glyphs begin: under the title, the names of the parts and the arcs of the row."""
        tops: list[float] = []
        y = MARGIN + HEAD + (BAND if any(stage.part for row in self.found.rows for stage in row.stages) else 0)
        for index, place in enumerate(self.lines):
            if index and place == self.lines[index - 1]:
                tops.append(tops[-1])
                continue
            beside = self._beside(index)
            y += max(map(self._arcs_height, beside))
            tops.append(y)
            y += self.talls[index] + max(self._text_height(self.glyphs[row]) for row in beside) + 14
        return [*tops, y]

    def _beside(self, row: int) -> list[int]:
        """The rows that stand in one line with a row, and the row itself."""
        return [other for other, place in enumerate(self.lines) if place == self.lines[row]]

    def _arcs_height(self, row: int) -> float:
        return ARC * max((level for (index, _, _), level in self.levels.items() if index == row), default=0)

    @staticmethod
    def _text_height(glyphs: list[_Glyph]) -> float:
        return 6 + max(sum(size * 1.3 for _, size, _, _ in glyph.lines) for glyph in glyphs)

    def _middle(self, row: int) -> float:
        return self.tops[row] + self.talls[row] / 2

    def _center(self, column: int) -> float:
        return self.lefts[column] + self.widths[column] / 2

    def _at(self, row: int, column: int) -> _Glyph:
        return self.glyphs[row][column - self.found.rows[row].first]

    def scene(self) -> Scene:
        width = self.lefts[-1] + self.widths[-1] + MARGIN
        title_width = max(text_width(self.found.name, 11, True), text_width(self.found.facts, NAME)) + 2 * MARGIN
        legend = 15 if self.found.ties else 0
        page = Scene(max(width, title_width), self.tops[-1] + legend, self.found.name)
        page.items.append(Words(self.found.name, (MARGIN, MARGIN + 9), 11, INK, True, "start"))
        page.items.append(Words(self.found.facts, (MARGIN, MARGIN + 20), NAME, SOFT, False, "start"))
        for index, row in enumerate(self.found.rows):
            self._parts(page, index, row)
        self._ties(page)
        for row_index, first, last, switches in self.found.links:
            self._arc(page, row_index, first, last, switches)
        for index, row in enumerate(self.found.rows):
            self._row(page, index, row)
        return page

    def _parts(self, page: Scene, index: int, row: Row) -> None:
        """The names of encoder, code and decoder over a line as long as they are."""
        if row.joins is not None:
            return
        y = self.tops[index] - self._arcs_height(index) - 9
        for part in ("encoder", "code", "decoder"):
            columns = [row.first + k for k, stage in enumerate(row.stages) if stage.part == part]
            if columns:
                left = self.lefts[columns[0]] + 2.5
                right = self.lefts[columns[-1]] + self.widths[columns[-1]] - 2.5
                page.items.append(Curve(straight([(left, y), (right, y)]), PARTS[part], 1.4))
                page.items.append(Words(part, ((left + right) / 2, y - 4), NAME + 0.5, INK, True))

    def _row(self, page: Scene, index: int, row: Row) -> None:
        middle, under = self._middle(index), self.tops[index] + self.talls[index]
        if row.leaves is not None and row.stages:
            self._branch(page, row.leaves, index, row.first)
        if row.joins is not None:
            self._join(page, row.joins, index, row.first + len(row.stages) - 1)
        for column, glyph in enumerate(self.glyphs[index], row.first):
            x = self._center(column)
            if column > row.first:
                start = self._center(column - 1) + self._at(index, column - 1).width / 2 + 2
                page.items.append(
                    Curve(straight([(start, middle), (x - glyph.width / 2 - 2, middle)]), SOFT, arrow_end=True)
                )
            self._draw(page, glyph, (x, middle))
            y = under + 6
            for text, size, color, bold in glyph.lines:
                y += size * 1.3
                page.items.append(Words(text, (x, y), size, color, bold))

    def _draw(self, page: Scene, glyph: _Glyph, center: Point) -> None:
        color = glyph.color
        left, top = center[0] - glyph.width / 2, center[1] - glyph.height / 2
        if glyph.stage.shape is not None and len(glyph.stage.shape) == 1:
            page.items.append(rectangle(left, top, glyph.width, glyph.height, tint(color, 0.14), color, corner=4.5))
            _circles(page, glyph.stage.shape[0], center, glyph.height, color)
            return
        sheets, (wide, high) = _sheets(glyph.stage), glyph.sheet
        for sheet in reversed(range(sheets)):  # the last lies behind, up and to the right
            x, y = left + glyph.step * sheet, top + glyph.step * (sheets - 1 - sheet)
            page.items.append(rectangle(x, y, wide, high, tint(color, 0.24 if sheet == 0 else 0.12), color, stroke=0.7))

    def _branch(self, page: Scene, leaves: tuple[int, int], row: int, column: int) -> None:
        """From the arrow behind the stage that two rows share down to the first stage that is the second's own."""
        x, y = self.lefts[leaves[1] + 1], self._middle(leaves[0])
        tip = (self._center(column) - self._at(row, column).width / 2 - 2, self._middle(row))
        bend = min(10.0, 0.5 * (tip[0] - x))
        points = (*straight([(x, y), (x, tip[1] - bend)]), (x, tip[1]), (x, tip[1]), (x + bend, tip[1]))
        page.items.append(Curve((*points, *straight([points[-1], tip])[1:]), SOFT, arrow_end=True))

    def _join(self, page: Scene, joins: tuple[int, int], row: int, column: int) -> None:
        """From the last stage of a way beside another up to the arrow before the stage in which they are added."""
        start = (self._center(column) + self._at(row, column).width / 2 + 2, self._middle(row))
        x, y = self.lefts[joins[1]], self._middle(joins[0])
        bend = min(10.0, 0.5 * (x - start[0]))
        level = straight([start, (x - bend, start[1])])
        points = (
            *level,
            (x, start[1]),
            (x, start[1]),
            (x, start[1] - bend),
            *straight([(x, start[1] - bend), (x, y)])[1:],
        )
        page.items.append(Curve(points, SOFT))

    def _arc(self, page: Scene, row: int, first: int, last: int, switches: bool) -> None:
        """A skip over the row, dashed for switches."""
        ends = [(self._center(c), self._middle(row) - self._at(row, c).height / 2 - 2) for c in (first, last)]
        peak = self.tops[row] - ARC * self.levels[row, first, last] + 4
        (x0, y0), (x1, y1) = ends
        reach = min(14.0, (x1 - x0) / 3)
        left, right = (x0 + reach, peak), (x1 - reach, peak)
        rise, fall = ((x0, y0), (x0, peak), (x0, peak)), ((x1, peak), (x1, peak), (x1, y1))
        points = (*rise, *straight([left, right]), *fall)
        page.items.append(Curve(points, LINES["pooling"] if switches else SOFT, 0.9, switches, arrow_end=True))
        if switches:
            page.items.append(Words("switches", ((x0 + x1) / 2, peak - 2.5), NOTE, SOFT))

    def _ties(self, page: Scene) -> None:
        color = LINES["dense"]
        for upper, lower, column in self.found.ties:
            glyph = self._at(upper, column)
            text = sum(size * 1.3 for _, size, _, _ in glyph.lines)
            start = self.tops[upper] + max(each.height for each in self.glyphs[upper]) + 6 + text + 4
            end = self._middle(lower) - self._at(lower, column).height / 2 - 2
            x = self._center(column)
            page.items.append(Curve(straight([(x, start), (x, end)]), color, 1.0, dashed=True))
        if self.found.ties:
            y = page.height - MARGIN
            page.items.append(Curve(straight([(MARGIN, y - 2), (MARGIN + 20, y - 2)]), color, 1.0, dashed=True))
            page.items.append(Words("the same weights", (MARGIN + 25, y), NOTE, SOFT, False, "start"))


def _lines(rows: list[Row]) -> list[int]:
    """In which line of the page each row stands: ways beside another share one where their columns are apart."""
    lines: list[int] = []
    for index, row in enumerate(rows):
        before = rows[index - 1]
        free = index and row.joins is not None and before.joins is not None and row.leaves is not None
        shares = free and row.leaves is not None and before.joins is not None and before.joins[1] <= row.leaves[1]
        lines.append(0 if not index else lines[-1] + (not shares))
    return lines


def _levels(links: list[tuple[int, int, int]]) -> dict[tuple[int, int, int], int]:
    """How high each arc goes, from 1: above all shorter ones that it spans or meets."""
    levels: dict[tuple[int, int, int], int] = {}
    for row, first, last in sorted(links, key=lambda link: link[2] - link[1]):
        under = [level for (r, a, b), level in levels.items() if r == row and a < last and first < b]
        levels[row, first, last] = 1 + max(under, default=0)
    return levels


def _side(stage: Stage) -> float:
    """The side of a map, or of a square of as many neurons."""
    if not stage.shape:
        return 0.0
    spatial = stage.shape[1:]
    return math.prod(spatial) ** (1 / len(spatial)) if spatial else math.sqrt(stage.shape[0])


def _sheets(stage: Stage) -> int:
    return min(stage.shape[0], MOST_SHEETS) if stage.shape else 3


def _circles(page: Scene, number: int, center: Point, height: float, color: str) -> None:
    """Neurons: as many circles as there is room for; three points in the middle stand for the others."""
    slots = min(number, int((height - 3 + 1e-6) / SLOT))
    gap = slots // 2 if slots < number else None
    top = center[1] - slots * SLOT / 2 + SLOT / 2
    for slot in range(slots):
        y = top + slot * SLOT
        if slot == gap:
            page.items += [Dot((center[0], y + d), 0.45, color, color, 0.1) for d in (-1.5, 0.0, 1.5)]
        else:
            page.items.append(Dot((center[0], y), CIRCLE, color, color, 0.1))
