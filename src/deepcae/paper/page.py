"""One self-contained HTML page of the paper's tables and figures beside ours: no network, no scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..page import html
from ..page.html import Folded, Picture, Section

if TYPE_CHECKING:
    from .drawing import Drawing
    from .table import Table

WIDE = 6  # columns; a table of more is set smaller
ALONE = "Figures"  # the heading of those that are one picture
COLORS = 256  # of a picture in the page


def write(path: Path, title: str, intro: str, tables: Iterable[Table], drawings: Iterable[Drawing]) -> Path:
    """Write the page to `path`, whole or not at all: a section for each table with what stands under it.

    Drawings stand under the table of their name; several of one name that is no table's have a section of their own,
    all others one in common. Every word is escaped.
    """
    return html.write(page(title, intro, tables, drawings), path)


def page(title: str, intro: str, tables: Iterable[Table], drawings: Iterable[Drawing]) -> html.Page:
    """The page as data."""
    sections = _of_tables(tables)
    _put(list(drawings), sections)
    return html.Page(title, intro, sections=list(sections.values()))


def _of_tables(tables: Iterable[Table]) -> dict[str, Section]:
    """Table name → its section, with its further tables."""
    sections: dict[str, Section] = {}
    for table in tables:
        name = table.under or table.name
        if name in sections:
            more = Folded(table.title, [_table(table)])
            sections[name] = replace(sections[name], blocks=[*sections[name].blocks, more])
        else:
            sections[name] = Section(table.heading, [_table(table)], _sentence(table.about))
    return sections


def _put(drawings: list[Drawing], sections: dict[str, Section]) -> None:
    """Put each picture into its section; what is missing is added."""
    count = Counter(drawing.name for drawing in drawings)
    for drawing in drawings:
        has_own = drawing.name in sections or count[drawing.name] > 1
        name, heading = (drawing.name, drawing.heading) if has_own else (ALONE, ALONE)
        section = sections.setdefault(name, Section(heading, []))
        picture = Picture(drawing.heading, _sentence(drawing.about), drawing.figure, COLORS)
        sections[name] = replace(section, blocks=_before_folded(section, picture))


def _before_folded(section: Section, picture: Picture) -> list[Any]:
    folded = [block for block in section.blocks if isinstance(block, Folded)]
    return [*(block for block in section.blocks if not isinstance(block, Folded)), picture, *folded]


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _table(table: Table) -> html.Table:
    return html.Table(table.columns, table.rows, caption="\n".join(table.notes), wide=len(table.columns) > WIDE)
