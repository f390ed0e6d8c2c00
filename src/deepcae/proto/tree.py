"""The structure of a prototxt, before any schema: fields, values, blocks and lists, and the mistakes in their marks."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from ..errors import Place, Problem, SpecError
from .tokens import Token, tokenize

MAX_DEPTH = 64
_CLOSES = {"{": "}", "<": ">"}
_REPAIRS = 8  # missing braces that are looked for in one text ...
_REPAIRABLE = 100_000  # ... of so many words at most


@dataclass(slots=True)
class Scalar:
    """A value of one word, or of several strings in a row, which count as one."""

    tokens: list[Token]


@dataclass(slots=True)
class Block:
    """`{ ... }`: fields in file order. `opening` is None for the text as a whole."""

    opening: Token | None
    fields: list[Field] = field(default_factory=list)


@dataclass(slots=True)
class Field:
    """`name: value`, `name { }` or `name: [value, ...]` (`listed`)."""

    name: Token
    values: list[Scalar | Block]
    listed: bool


@lru_cache(maxsize=1)  # a text's kind is told from its tree, and then its message
def build(text: str, filename: str) -> tuple[Block, list[Problem], bool]:
    """The tree of a text, the problems met, and whether its blocks can be trusted to nest as was meant.

    Where a brace is missing the indentation tells which: the first line that stands too far left for its block shows
    that the block should have ended before. The tree is then made as if it had.
    """
    tokens, problems = tokenize(text, filename)
    first = _Builder(tokens, filename, set())
    tree = first.run()
    attempt, ends = first, set[tuple[Token, int]]()
    repairs = _REPAIRS if len(tokens) <= _REPAIRABLE else 0
    while attempt.unclosed and attempt.suspect is not None and len(ends) < repairs:
        ends.add(attempt.suspect)
        attempt = _Builder(tokens, filename, ends)
        repaired = attempt.run()
        if not attempt.unclosed and not attempt.stray:
            missing = [attempt.unclosed_problem(*end) for end in ends]
            return repaired, problems + attempt.problems + missing, True
    missing = [first.unclosed_problem(token) for token in first.unclosed]
    return tree, problems + first.problems + missing, not first.unclosed


class _Builder:
    """One walk over the words. `ends`: (opening brace, position) of blocks that are taken to end there."""

    def __init__(self, tokens: list[Token], filename: str, ends: set[tuple[Token, int]]) -> None:
        self.tokens, self.filename, self.ends = tokens, filename, ends
        self.position = 0
        self.depth = 0
        self.problems: list[Problem] = []
        self.unclosed: list[Token] = []
        self.owners: dict[Token, str] = {}  # opening marks and whose they are
        self.stray = False
        self.flat: set[Token] = set()
        self.suspect: tuple[Token, int] | None = None

    def run(self) -> Block:
        return self.block(None)

    def complain(self, message: str, token: Token) -> None:
        self.problems.append(Problem(message, Place(self.filename, token.line, token.column)))

    def unclosed_problem(self, opening: Token, end: int | None = None) -> Problem:
        """`end`: the position before which the closing mark seems to be missing."""
        sentence = f"the '{opening.text}'{self.owners.get(opening, '')} is never closed"
        if end is not None:
            sentence += f"; a '{_CLOSES[opening.text]}' seems to be missing before line {self.tokens[end].line}"
        return Problem(sentence, Place(self.filename, opening.line, opening.column))

    def peek(self, ahead: int = 0) -> Token | None:
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    def at(self, marks: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token is not None and token.kind == "mark" and token.text in marks

    def take(self) -> Token:
        self.position += 1
        return self.tokens[self.position - 1]

    def block(self, opening: Token | None) -> Block:
        """The fields up to the mark that closes `opening` (up to the text's end for None)."""
        block = Block(opening)
        self.depth += 1
        if opening and self.depth > MAX_DEPTH:
            place = Place(self.filename, opening.line, opening.column)
            raise SpecError([*self.problems, Problem(f"blocks are nested more than {MAX_DEPTH} deep", place)])
        while not self.ended(block):
            if (found := self.field()) is not None:
                block.fields.append(found)
        self.depth -= 1
        return block

    def ended(self, block: Block) -> bool:
        """Whether the next word ends the block, or is the text's end; a closing mark is taken."""
        opening, token = block.opening, self.peek()
        if token is None:
            if opening:
                self.unclosed.append(opening)
            return True
        if opening and (opening, self.position) in self.ends:
            return True
        closing = self.at("}>")
        if opening is None:
            while self.at("}>"):
                self.complain(f"'{self.tokens[self.position].text}' closes nothing", self.take())
                self.stray = True
            return self.peek() is None
        if self.suspect is None and token.starts_line and token.line != opening.line:
            outside = token.column < opening.indent if closing else token.column <= opening.indent
            if outside and not block.fields and not closing:
                self.flat.add(opening)  # its fields are not indented, so the indentation tells nothing
            elif outside and opening not in self.flat:
                self.suspect = opening, self.position
        if closing:
            self.take()
            if token.text != _CLOSES[opening.text]:
                self.complain(f"'{token.text}' cannot close the '{opening.text}' of line {opening.line}", token)
        return closing

    def field(self) -> Field | None:
        name = self.take()
        if name.kind != "name":
            self.skip(name)
            return None
        colon = self.at(":")
        if colon:
            self.take()
        listed = self.at("[")
        values = self.list(self.take()) if listed else self.value(name, colon)
        if self.at(",;"):
            self.take()
        return Field(name, values, listed)

    def skip(self, token: Token) -> None:
        """Past something that begins no field, up to what looks like the next one."""
        self.complain(f"a field's name was expected, not {describe(token)}", token)
        if token.text in _CLOSES:
            self.block(token)  # a block without a name: its braces still pair
            return
        while (token := self.peek()) is not None and not self.at("{}<>"):  # type: ignore[assignment]
            if token.kind == "name" and self.at(":{<[", 1):
                return
            self.take()

    def value(self, name: Token, colon: bool) -> list[Scalar | Block]:
        token = self.peek()
        if self.at("{<"):
            self.owners[self.tokens[self.position]] = f" of {name.text}"
            return [self.block(self.take())]
        is_value = token is not None and token.kind != "mark"
        if not is_value or (token.kind == "name" and self.at(":{<[", 1)):  # type: ignore[union-attr]
            self.complain(f"field '{name.text}' has no value", name)
            return []
        if not colon:
            self.complain(f"':' is missing after '{name.text}'", name)
        return [self.scalar()]

    def scalar(self) -> Scalar:
        tokens = [self.take()]
        while tokens[0].kind == "string" and (token := self.peek()) is not None and token.kind == "string":
            tokens.append(self.take())
        return Scalar(tokens)

    def list(self, opening: Token) -> list[Scalar | Block]:
        values: list[Scalar | Block] = []
        while not self.at("]"):
            token = self.peek()
            if self.at("{<"):
                values.append(self.block(self.take()))
            elif token is not None and token.kind != "mark":
                values.append(self.scalar())
            else:
                break
            if not self.at(","):
                break
            self.take()
            if self.at("]"):
                self.complain("a value was expected after ','", self.tokens[self.position - 1])
        if self.at("]"):
            self.take()
        else:
            self.complain("'[' is never closed: expected values with ',' between them, then ']'", opening)
        return values


def describe(token: Token) -> str:
    """A word as a message shows it, long ones cut."""
    text = token.text if len(token.text) <= 40 else token.text[:37] + "..."
    return text if token.kind == "string" else f"'{text}'"
