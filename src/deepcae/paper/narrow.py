"""A table of words for a screen that is narrower than it: headings in several lines, columns below one another.

The first columns, by which its rows are told apart, begin each part.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

GAP = 2  # letters between columns
Line = Sequence[str]


def laid(columns: Line, rows: Sequence[Line], width: int | None = None) -> str:
    """Columns side by side under a rule, in as many parts as it takes where a line has `width` letters."""
    if width is None or _wide(_natural([columns, *rows])) <= width:
        return _part(columns, rows, _natural([columns, *rows]))
    return "\n\n".join(
        _part([columns[at] for at in places], [[row[at] for at in places] for row in rows], widths)
        for places, widths in _parts(columns, rows, width)
    )


def _natural(lines: Sequence[Line]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def _wide(widths: Sequence[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _parts(columns: Line, rows: Sequence[Line], width: int) -> Iterator[tuple[list[int], list[int]]]:
    """Which columns stand in each part, and how wide they are there."""
    narrow = [max([*map(len, name.split()), *map(len, cells), 1]) for name, *cells in zip(columns, *rows, strict=True)]
    keys = list(range(_keys(rows, len(columns))))
    held = _wide([narrow[at] for at in keys])
    room = max(width - held - GAP, GAP)
    places, widths = list(keys), [narrow[at] for at in keys]
    for at in range(len(keys), len(columns)):
        size = min(narrow[at], room)
        if len(places) > len(keys) and _wide([*widths, size]) > width:
            yield places, widths
            places, widths = list(keys), [narrow[each] for each in keys]
        places, widths = [*places, at], [*widths, size]
    yield places, widths


def _keys(rows: Sequence[Line], most: int) -> int:
    """How many columns, from the first on, tell all rows apart; one where nothing does."""
    count = next((n for n in range(1, most) if len({tuple(row[:n]) for row in rows}) == len(rows)), 1)
    return min(count, most - 1) or 1


def _part(columns: Line, rows: Sequence[Line], widths: Sequence[int]) -> str:
    head = _lines(columns, widths, last=True)
    return "\n".join([*head, "─" * _wide(widths), *(line for row in rows for line in _lines(row, widths))])


def _lines(cells: Line, widths: Sequence[int], last: bool = False) -> list[str]:
    """The lines of a row. `last`: short cells stand at the bottom, as headings do."""
    folded = [textwrap.wrap(cell, width) or [""] for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, folded))
    filled = [[""] * (height - len(cell)) + cell if last else cell + [""] * (height - len(cell)) for cell in folded]
    gap = " " * GAP
    return [
        gap.join(part.ljust(width) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in zip(*filled, strict=True)
    ]
