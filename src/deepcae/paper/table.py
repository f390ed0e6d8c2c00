"""A table as data, and as text, Markdown and CSV."""

from __future__ import annotations

import csv
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from .narrow import laid


@dataclass(frozen=True)
class Table:
    """`name`: table1; `heading`: `Table I`; `about`: what it shows; cells are words; `notes`: sentences under it.

    A cell that is a verdict is a `page.html.Judged`. `under`: the table that this one belongs to, and is folded away
    under on a page. `on_screen`: whether it is short enough to be shown there.
    """

    name: str
    heading: str
    about: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()
    under: str = ""
    on_screen: bool = True

    @property
    def title(self) -> str:
        """One line: `Table I: …`."""
        return f"{self.heading}: {self.about}"

    def to_text(self, width: int | None = None) -> str:
        """For a screen of so many letters in a line: columns side by side, or in parts below one another."""
        notes = [f"  {note}" for note in self.notes]
        title = [self.title]
        if width is not None:
            notes = [line for note in notes for line in textwrap.wrap(note, width, subsequent_indent="    ")]
            title = textwrap.wrap(self.title, width)
        return "\n".join([*title, "", laid(self.columns, self.rows, width), *notes])

    def to_markdown(self) -> str:
        """A heading, the table, the notes as a list."""
        lines = [self.columns, ["---"] * len(self.columns), *self.rows]
        laid = ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
        notes = ["", *[f"- {note}" for note in self.notes]] if self.notes else []
        return "\n".join([f"## {self.title}", "", *laid, *notes, ""])

    def to_csv(self) -> str:
        """The columns' names and the rows."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self.columns, *self.rows])
        return text.getvalue()
