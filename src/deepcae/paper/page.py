"""One self-contained HTML page of the paper's tables and figures beside ours: no network, no scripts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..report import html
from ..report.html import Picture, Section, Toned

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .table import Table

VERDICT = "verdict"  # the last word of columns whose words are coloured
WIDE = 6  # columns; a table of more is set smaller
ALONE = "Figures"  # the heading of those that are one picture
COLORS = 256  # of a picture in the page
_MARKS = {"good": "✓", "bad": "✗", "open": "–"}
_FIRST_WORDS = {
    "good": ("as", "lower", "reproduced", "same", "yes"),
    "bad": ("higher", "no"),
}


def write(path: Path, title: str, intro: str, tables: Iterable[Table], figures: Iterable[tuple[str, Figure]]) -> Path:
    """Write the page to `path`, whole or not at all.

    figures: (title, Figure). What stands in a title before the first `:` is its name. `Table IV: losses` stands under
    the table of that name, pictures of one name (`Fig. 7: digit 0`, `Fig. 7: digit 1`) under that, all others under
    one heading. A table named `table1-runs` is folded away under `table1`. Every word is escaped.
    """
    return html.write(page(title, intro, tables, figures), path)


def page(title: str, intro: str, tables: Iterable[Table], figures: Iterable[tuple[str, Figure]]) -> html.Page:
    """The page as data."""
    sections = _of_tables(tables)
    _put(figures, sections)
    return html.Page(title, intro, sections=list(sections.values()))


def _of_tables(tables: Iterable[Table]) -> dict[str, Section]:
    """Table name → its section, with its further tables."""
    sections: dict[str, Section] = {}
    for table in tables:
        heading, about = _parted(table.title)
        name = table.name.partition("-")[0]
        if name in sections:
            more = html.Folded(table.title, [_table(table)])
            sections[name] = replace(sections[name], blocks=[*sections[name].blocks, more])
        else:
            sections[name] = Section(heading, [_table(table)], about)
    return sections


def _put(figures: Iterable[tuple[str, Figure]], sections: dict[str, Section]) -> None:
    """Put each picture into its section; what is missing is added."""
    under = {_plain(section.title): name for name, section in reversed(sections.items())}
    drawn = [(*_parted(words), figure) for words, figure in figures]
    count = Counter(heading for heading, _, _ in drawn)
    for heading, about, figure in drawn:
        own = heading if count[heading] > 1 else ALONE
        name = under.setdefault(_plain(heading), own)
        section = sections.setdefault(name, Section(own, []))
        sections[name] = replace(section, blocks=_before_folded(section, Picture(heading, about, figure, COLORS)))


def _before_folded(section: Section, picture: Picture) -> list[Any]:
    folded = [block for block in section.blocks if isinstance(block, html.Folded)]
    return [*(block for block in section.blocks if not isinstance(block, html.Folded)), picture, *folded]


def _parted(title: str) -> tuple[str, str]:
    """`Fig. 4: codes in the plane` → its name, and a sentence."""
    name, _, words = (part.strip() for part in title.partition(":"))
    return name, f"{words[:1].upper()}{words[1:]}." if words else ""


def _plain(heading: str) -> str:
    """Without what stands in brackets."""
    return heading.partition("(")[0].strip()


def _table(table: Table) -> html.Table:
    columns = [str(column) for column in table.columns]
    verdicts = {place for place, column in enumerate(columns) if column.lower().split()[-1:] == [VERDICT]}
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
