"""Where a protobuf file breaks: the library only says that it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

MAX_DEPTH = 100


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
        found = [span for number, *span in _spans(data, start, end) if number == field.number]
        if index >= len(found):
            break
        place, start, end = found[index]
        descriptor = field.message_type
    return place


def _spans(data: bytes, position: int, end: int) -> Iterator[tuple[int, int, int, int]]:
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


def num_messages(data: bytes, descriptor: Any, most: int) -> int:
    """How many messages stand in a message, counted up to `most`: an empty one takes 2 bytes here, hundreds in memory.

    What lies in a blob is not looked at. Of damaged data what can be counted.
    """
    found, waiting = 0, [(0, len(data), descriptor)]
    while waiting and found <= most:
        start, end, kind = waiting.pop()
        for number, _, inner, after in _spans(data, start, end):
            field = kind.fields_by_number.get(number)
            if after > end or found > most:
                break
            if field is not None and field.message_type is not None:
                found += 1
                if field.message_type.name != "BlobProto":
                    waiting.append((inner, after, field.message_type))
    return found


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
