"""The author's comments: where each belongs, and where it goes when the text is written anew.

A comment at the end of a line belongs to the field that begins last on that line (`after`), or to the block that is
closed there (`closing`); one on a line of its own to the field that follows (`before`), or, where none follows, to the
block around it (`end`). Comments at the top that a blank line parts from the rest belong to the text as a whole.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from .spots import Spot
from .tokens import WORDS

At = tuple[int, int]  # line and column of a field


@dataclass
class Attached:
    """The comments of one field, each from its '#' on."""

    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)
    end: list[str] = field(default_factory=list)
    closing: list[str] = field(default_factory=list)

    @property
    def all(self) -> list[str]:
        return [*self.before, *self.after, *self.end, *self.closing]


class Comments:
    """All comments of a text. `spot` tells where its fields stand, before any upgrade."""

    def __init__(self, text: str, spot: Spot) -> None:
        self.head: list[str] = []
        self.tail: list[str] = []
        self.at: dict[At, Attached] = {}
        self._parents: dict[At, At | None] = {}
        self._know(spot, None)
        _Walk(self, self._parents.keys()).run(text)

    def _know(self, spot: Spot, parent: At | None) -> None:
        for values in spot.fields.values():
            for value in values:
                at = place_of(value)
                self._parents.setdefault(at, parent)
                self._know(value, at)

    def attached(self, at: At) -> Attached:
        """The comments of a field, to be added to."""
        return self.at.setdefault(at, Attached())

    def move(self, written: Iterable[At]) -> None:
        """Gives the comments of fields that are not `written` to what is near: the layer around them, else a field."""
        there = sorted(set(written))
        known = set(there)
        for at in sorted(set(self.at) - known):
            goal = self._parents.get(at)
            while goal is not None and goal not in known:
                goal = self._parents.get(goal)
            if goal is None and there:
                goal = there[max(0, bisect_right(there, at) - 1)]
            target = self.head if goal is None else self.attached(goal).before
            target.extend(self.at.pop(at).all)


def place_of(spot: Spot) -> At:
    """Line and column of a spot."""
    return spot.place.line or 0, spot.place.column or 0


class _Walk:
    """One walk over the words and comments of a text, which is known to be without mistakes."""

    def __init__(self, comments: Comments, known: Iterable[At]) -> None:
        self.comments, self.known = comments, set(known)
        self.pending: list[tuple[int, str]] = []  # comments on lines of their own, with their lines
        self.blocks: list[At | None] = []
        self.last: At | None = None  # the field that began last
        self.closed: At | None = None  # the block that the last word closed
        self.line_of_word = 0
        self.begun = False

    def run(self, text: str) -> None:
        line, line_start = 1, 0
        for match in WORDS.finditer(text):
            kind, word = match.lastgroup, match.group()
            if kind == "space":
                if breaks := word.count("\n"):
                    line, line_start = line + breaks, match.start() + word.rindex("\n") + 1
            elif kind == "comment":
                self.comment(word.rstrip(), line)
            else:
                self.word(word if kind == "mark" else "", (line, match.start() - line_start + 1))
        self.comments.tail += [text for _, text in self.pending]

    def comment(self, text: str, line: int) -> None:
        if line != self.line_of_word:
            self.pending.append((line, text))
        elif self.closed is not None:
            self.comments.attached(self.closed).closing.append(text)
        elif self.last is not None:
            self.comments.attached(self.last).after.append(text)
        else:
            self.comments.head.append(text)

    def word(self, mark: str, at: At) -> None:
        if not self.begun:
            self.begun = True
            self.split_head(at[0])
        if at in self.known:
            self.last = at
            self.flush(self.comments.attached(at).before if self.pending else [])
        self.closed = None
        if mark in ("{", "<"):
            self.blocks.append(self.last)
        elif mark in ("}", ">"):
            self.closed = self.blocks.pop() if self.blocks else None
            if self.closed is not None and self.pending:
                self.flush(self.comments.attached(self.closed).end)
        elif self.pending and self.last is not None and at not in self.known and mark not in ("]", ",", ";"):
            self.flush(self.comments.attached(self.last).before)
        self.line_of_word = at[0]

    def flush(self, target: list[str]) -> None:
        target += [text for _, text in self.pending]
        self.pending = []

    def split_head(self, first_line: int) -> None:
        """Of the comments before the first word, those up to the last blank line are the text's own."""
        lines = [line for line, _ in self.pending] + [first_line]
        parted = max((k + 1 for k in range(len(self.pending)) if lines[k + 1] - lines[k] > 1), default=0)
        self.comments.head += [text for _, text in self.pending[:parted]]
        self.pending = self.pending[parted:]
