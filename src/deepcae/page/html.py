"""One page that holds everything: plain data in, a self-contained HTML file out (no network, no scripts).

render(Page("cae2", tiles=[Tile("test loss", "148.3")], sections=[Section("Codes", [Picture("Map", "…", figure)])]))
"""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ..atomic import MARK, whole_file
from ..errors import shown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 200
HALF_UP_TO = 4.0  # inches: narrower pictures stand in pairs
_MARKS = {True: "✓", False: "✗", None: "–"}  # of a verdict
_TONES = {True: "good", False: "bad", None: "open"}  # its class in the style sheet
_NUMBER = re.compile(r"[-+−]?[\d,. ]*\d[\d,.]*( ?%|e[-+]?\d+)?|–")  # "–": no value


@dataclass(frozen=True)
class Tile:
    """A number that people look for first."""

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Picture:
    """A figure with its caption; title and caption are also what is read aloud in its place.

    `colors`: how many its PNG has at most, up to 256; a map of 10,000 points is then a third as large.
    """

    title: str
    caption: str
    figure: Figure
    colors: int | None = None


class Judged(str):
    """A cell's words that are a verdict: `good`, or not, or None where it is open. Mark and colour say it once more."""

    good: bool | None

    def __new__(cls, words: str, good: bool | None) -> Self:
        cell = super().__new__(cls, words)
        cell.good = good
        return cell


@dataclass(frozen=True)
class Table:
    """Rows of words and numbers; columns of numbers are set to the right. `total` is a last row set apart.

    Lines of `caption` stay lines. A `wide` table is set smaller, and on a narrow screen each row becomes a card.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    total: Sequence[str] = ()
    caption: str = ""
    half: bool = False  # two such tables stand side by side
    wide: bool = False


@dataclass(frozen=True)
class Text:
    """A file's text, folded away until it is asked for."""

    name: str
    text: str


