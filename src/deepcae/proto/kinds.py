"""Which of Caffe's kinds of file is this? Told from the first bytes, never from the name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ..errors import SnapshotError
from ..inplace import HDF5_START, start_of
from .wire import varint

Kind = Literal["weights", "state", "mean", "hdf5", "text", "unknown"]
HEAD = 65536

NAMES: dict[Kind, str] = {
    "weights": "a .caffemodel (weights)", "state": "a .solverstate", "mean": "a .binaryproto (one blob: a mean image)",
    "hdf5": "an HDF5 file", "text": "a text file", "unknown": "none of Caffe's files",
}  # fmt: skip
_VARINT, _DOUBLE, _LEN, _FLOAT = (0,), (1, 2), (2,), (5, 2)  # wire types; a list of numbers may be packed into one LEN
# The top-level fields of NetParameter, SolverState and BlobProto: the three differ in fields 1 to 3.
_FIELDS: dict[Kind, dict[int, tuple[int, ...]]] = {
    "weights": {
        1: _LEN, 2: _LEN, 3: _LEN, 4: (0, 2), 5: _VARINT, 6: _LEN, 7: _VARINT, 8: _LEN, 100: _LEN,
    },
    "state": {1: _VARINT, 2: _LEN, 3: _LEN, 4: _VARINT},
    "mean": {
        1: _VARINT, 2: _VARINT, 3: _VARINT, 4: _VARINT, 5: _FLOAT, 6: _FLOAT, 7: _LEN, 8: _DOUBLE, 9: _DOUBLE,
    },
}  # fmt: skip
_SIGNS: dict[Kind, set[int]] = {"weights": {1, 2, 100}, "state": {1, 2, 3}, "mean": {5, 7, 8, 1}}


def file_kind(path: str | Path) -> Kind:
    """The kind of an existing file. Raises SnapshotError where it cannot be read."""
    try:
        return sniff(start_of(path, HEAD))
    except (OSError, ValueError) as error:  # ValueError: a name with the character 0
        raise SnapshotError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def sniff(head: bytes) -> Kind:
    """The kind of a file that begins with `head`."""
    if head.startswith(HDF5_START):
        return "hdf5"
    if head and not any(byte < 32 and byte not in b"\t\n\v\f\r" for byte in head):
        return "text"
    found = list(_top_fields(head))
    for kind, fields in _FIELDS.items():
        known = [(number, wire) for number, wire in found if number in fields]
        fits = all(wire in fields[number] for number, wire in known)
        if fits and len(known) == len(found) and any(number in _SIGNS[kind] for number, _ in known):
            return kind
    return "unknown"


def _top_fields(head: bytes) -> Iterator[tuple[int, int]]:
    """(field number, wire type) of the top-level fields, as far as `head` shows them; (0, 0) for what is no field."""
    position = 0
    while position < len(head):
        tag, position = varint(head, position)
        number, wire = tag >> 3, tag & 7
        if position > len(head):
            return
        if number == 0 or number > 2**29 - 1 or wire not in (0, 1, 2, 5):
            yield 0, 0
            return
        yield number, wire
        if wire == 0:
            _, position = varint(head, position)
        elif wire == 2:
            size, position = varint(head, position)
            position += size
        else:
            position += 8 if wire == 1 else 4
