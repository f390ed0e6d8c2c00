"""One self-contained HTML page of the paper's tables and figures beside ours: no network, no scripts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..report import html
from ..report.html import Picture, Section, Toned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .table import Table

VERDICT = "verdict"  # the column whose words are coloured
WIDE = 6  # columns; a table of more is set smaller
COLORS = 256  # of a picture in the page
_MARKS = {"good": "✓", "bad": "✗", "open": "–"}
_FIRST_WORDS = {
    "good": ("as", "better", "equal", "lower", "reproduced", "same", "stable", "within", "yes"),
    "bad": ("above", "differs", "fails", "higher", "no", "unstable", "worse"),
}


def write(path: Path, title: str, intro: str, tables: Iterable[Table], figures: Iterable[tuple[str, Figure]]) -> Path:
    """Write the page to `path`, whole or not at all.

    figures: (title, Figure). What stands in titles before the first `:` is the heading: `Fig. 7: digit 0` and
    `Fig. 7: digit 1` share one, and `Table IV: losses` stands under the table of that name. A table named
    `table1-runs` is folded away under `table1`. Every word is escaped.
    """
    return html.write(page(title, intro, tables, figures), path)


def page(title: str, intro: str, tables: Iterable[Table], figures: Iterable[tuple[str, Figure]]) -> html.Page:
    """The page as data."""
    sections: dict[str, Section] = {}
    for table in tables:
        heading, about = _parted(table.title)
        first = sections.get(table.name.partition("-")[0])
        if first is None:
            sections[table.name] = Section(heading, [_table(table)], about)
        else:  # table1-runs: more of table1, folded away
            more = html.Folded(table.title, [_table(table)])
            sections[table.name.partition("-")[0]] = replace(first, blocks=[*first.blocks, more])
    named = {_plain(section.title): name for name, section in reversed(sections.items())}
    for words, figure in figures:
        heading, about = _parted(words)
        name = named.setdefault(_plain(heading), heading)
        section = sections.setdefault(name, Section(heading, []))
        picture = Picture(heading, about, figure, COLORS)
        last = [block for block in section.blocks if isinstance(block, html.Folded)]
        shown = [block for block in section.blocks if not isinstance(block, html.Folded)]
        sections[name] = replace(section, blocks=[*shown, picture, *last])
    return html.Page(title, intro, sections=list(sections.values()))


def _parted(title: str) -> tuple[str, str]:
    """`Fig. 4: codes in the plane` → its name, and a sentence."""
    name, _, words = (part.strip() for part in title.partition(":"))
    return name, f"{words[:1].upper()}{words[1:]}." if words else ""


def _plain(heading: str) -> str:
    """Without what stands in brackets."""
    return heading.partition("(")[0].strip()


def _table(table: Table) -> html.Table:
    columns = [str(column) for column in table.columns]
    verdicts = {place for place, column in enumerate(columns) if column.lower() == VERDICT}
    rows = [
        [toned(str(cell)) if place in verdicts else str(cell) for place, cell in enumerate(row)] for row in table.rows
    ]
    return html.Table(columns, rows, caption="\n".join(table.notes), wide=len(columns) > WIDE)


def toned(verdict: str) -> str:
    """A verdict with its mark and its colour, both told from its first word: `reproduced: …` is good, `no: …` bad."""
    words = verdict.strip()
    if not words:
        return verdict
    first = words.split()[0].strip(",;:.").lower()
    tone = next((tone for tone, firsts in _FIRST_WORDS.items() if first in firsts), "open")
    return Toned(f"{_MARKS[tone]} {words}".replace(" ", "\u00a0", 1).replace(" %", "\u00a0%"), tone)
