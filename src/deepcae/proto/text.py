"""Prototxt: text to message and back. The protobuf library makes the message; every complaint is ours, all at once.

document = parse('name: "x"', NetParameter, "x.prototxt")
"""

from __future__ import annotations

import re
import struct
from typing import Any

from google.protobuf import text_encoding, text_format

from ..errors import Place, Problem, SpecError
from .check import MAX_PROBLEMS, Checker
from .document import Document
from .schema import is_repeated
from .spots import Spot, position
from .tree import build
from .upgrade import upgrade

__all__ = ["Document", "merge", "parse", "to_text"]

_TITLES = {"NetParameter": "a network", "SolverParameter": "a solver"}


def parse(text: str, message_class: Any, filename: str = "<text>") -> Document:
    """The message that `text` describes. Raises SpecError with all problems of the text, in the text's order."""
    tree, problems, sound = build(text, filename)
    checker = Checker(filename, nesting_known=sound)
    descriptor = message_class.DESCRIPTOR
    spot = checker.walk(tree, descriptor, _TITLES.get(descriptor.name, descriptor.name), Spot(Place(filename, 1, 1)))
    if problems := problems + checker.problems:
        raise SpecError(_in_order(problems, filename))
    return Document(_message(text, message_class, filename), filename, spot)


def _message(text: str, message_class: Any, filename: str) -> Any:
    """protobuf's reading of a text in which we found no mistake; it has the last word."""
    try:
        return text_format.Parse(_plain(text), message_class())
    except text_format.ParseError as error:
        place = Place(filename, error.GetLine(), error.GetColumn())
        sentence = re.sub(r"^(\d+:\d+ : )?('.*': )?", "", str(error), flags=re.DOTALL)
        raise SpecError(Problem(sentence, place)) from None
    except (ValueError, RecursionError) as error:
        raise SpecError(Problem(str(error), Place(filename))) from None


def _plain(text: str) -> str:
    r"""The text without what Python's parser lacks: `\?` in strings, and bytes of other encodings in comments."""
    text = re.sub(r"\\(.)", lambda escape: r"\077" if escape.group(1) == "?" else escape.group(), text)
    return re.sub("[\ud800-\udfff]", "?", text)


def _in_order(problems: list[Problem], filename: str) -> list[Problem]:
    problems = sorted(dict.fromkeys(problems), key=position)
    if len(problems) > MAX_PROBLEMS:
        rest = Problem(f"and {len(problems) - MAX_PROBLEMS} more problems", Place(filename))
        problems = [*problems[:MAX_PROBLEMS], rest]
    return problems


def merge(document: Document, text: str, filename: str = "--set") -> None:
    """Overrides fields of the message by those of `text`: scalars are replaced, messages merged field by field,
    a repeated field replaces all its old values. Complaints are placed in `--set:1:5`."""
    overlay = parse(text, type(document.message), filename)
    upgrade(overlay)
    _lay_over(document.message, document.spot, overlay.message, overlay.spot)
    for note in overlay.notes:
        document.note(note.message, note.place)


def _lay_over(message: Any, spot: Spot, above: Any, above_spot: Spot) -> None:
    for name, spots in above_spot.fields.items():
        field = message.DESCRIPTOR.fields_by_name[name]
        if is_repeated(field):
            message.ClearField(name)
            getattr(message, name).extend(getattr(above, name))
        elif field.message_type is not None:
            getattr(message, name).SetInParent()
            inner = spot.fields.setdefault(name, [Spot(spots[0].place)])[0]
            inner.place = spots[0].place if not inner.fields else inner.place
            _lay_over(getattr(message, name), inner, getattr(above, name), spots[0])
            continue
        else:
            setattr(message, name, getattr(above, name))
        spot.fields[name] = spots


def to_text(message: Any) -> str:
    """The message as readable prototxt, as Caffe prints it; floats as short as they can be without losing a bit."""
    return "".join(_lines(message, ""))


def _lines(message: Any, margin: str) -> list[str]:
    lines = []
    for field, value in message.ListFields():
        for item in value if is_repeated(field) else [value]:
            if field.message_type is not None:
                lines += [f"{margin}{field.name} {{\n", *_lines(item, margin + "  "), f"{margin}}}\n"]
            else:
                lines.append(f"{margin}{field.name}: {to_word(field, item)}\n")
    return lines


def to_word(field: Any, value: Any) -> str:
    """A value as it is written behind its field's name."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    if isinstance(value, (str, bytes)):
        return f'"{text_encoding.CEscape(value, as_utf8=isinstance(value, str))}"'
    if isinstance(value, float):
        return shortest(value, single=field.type == field.TYPE_FLOAT)
    return str(value)


def shortest(value: float, single: bool = True) -> str:
    """The shortest of the forms with 6 or more digits that read back as the same float32 (float64): 0.1, 1e-05."""
    words = [f"{value:.{digits}g}" for digits in (range(6, 9) if single else range(6, 17))]
    exact = [word for word in words if _same(float(word), value, single)]
    return min([*exact, f"{value:.{9 if single else 17}g}"], key=len)


def _same(one: float, other: float, single: bool) -> bool:
    return struct.pack("f", one) == struct.pack("f", other) if single else one == other
