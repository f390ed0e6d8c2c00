"""The graph of layers and blobs as a scene: layers are boxes, blobs octagons, and the flow is down or to the right.

Layers that work in place stand beside their blob, joined to it by an arrow in both directions; layers that learn the
same weights are joined by a dashed line.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from .colors import BLOB, BLOB_LINE, INK, SOFT, fill, line
from .diagram import Diagram, Vertex
from .layered import Layout, Size, arrange
from .scene import LINE, Curve, Point, Scene, Words, octagon, rectangle, straight, text_width

Rankdir = Literal["TB", "LR"]
NAME, NOTE = 8.0, 6.5  # letter sizes
PAD_X, PAD_Y, MARGIN = 8.0, 4.5, 14.0
RANK_GAP, GAP, BESIDE = 15.0, 16.0, 14.0
HEAD = 30.0  # the title's room
LEGEND = 16.0


def graph_scene(diagram: Diagram, rankdir: Rankdir, subtitle: str = "") -> Scene:
    """The drawing of a diagram."""
    return _Drawing(diagram, rankdir).scene(subtitle)


class _Drawing:
    """Sizes, layout and shapes of one diagram; x and y are those of the page."""

    def __init__(self, diagram: Diagram, rankdir: Rankdir) -> None:
        self.diagram, self.down = diagram, rankdir == "TB"
        self.boxes = {key: box_size(vertex) for key, vertex in diagram.vertices.items()}
        self.beside: dict[str, list[str]] = {}  # blob -> the layers that work on it in place
        for key, vertex in diagram.vertices.items():
            if vertex.in_place:
                self.beside.setdefault(vertex.in_place, []).append(key)
        alone = {key for keys in self.beside.values() for key in keys}
        edges = [(e.source, e.target) for e in diagram.edges if not alone & {e.source, e.target}]
        sizes = {key: self._size(key) for key in diagram.vertices if key not in alone}
        self.layout = arrange(sizes, edges, RANK_GAP, GAP)
        self.centers = self._centers(self.layout)

    def _size(self, key: str) -> Size:
        """A vertex with what stands beside it, along and across the flow."""
        along, across = self._turned(self.boxes[key])
        chips = [self._turned(self.boxes[chip]) for chip in self.beside.get(key, ())]
        extra = sum(chip[1] for chip in chips) + BESIDE if chips else 0.0
        return Size(max([along, *(chip[0] for chip in chips)]), across / 2, across / 2 + extra)

    def _turned(self, pair: tuple[float, float]) -> tuple[float, float]:
        """(x, y) ↔ (along, across)."""
        return pair[::-1] if self.down else pair

    def _on_page(self, point: Point) -> Point:
        along, across = point
        across -= self.layout.across[0]
        x, y = (across, along) if self.down else (along, across)
        return x + MARGIN, y + MARGIN + HEAD

    def _centers(self, layout: Layout) -> dict[str, Point]:
        centers = {}
        for key, (along, across) in layout.places.items():
            centers[key] = self._on_page((along, across))
            edge = across + self._turned(self.boxes[key])[1] / 2 + BESIDE
            for chip in self.beside.get(key, ()):
                deep = self._turned(self.boxes[chip])[1]
                centers[chip] = self._on_page((along, edge + deep / 2))
                edge += deep
        return centers

    def scene(self, subtitle: str) -> Scene:
        low, high = self.layout.across
        width, height = self._turned((self.layout.along, high - low))
        title = self.diagram.name or "network"
        least = max(text_width(title, 11, bold=True), text_width(subtitle, NOTE))
        legend = LEGEND if self.diagram.ties else 0.0
        page = Scene(max(width, least) + 2 * MARGIN, height + 2 * MARGIN + HEAD + legend, title)
        page.items.append(Words(title, (MARGIN, MARGIN + 9), 11, INK, True, "start"))
        page.items.append(Words(subtitle, (MARGIN, MARGIN + 20), NOTE, SOFT, False, "start"))
        self._ties(page)
        self._edges(page)
        for key, vertex in self.diagram.vertices.items():
            draw_box(page, vertex, self.centers[key], self.boxes[key])
        return page

    def _edges(self, page: Scene) -> None:
        twice = {(e.target, e.source) for e in self.diagram.edges}
        for edge, route in self.layout.routes.items():
            points = _smooth([self._on_page(point) for point in route], self.down)
            page.items.append(Curve(points, SOFT, arrow_end=True, arrow_start=edge in twice))
        for blob, chips in self.beside.items():
            start, end = self._facing(blob, chips[0])
            page.items.append(Curve(straight([start, end]), SOFT, arrow_start=True, arrow_end=True))

    def _facing(self, first: str, second: str) -> tuple[Point, Point]:
        """The middles of the sides that two boxes turn to each other, across the flow."""
        (x0, y0), (x1, y1) = self.centers[first], self.centers[second]
        (w0, h0), (w1, h1) = self.boxes[first], self.boxes[second]
        if self.down:
            side = 1 if x1 > x0 else -1
            return (x0 + side * w0 / 2, y0), (x1 - side * w1 / 2, y1)
        side = 1 if y1 > y0 else -1
        return (x0, y0 + side * h0 / 2), (x1, y1 - side * h1 / 2)

    def _ties(self, page: Scene) -> None:
        for first, second in self.diagram.ties:
            ends = self._facing(first, second)
            page.items.append(Curve(straight(ends), line("dense"), 1.0, dashed=True))
        if self.diagram.ties:
            y = page.height - MARGIN
            page.items.append(Curve(straight([(MARGIN, y - 2.3), (MARGIN + 22, y - 2.3)]), line("dense"), 1.0, True))
            page.items.append(Words("the same weights", (MARGIN + 27, y), NOTE, SOFT, False, "start"))


def box_size(vertex: Vertex) -> tuple[float, float]:
    """Width and height of a box around its lines."""
    widths = [text_width(text, size, bold) for text, size, bold in _lines(vertex)]
    height = sum(size * LINE for _, size, _ in _lines(vertex))
    extra = 6.0 if vertex.kind == "blob" else 0.0  # an octagon has less room at its corners
    return max(widths) + 2 * PAD_X + extra, height + 2 * PAD_Y


def draw_box(page: Scene, vertex: Vertex, center: Point, size: tuple[float, float]) -> None:
    """A vertex with its lines, centred."""
    left, top = center[0] - size[0] / 2, center[1] - size[1] / 2
    if vertex.kind == "blob":
        page.items.append(octagon(left, top, *size, BLOB, BLOB_LINE, vertex.part))
    else:
        colors = fill(vertex.kind), line(vertex.kind)
        page.items.append(rectangle(left, top, *size, *colors, corner=2.5, stroke=1.0, part=vertex.part))
    y = top + PAD_Y
    for text, letters, bold in _lines(vertex):
        y += letters * LINE
        color = SOFT if letters == NOTE else INK
        page.items.append(Words(text, (center[0], y - 0.33 * letters), letters, color, bold, part=vertex.part))


def _lines(vertex: Vertex) -> list[tuple[str, float, bool]]:
    """(text, size, bold) of the lines in a box: a layer's name is bold, a blob's is not."""
    first, *rest = vertex.lines
    return [(first, NAME, vertex.kind != "blob"), *((text, NOTE, False) for text in rest)]


def _smooth(points: Sequence[Point], down: bool) -> tuple[Point, ...]:
    """A curve through the points that leaves and meets each of them along the flow."""
    found = [points[0]]
    for (x0, y0), (x1, y1) in pairwise(points):
        if down:
            middle = (y0 + y1) / 2
            found += [(x0, middle), (x1, middle), (x1, y1)]
        else:
            middle = (x0 + x1) / 2
            found += [(middle, y0), (middle, y1), (x1, y1)]
    return tuple(found)
