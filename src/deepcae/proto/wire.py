"""Where a protobuf file breaks: the library only says that it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

MAX_DEPTH = 100
_DATA, _DOUBLE_DATA = 5, 8  # of a BlobProto
_LETTERS = 64  # of a text that count as one value


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A base-128 number and the position after it; a position past the end where it is cut off or too long."""
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
    return 0, len(data) + 1


def place_of(data: bytes, descriptor: Any, path: Iterable[tuple[str, int]]) -> int:
    """The byte at which a field of a whole message begins; `path`: ("layer", 3), ("blobs", 0)."""
    start, end, place = 0, len(data), 0
    for name, index in path:
        field = descriptor.fields_by_name[name]
        found = [span for number, *span in spans(data, start, end) if number == field.number]
        if index >= len(found):
            break
        place, start, end = found[index]
        descriptor = field.message_type
    return place


def spans(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """(number, first byte, first byte and end of the value) of each field between two positions."""
    while position < end:
        field_start = position
        tag, position = varint(data, position)
        if tag & 7 == 2:
            size, position = varint(data, position)
        else:
            size = {0: varint(data, position)[1] - position, 1: 8}.get(tag & 7, 4)
        yield tag >> 3, field_start, position, position + size
        position += size


@dataclass
class Parts:
    """What stands in a message and takes far more memory there than in its file."""

    messages: int = 0  # outside of blobs: 2 bytes of an empty one become hundreds
    values: int = 0  # fields, and the numbers and letters in them that are no packed floats


def parts_of(data: bytes, descriptor: Any, most: Parts) -> Parts:
    """What stands in a message, counted until it is more than `most`. Of damaged data what can be counted."""
    found, waiting = Parts(), [(0, len(data), descriptor, True)]
    while waiting:
        start, end, kind, outside = waiting.pop()
        for number, first, inner, after in spans(data, start, end):
            if after > end:
                break
            field = kind.fields_by_number.get(number)
            is_message = field is not None and field.message_type is not None
            found.values += 1 if is_message else _values_in(field, inner - first, after - inner)
            if is_message:
                found.messages += outside
                waiting.append((inner, after, field.message_type, outside and field.message_type.name != "BlobProto"))
            if found.messages > most.messages or found.values > most.values:
                return found
    return found


def blobs_in(data: bytes, start: int, end: int, descriptor: Any) -> Iterator[tuple[str, int, int] | None]:
    """Of each blob in a whole message, in the file's order: the field of its values, their first byte and their end.

    None where they do not stand in one piece.
    """
    for number, _, begin, after in spans(data, start, end):
        field = descriptor.fields_by_number.get(number)
        if field is None or field.message_type is None:
            continue
        if field.message_type.name == "BlobProto":
            yield _values_of(data, begin, after, field.message_type)
        else:
            yield from blobs_in(data, begin, after, field.message_type)


def _values_of(data: bytes, start: int, end: int, descriptor: Any) -> tuple[str, int, int] | None:
    found = [
        (descriptor.fields_by_number[number].name, begin, after)
        for number, _, begin, after in spans(data, start, end)
        if number in (_DATA, _DOUBLE_DATA)
    ]
    is_packed = len(found) == 1 and found[0][2] - found[0][1] > 8
    return found[0] if is_packed else None


def _values_in(field: Any, head: int, size: int) -> int:
    """How many values count in a field of `size` bytes: packed floats and what is not known lie there as here."""
    if head == 1 or field is None or field.type in (field.TYPE_FLOAT, field.TYPE_DOUBLE, field.TYPE_BYTES):
        return 1
    return 1 + size // _LETTERS if field.type == field.TYPE_STRING else 1 + size


def damage(data: bytes, descriptor: Any) -> tuple[int, str]:
    """The byte at which `data` stops being a message of this type, and what is wrong there."""
    return _broken(data, 0, len(data), descriptor, 0) or (0, "not a message of this type")


def _broken(data: bytes, start: int, end: int, descriptor: Any, depth: int) -> tuple[int, str] | None:
    if depth > MAX_DEPTH:
        return start, "messages are nested too deep"
    position = start
    while position < end:
        field_start = position
        tag, position = varint(data, position)
        number, wire = tag >> 3, tag & 7
        field = descriptor.fields_by_number.get(number)
        name = field.name if field else f"field {number}"
        if position > end or not 0 < number < 2**29 or wire not in (0, 1, 2, 5):
            return field_start, f"no field of {descriptor.name} begins here"
        if wire == 2:
            size, position = varint(data, position)
            if position + size > end:
                missing = position + size - end
                return (
                    field_start,
                    f"{name} has {size} bytes, of which {missing} are missing: the file was cut or changed",
                )
            inner = position
            position += size
            if field is not None and field.message_type is not None:
                found = _broken(data, inner, position, field.message_type, depth + 1)
                if found:
                    return found
        else:
            position = varint(data, position)[1] if wire == 0 else position + (8 if wire == 1 else 4)
            if position > end:
                return field_start, f"{name} is cut off"
    return None
