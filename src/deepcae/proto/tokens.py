"""The words of a prototxt, each with the line and column where it stands (both count from 1, a tab is one column)."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from ..errors import Place, Problem, SpecError

MAX_BYTES = 8 * 1024 * 1024
MAX_TOKENS = 750_000

WORDS = re.compile(
    r"""(?P<space>[ \t\r\n\f\v]+)
      | (?P<comment>\#[^\n]*)
      | (?P<name>[A-Za-z_][A-Za-z0-9_+-]*)
      | (?P<number>(?:[0-9+-]|\.[0-9])[0-9A-Za-z_.+-]*)
      | (?P<string>"(?:[^"\n\\]|\\.)*"|'(?:[^'\n\\]|\\.)*')
      | (?P<mark>[{}<>\[\]:,;])
      | (?P<open>["'][^\n]*)
      | (?P<bad>.)""",
    re.VERBOSE,
)


class Token(NamedTuple):
    """One word: `kind` is name, number, string or mark; `indent` is the column of the first word on its line."""

    kind: str
    text: str
    line: int
    column: int
    indent: int

    @property
    def starts_line(self) -> bool:
        return self.column == self.indent


def tokenize(text: str, filename: str) -> tuple[list[Token], list[Problem]]:
    """All words of the text, and a problem for each spot that is no word. Raises SpecError for too long a text."""
    if len(text) > MAX_BYTES:
        raise SpecError(Problem(f"the text is longer than {MAX_BYTES // 2**20} MiB", Place(filename)))
    tokens: list[Token] = []
    problems: list[Problem] = []
    line, line_start, indent, bad_end = 1, 0, 0, -1
    for match in WORDS.finditer(text):
        kind, word, start = match.lastgroup or "bad", match.group(), match.start()
        if kind == "space":
            if breaks := word.count("\n"):
                line += breaks
                line_start, indent = match.end() - len(word) + word.rindex("\n") + 1, 0
            continue
        if kind == "comment":
            continue
        column = start - line_start + 1
        indent = indent or column
        if kind in ("open", "bad"):
            if start != bad_end:  # a run of strange characters is one problem
                problems.append(Problem(_strange(kind, word), Place(filename, line, column)))
            bad_end = match.end()
            if kind == "open":
                tokens.append(Token("string", word[0] * 2, line, column, indent))  # so that the field has its value
            continue
        tokens.append(Token(kind, word, line, column, indent))
        if len(tokens) > MAX_TOKENS:
            raise SpecError(Problem(f"the text has more than {MAX_TOKENS:,} words", Place(filename, line, column)))
    return tokens, problems


def _strange(kind: str, word: str) -> str:
    if kind == "open":
        return f"the string is not closed: no {word[0]} on the rest of this line"
    code = ord(word)
    if 0xDC80 <= code <= 0xDCFF:
        return f"byte 0x{code - 0xDC00:02x} is not UTF-8 text"
    shown = (
        f"'{word}'" if word.isprintable() else f"U+{code:04X} ({unicodedata.name(word, 'a control character').lower()})"
    )
    return f"unexpected character {shown}"
