"""Old texts written anew in today's syntax, with the author's comments.

A text that needs no change stays as it is, byte for byte. What is written means the same message as what was read, and
needs no change when it is read again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import Place, Problem
from .comments import At, Attached, Comments, place_of
from .document import Document
from .read import kind_of
from .schema import NetParameter, SolverParameter, is_repeated
from .spots import Spot, position
from .text import parse, to_word
from .upgrade import upgrade

_OLD_WORDS = {  # of a layer of 2014
    "type": 'the type is a name in quotes (`type: RELU` is `type: "ReLU"`)',
    "blobs_lr": "`blobs_lr: X` is `param { lr_mult: X }`",
    "weight_decay": "`weight_decay: X` is `param { decay_mult: X }`",
    "param": '`param: "X"` is `param { name: "X" }`',
    "blob_share_mode": "`blob_share_mode: X` is `param { share_mode: X }`",
}


@dataclass
class Rewritten:
    """`text` in today's syntax; `changes`: what is different, and where it stood; `notes`: what else is to be told."""

    kind: str
    text: str
    changes: list[Problem]
    notes: list[Problem]


def rewrite(text: str, filename: str = "<text>") -> Rewritten:
    """A network or solver text of any age in today's syntax. Raises SpecError with all problems of the text."""
    kind = kind_of(text, filename)
    document = parse(text, NetParameter if kind == "net" else SolverParameter, filename)
    comments, changes = Comments(text, document.spot), list(_changed_words(document.spot))
    before = type(document.message)()
    before.CopyFrom(document.message)
    upgrade(document)
    if document.message == before:
        return Rewritten(kind, text, [], _grouped(document.notes))
    return Rewritten(kind, to_commented_text(document, comments), _grouped([*document.notes, *changes]), [])


def to_commented_text(document: Document, comments: Comments) -> str:
    """The message as text, each comment at the field that came of the one it was written for."""
    comments.move(_places(document.message, document.spot))
    head = [f"{comment}\n" for comment in comments.head]
    lines = _lines(document.message, document.spot, comments.at, "")
    return "".join([*head, *(["\n"] if head else []), *lines, *(f"{comment}\n" for comment in comments.tail)])


def _places(message: Any, spot: Spot) -> Iterator[At]:
    for _, value, where in _values(message, spot):
        if where is not None:
            yield place_of(where)
        if hasattr(value, "ListFields"):
            yield from _places(value, where or Spot(spot.place))


def _values(message: Any, spot: Spot) -> Iterator[tuple[Any, Any, Spot | None]]:
    """(field, value, where it came from if that is known) for every value, in the order in which they are written."""
    for field, value in message.ListFields():
        spots = spot.fields.get(field.name, [])
        for index, item in enumerate(value if is_repeated(field) else [value]):
            yield field, item, spots[index] if index < len(spots) else None


def _lines(message: Any, spot: Spot, comments: dict[At, Attached], margin: str) -> Iterator[str]:
    """Comments are taken out of `comments` as they are written: of several values from one place the first has them."""
    for field, value, where in _values(message, spot):
        own = comments.pop(place_of(where), None) if where is not None else None
        own = own or Attached()
        yield from (f"{margin}{comment}\n" for comment in [*own.before, *own.after[1:]])
        after = f"  {own.after[0]}" if own.after else ""
        if field.message_type is None:
            yield f"{margin}{field.name}: {to_word(field, value)}{after}\n"
            yield from (f"{margin}{comment}\n" for comment in [*own.end, *own.closing])
        else:
            yield f"{margin}{field.name} {{{after}\n"
            yield from _lines(value, where or Spot(spot.place), comments, margin + "  ")
            yield from (f"{margin}  {comment}\n" for comment in [*own.end, *own.closing[1:]])
            yield f"{margin}}}{f'  {own.closing[0]}' if own.closing else ''}\n"


def _changed_words(spot: Spot) -> Iterator[Problem]:
    """What is called otherwise today in the layers of a network of 2014."""
    nets = [
        spot,
        *(net for name in ("net_param", "train_net_param", "test_net_param") for net in spot.fields.get(name, ())),
    ]
    for layer in (layer for net in nets for layer in net.fields.get("layers", ())):
        for name in _OLD_WORDS.keys() & layer.fields.keys():
            yield Problem(_OLD_WORDS[name], layer.fields[name][0].place)


def _grouped(problems: list[Problem]) -> list[Problem]:
    """One line for each sentence: at its first place, with the number of the others."""
    places: dict[str, list[Place]] = {}
    for problem in problems:
        places.setdefault(problem.message, []).append(problem.place or Place(""))
    grouped = []
    for message, where in places.items():
        lines = [place.line for place in where[1:4] if place.line]
        more = f" (also on line {', '.join(map(str, lines))}{', ...' if len(where) > 4 else ''})" if lines else ""
        grouped.append(Problem(message + more, where[0]))
    return sorted(grouped, key=position)
