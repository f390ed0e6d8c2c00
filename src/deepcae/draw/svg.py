"""A scene as SVG: plain shapes and real text, which can be searched, selected and edited. No scripts, no links.

What stands for a layer or a blob is a group with its name, as `data-layer` or `data-blob`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby
from xml.etree import ElementTree as Xml

from ..atomic import MARK
from .scene import Curve, Dot, Part, Point, Scene, Shape, Words, arrow_head

_FONTS = "DejaVu Sans, Verdana, Arial, sans-serif"
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_svg(scene: Scene) -> str:
    """The text of an .svg file; equal scenes give equal texts."""
    width, height = _number(scene.width), _number(scene.height)
    root = Xml.Element(
        "svg",
        xmlns="http://www.w3.org/2000/svg",
        width=f"{width}pt",
        height=f"{height}pt",
        viewBox=f"0 0 {width} {height}",
        role="img",
    )
    root.set("font-family", _FONTS)
    root.append(Xml.Comment(f" {MARK} "))
    Xml.SubElement(root, "title").text = _clean(scene.title)
    Xml.SubElement(root, "rect", width="100%", height="100%", fill="#ffffff")
    for part, items in groupby(scene.items, _part):
        parent = root if part is None else Xml.SubElement(root, "g", {f"data-{part[0]}": _clean(part[1])})
        for item in items:
            parent.extend(_elements(item))
    Xml.indent(root, " ")
    return Xml.tostring(root, encoding="unicode") + "\n"


def _part(item: Shape | Dot | Curve | Words) -> Part | None:
    return item.part if isinstance(item, Shape | Words) else None


def _elements(item: Shape | Dot | Curve | Words) -> Iterator[Xml.Element]:
    if isinstance(item, Shape):
        yield _shape(item)
    elif isinstance(item, Dot):
        x, y = item.center
        circle = {"cx": _number(x), "cy": _number(y), "r": _number(item.radius)}
        yield Xml.Element("circle", circle | _paint(item.fill, item.line, item.width))
    elif isinstance(item, Curve):
        yield from _curve(item)
    else:
        yield _words(item)


def _shape(item: Shape) -> Xml.Element:
    paint = _paint(item.fill, item.line, item.width)
    if not item.corner:
        return Xml.Element("polygon", {"points": " ".join(map(_point, item.points))} | paint)
    (left, top), (right, bottom) = item.points[0], item.points[2]
    place = {"x": _number(left), "y": _number(top), "width": _number(right - left), "height": _number(bottom - top)}
    return Xml.Element("rect", place | {"rx": _number(item.corner)} | paint)


def _curve(item: Curve) -> Iterator[Xml.Element]:
    pieces = [item.points[at : at + 3] for at in range(1, len(item.points), 3)]
    path = f"M{_point(item.points[0])}" + "".join("C" + " ".join(map(_point, piece)) for piece in pieces)
    element = Xml.Element("path", {"d": path} | _paint("none", item.line, item.width))
    if item.dashed:
        element.set("stroke-dasharray", "3 2.2")
    yield element
    ends = [(item.points[0], item.points[1])] * item.arrow_start + [(item.points[-1], item.points[-2])] * item.arrow_end
    for tip, before in ends:
        corners = " ".join(_point(point) for point in arrow_head(tip, before))
        yield Xml.Element("polygon", points=corners, fill=item.line)


def _words(item: Words) -> Xml.Element:
    x, y = item.at
    attributes = {"x": _number(x), "y": _number(y), "font-size": _number(item.size), "fill": item.color}
    if item.anchor != "start":
        attributes["text-anchor"] = item.anchor
    if item.bold:
        attributes["font-weight"] = "bold"
    element = Xml.Element("text", attributes)
    element.text = _clean(item.text)
    return element


def _paint(fill: str, line: str, width: float) -> dict[str, str]:
    return {"fill": fill, "stroke": line, "stroke-width": _number(width)}


def _clean(text: str) -> str:
    """Characters that XML has no way to write become the mark for them."""
    return _NO_XML.sub("\ufffd", text)


def _point(point: Point) -> str:
    return f"{_number(point[0])},{_number(point[1])}"


def _number(value: float) -> str:
    """Two decimals at most: a hundredth of a point is below what any printer shows."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if value else "0"