@dataclass(frozen=True)
class Folded:
    """Blocks behind a line that opens them."""

    name: str
    blocks: Sequence[Picture | Table | Text]


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it; without blocks it is left out."""

    title: str
    blocks: Sequence[Picture | Table | Text | Folded]
    intro: str = ""


@dataclass(frozen=True)
class Page:
    """The whole report. `warnings` are said at the top; `footer` closes the page."""

    title: str
    lead: str = ""
    tiles: Sequence[Tile] = ()
    sections: Sequence[Section] = ()
    warnings: Sequence[str] = ()
    footer: str = field(default="Made by deepcae.")


def write(page: Page, path: Path) -> Path:
    """Write the page as one file, whole or not at all."""
    text = render(page)
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="replace")
    return path


def render(page: Page) -> str:
    """The page as one HTML text; every word of the data is escaped."""
    css = files(__package__).joinpath("page.css").read_text(encoding="utf-8")
    sections = [section for section in page.sections if section.blocks]
    links = [f'<a href="#s{index}">{escape(section.title)}</a>' for index, section in enumerate(sections)]
    return "\n".join(
        [
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            # nothing may be loaded from anywhere, whatever a name in the data looks like
            '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
            "style-src 'unsafe-inline'\">",
            f'<meta name="generator" content="{MARK}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(page.title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n<header>",
            f"<h1>{escape(page.title)}</h1>",
            f'<p class="lead">{escape(page.lead)}</p>' if page.lead else "",
            *(f'<p class="warning">{escape(warning)}</p>' for warning in page.warnings),
            f'<nav aria-label="Sections">{" ".join(links)}</nav>' if len(links) > 2 else "",
            _tiles(page.tiles),
            "</header>\n<main>",
            *(_section(section, index) for index, section in enumerate(sections)),
            f"</main>\n<footer>{escape(page.footer)}</footer>\n</body>\n</html>\n",
        ]
    )


def _tiles(tiles: Iterable[Tile]) -> str:
    cells = [
        f'<div class="tile"><dt>{_breakable(tile.name)}</dt><dd>{escape(tile.value)}</dd>'
        + (f'<dd class="note">{escape(tile.note)}</dd>' if tile.note else "")
        + "</div>"
        for tile in tiles
    ]
    return f'<dl class="tiles">{"".join(cells)}</dl>' if cells else ""


def escape(words: str) -> str:
    """A word of the data as HTML: no mark-up, nothing that turns the direction of letters."""
    return html.escape(shown(words))


def _breakable(name: str) -> str:
    """A long name may break after its underscores."""
    return escape(name).replace("_", "_<wbr>")


def _section(section: Section, index: int) -> str:
    intro = f'<p class="intro">{escape(section.intro)}</p>' if section.intro else ""
    blocks = "\n".join(map(_block, section.blocks))
    return (
        f'<section aria-labelledby="s{index}">\n<h2 id="s{index}">{escape(section.title)}</h2>\n{intro}\n'
        f'<div class="blocks">\n{blocks}\n</div>\n</section>'
    )


def _block(block: Picture | Table | Text | Folded) -> str:
    match block:
        case Picture():
            return _picture(block)
        case Table():
            return _table(block)
        case Text():
            return f"<details><summary>{escape(block.name)}</summary><pre>{escape(block.text)}</pre></details>"
        case Folded():
            inside = "\n".join(map(_block, block.blocks))
            return f'<details><summary>{escape(block.name)}</summary><div class="blocks">\n{inside}\n</div></details>'


def _picture(picture: Picture) -> str:
    half = ' class="half"' if picture.figure.get_figwidth() <= HALF_UP_TO else ""
    alt = f"{picture.title}. {picture.caption}"
    return (
        f'<figure{half}><img alt="{escape(alt)}" src="data:image/png;base64,{_png(picture.figure, picture.colors)}">'
        f"<figcaption><b>{escape(picture.title)}.</b> {escape(picture.caption)}</figcaption></figure>"
    )


def _png(figure: Figure, colors: int | None) -> str:
    from ..viz.style import write as write_figure

    stream = io.BytesIO()
    write_figure(figure, stream, "png", DPI)
    if colors is not None:
        stream = _fewer_colors(stream, colors)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def _fewer_colors(png: io.BytesIO, colors: int) -> io.BytesIO:
    from PIL import Image

    small = io.BytesIO()
    with Image.open(png) as picture:
        palette = picture.convert("RGB").quantize(
            colors, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE
        )  # white stays white, which the octree does not keep
        palette.save(small, "PNG", optimize=True)
    return small


def _table(table: Table) -> str:
    numeric = [
        column > 0
        and any(row[column].strip() for row in table.rows)
        and all(_NUMBER.fullmatch(row[column].strip()) or not row[column].strip() for row in table.rows)
        for column in range(len(table.header))
    ]  # the first column names the row, be the name a digit

    def cells(row: Sequence[str], tag: str) -> str:
        marks = [_mark(cell, number) for cell, number in zip(row, numeric, strict=True)]
        names = [f' data-name="{escape(name)}"' if table.wide and tag == "td" else "" for name in table.header]
        scope = ' scope="col"' if tag == "th" else ""
        return "".join(
            f"<{tag}{scope}{name}{mark}>{escape(_words(cell))}</{tag}>"
            for cell, name, mark in zip(row, names, marks, strict=True)
        )

    caption = f"<caption>{escape(table.caption)}</caption>" if table.caption else ""
    body = "\n".join(f"<tr>{cells(row, 'td')}</tr>" for row in table.rows)
    foot = f"<tfoot><tr>{cells(table.total, 'td')}</tr></tfoot>" if table.total else ""
    kind = " half" * table.half + " wide" * table.wide
    head = f"<thead><tr>{cells(table.header, 'th')}</tr></thead>"
    return (
        f'<div class="table{kind}" tabindex="0"><table>{caption}{head}\n<tbody>\n{body}\n</tbody>{foot}</table></div>'
    )


def _mark(cell: str, number: bool) -> str:
    classes = ["number"] * number + ([_TONES[cell.good]] if isinstance(cell, Judged) and cell.strip() else [])
    return f' class="{" ".join(classes)}"' if classes else ""


def _words(cell: str) -> str:
    """The cell's; a verdict's with its mark, from which it does not part, nor a number from its %."""
    if not isinstance(cell, Judged) or not cell.strip():
        return cell
    return f"{_MARKS[cell.good]} {cell}".replace(" ", "\u00a0", 1).replace(" %", "\u00a0%")
