"""The fields of a prototxt against the schema: every mistake of the text is reported, each at its place."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from ..errors import Place, Problem
from .schema import POOL, is_repeated, is_required
from .spots import Spot
from .suggest import closest
from .tokens import Token
from .tree import Block, Field, Scalar, describe
from .values import scalar_problem

MAX_PROBLEMS = 100  # of one text that are told
_TITLES = {
    "NetParameter": "a network",
    "SolverParameter": "a solver",
    "LayerParameter": "a layer",
    "FillerParameter": "a filler (weight_filler, ...)",
}
_TODAY = {
    "blobs_lr": "param { lr_mult: ... }",
    "weight_decay": "param { decay_mult: ... }",
    "blob_share_mode": "param { share_mode: ... }",
}


class Checker:
    """Walks the tree of one text beside a message's descriptor; collects problems and spots."""

    def __init__(self, filename: str, nesting_known: bool = True) -> None:
        """`nesting_known`: False where a brace is missing: then only the values of known fields are judged."""
        self.filename = filename
        self.nesting_known = nesting_known
        self.problems: list[Problem] = []

    def walk(self, block: Block, descriptor: Any, title: str, spot: Spot) -> Spot:
        """Checks the fields of `block`, a message of type `descriptor` that the text calls `title`; fills in `spot`."""
        for field in block.fields:
            known = descriptor.fields_by_name.get(field.name.text)
            if known is None:
                if self.nesting_known:
                    name = field.name.text
                    few = len(self.problems) < MAX_PROBLEMS  # what is not shown needs no advice, which is slow to find
                    self.complain(unknown_field(name, descriptor, title) if few else "unknown field", field.name)
                continue
            self._field(field, known, spot)
        if self.nesting_known:
            self._required(block, descriptor, title, spot)
            if descriptor.name == "NetParameter":
                self._one_syntax(spot)
        return spot

    def complain(self, message: str, token: Token) -> None:
        self.problems.append(Problem(message, self.place(token)))

    def place(self, token: Token) -> Place:
        return Place(self.filename, token.line, token.column)

    def _field(self, field: Field, known: Any, spot: Spot) -> None:
        """One field: given once if singular, each value of the right kind."""
        name = field.name
        spots = spot.fields.setdefault(known.name, [])
        if not is_repeated(known):
            if spots and self.nesting_known:
                self.complain(f"{known.name} is given twice (first on line {spots[0].place.line})", name)
                return
            if field.listed:
                self.complain(f"{known.name} takes one value, not a list", name)
                return
        for value in field.values:
            child = Spot(self.place(_first(value) if field.listed else name))
            spots.append(child)
            if known.message_type is not None:
                if isinstance(value, Block):
                    self.walk(value, known.message_type, known.name, child)
                else:
                    word = describe(value.tokens[0])
                    self.complain(f"{known.name} wants a block: {known.name} {{ ... }}, not {word}", value.tokens[0])
            elif isinstance(value, Block):
                self.complain(f"{known.name} wants a value, not a block in braces", _first(value))
            elif message := scalar_problem(known, value.tokens):
                self.complain(_layer_type_hint(known, value) or message, value.tokens[0])

    def _required(self, block: Block, descriptor: Any, title: str, spot: Spot) -> None:
        missing = [name for name in _required_in(descriptor.full_name) if name not in spot.fields]
        if missing and block.opening:
            self.complain(f"{title} lacks {' and '.join(missing)}, which must be given", block.opening)

    def _one_syntax(self, spot: Spot) -> None:
        """Today's `layer` and the old `layers` in one file: the places of the fewer are the mistake."""
        today, old = spot.fields.get("layer", []), spot.fields.get("layers", [])
        if today and old:
            word, other, odd = ("layer", "layers", today) if len(today) < len(old) else ("layers", "layer", old)
            self.problems += [
                Problem(f"'{word}' among '{other}': a file holds either today's 'layer' or the old 'layers'", s.place)
                for s in odd
            ]


@cache
def _required_in(message: str) -> tuple[str, ...]:
    return tuple(field.name for field in POOL.FindMessageTypeByName(message).fields if is_required(field))


def _first(value: Scalar | Block) -> Token:
    token = value.tokens[0] if isinstance(value, Scalar) else value.opening
    assert token is not None  # only the whole text has no opening brace, and it is no field's value
    return token


def _layer_type_hint(known: Any, value: Scalar) -> str | None:
    """`type: CONVOLUTION` in today's `layer`: the old word has a name of today."""
    from .legacy import LAYER_TYPES

    word = value.tokens[0].text
    if known.full_name == "caffe.LayerParameter.type" and word in LAYER_TYPES:
        return f'type wants a string in quotes: {word} is the old word for "{LAYER_TYPES[word]}"'
    return None


def unknown_field(name: str, descriptor: Any, title: str) -> str:
    """The sentence for a field that the message does not have: the nearest name, or where the field belongs."""
    start = f"unknown field '{name}' in {title}"
    if descriptor.name == "LayerParameter" and name in _TODAY:
        return f"{start}: it is of the old 'layers' syntax; today {_TODAY[name]}"
    homes = _homes(name)
    if homes and descriptor.name in ("NetParameter", "SolverParameter", "LayerParameter"):
        return f"{start}; it is a field of {_join(homes)}"
    if near := closest(name, descriptor.fields_by_name):
        return f"{start}; did you mean '{near}'?"
    return f"{start}; it is a field of {_join(homes)}" if homes else f"{start}; allowed: {_some(descriptor)}"


def _some(descriptor: Any) -> str:
    names = [field.name for field in descriptor.fields]
    return ", ".join(names) if len(names) <= 20 else ", ".join(names[:10]) + ", ..."


def _join(homes: Iterable[str]) -> str:
    homes = list(homes)
    return homes[0] if len(homes) == 1 else ", ".join(homes[:3]) + (", ..." if len(homes) > 3 else "")


@cache
def _homes(name: str) -> tuple[str, ...]:
    """Where a field of this name may stand, as an author would call the place."""
    file = POOL.FindFileByName("caffe.proto")
    messages = [m for m in file.message_types_by_name.values() if not m.name.startswith(("V0", "V1", "Blob", "Datum"))]
    holders = [message for message in messages if name in message.fields_by_name]
    titles = [title for message, title in _TITLES.items() if any(m.name == message for m in holders)]
    parts: dict[str, str] = {}
    for message in messages:
        for field in message.fields:
            if field.message_type is not None:
                parts.setdefault(field.message_type.name, field.name)
    return tuple(titles or sorted(parts[m.name] for m in holders if m.name in parts))
