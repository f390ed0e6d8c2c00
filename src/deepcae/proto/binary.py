"""Caffe's binary files: weights (.caffemodel), solver states (.solverstate) and single blobs (.binaryproto).

Readers look at the content, not at the name, and refuse with a SnapshotError what is damaged or of another kind.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError, EncodeError

from ..atomic import whole_file
from ..errors import SnapshotError, SpecError
from ..inplace import open_to_read, read_file, why_no_file
from .document import Document
from .kinds import HEAD, NAMES, Kind, file_kind, sniff
from .schema import BlobProto, NetParameter, SolverState, is_repeated
from .upgrade import upgrade_layers
from .wire import Parts, blobs_in, damage, parts_of, place_of

__all__ = ["blob_shape", "file_kind", "is_blob_shape", "read_blob", "read_state", "read_weights", "write_message"]

MAX_BYTES = 2**31 - 1  # protobuf's own limit
MAX_COUNT = 2**31 - 1  # values in one blob
MAX_AXES = 32
MOST = Parts(messages=50_000, values=1_000_000)  # in one file
Steps = list[tuple[str, int]]  # fields and indices from a message to one inside it
_MEANT = {
    "weights": "--weights",
    "state": "--snapshot",
    "mean": "transform_param { mean_file }",
    "text": "--model or --solver",
}


@dataclass(frozen=True)
class Raw:
    """The bytes of a file, and where in them each blob has its values: see `wire.blobs_in`."""

    data: bytes
    blobs: list[tuple[str, int, int] | None]


NO_FILE = Raw(b"", [])


def read_weights(path: str | Path) -> Any:
    """The NetParameter in a .caffemodel of any age, upgraded: `layer[].blobs` hold the weights."""
    return read_weights_document(path).message


def read_weights_document(path: str | Path) -> Document:
    """As `read_weights`, with the notes of what was upgraded."""
    return read_raw_weights(path)[0]


def read_raw_weights(path: str | Path) -> tuple[Document, Raw]:
    """As `read_weights_document`, and the file itself, in which the values can be read without a copy."""
    net, raw = _read(path, "weights", NetParameter)
    for name, index, blob, steps in _blobs_of(net):
        _check(blob, path, f"layer '{name}', blob {index}: ", NetParameter, steps)
    document = Document(net, str(path))
    try:
        upgrade_layers(document)
    except SpecError as error:
        more = f" (and {len(error.problems) - 1} more problems)" if len(error.problems) > 1 else ""
        raise SnapshotError(f"{error.problems[0]}{more}") from None
    return document, raw


def _blobs_of(net: Any) -> Iterator[tuple[str, int, Any, Steps]]:
    """(layer's name, index, blob, the way there) of every blob in a network of any age."""
    for field in ("layers", "layer"):
        for number, layer in enumerate(getattr(net, field)):
            is_v0 = field == "layers" and layer.HasField("layer")
            holder, inside = (layer.layer, [("layer", 0)]) if is_v0 else (layer, [])
            for index, blob in enumerate(holder.blobs):
                yield holder.name, index, blob, [(field, number), *inside, ("blobs", index)]


def read_state(path: str | Path) -> Any:
    """The SolverState in a .solverstate: `iter`, `learned_net`, `history[]`, `current_step`."""
    return read_raw_state(path)[0]


def read_raw_state(path: str | Path) -> tuple[Any, Raw]:
    """As `read_state`, and the file itself."""
    state, raw = _read(path, "state", SolverState)
    for index, blob in enumerate(state.history):
        _check(blob, path, f"history {index}: ", SolverState, [("history", index)])
    return state, raw


def read_blob(path: str | Path) -> Any:
    """The BlobProto in a .binaryproto, such as a mean image."""
    blob, _ = _read(path, "mean", BlobProto)
    _check(blob, path, "", BlobProto, [])
    return blob


def write_message(path: str | Path, message: Any) -> None:
    """Writes a message as a binary file, which appears whole or not at all."""
    try:
        if message.ByteSize() > MAX_BYTES:
            raise SnapshotError(f"{path}: more than 2 GiB cannot be one protobuf file; write HDF5 instead")
        data = message.SerializeToString(deterministic=True)
        with whole_file(path) as temporary:
            temporary.write_bytes(data)
    except (OSError, EncodeError, ValueError) as error:
        raise SnapshotError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from None


def blob_shape(blob: Any) -> tuple[int, ...]:
    """A stored blob's shape: num, channels, height, width where one of these old fields is given, else `shape.dim`."""
    if any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        return blob.num, blob.channels, blob.height, blob.width
    return tuple(blob.shape.dim)


def is_blob_shape(shape: Sequence[int]) -> bool:
    """Whether a blob can have this shape: an axis of 0 elements does not excuse what the others claim."""
    return len(shape) <= MAX_AXES and min(shape, default=0) >= 0 and math.prod(dim or 1 for dim in shape) <= MAX_COUNT


def _check(blob: Any, path: str | Path, which: str, message_class: Any, steps: Steps) -> None:
    """Refuses a blob whose values are not as many as its shape says."""
    shape, values = blob_shape(blob), len(blob.double_data) or len(blob.data)
    shown = "x".join(map(str, shape)) or "()"
    if not is_blob_shape(shape):
        what = f"{shown} is no shape of a blob"
    elif values != math.prod(shape):
        what = f"shape {shown} wants {math.prod(shape)} values, the file has {values}"
    else:
        return
    place = place_of(read_file(path), message_class.DESCRIPTOR, steps)
    raise SnapshotError(f"{path}@{place}: {which}{what}")


def _read(path: str | Path, wanted: Kind, message_class: Any) -> tuple[Any, Raw]:
    """The message and the bytes. The kind is judged first: protobuf may read another kind's bytes without a word."""
    data = _bytes(path, wanted)
    parts = parts_of(data, message_class.DESCRIPTOR, MOST)
    if parts.messages > MOST.messages:
        raise SnapshotError(f"{path}: holds more than {MOST.messages} layers, blobs and settings, which no network has")
    if parts.values > MOST.values:
        raise SnapshotError(f"{path}: holds more than {MOST.values} values that are not packed, which no network has")
    try:
        message = message_class.FromString(data)
        _mend_texts(message)
        return message, Raw(data, list(blobs_in(data, 0, len(data), message_class.DESCRIPTOR)))
    except (DecodeError, ValueError, RecursionError, MemoryError):
        place, what = damage(data, message_class.DESCRIPTOR)
        raise SnapshotError(f"{path}@{place}: not a whole {NAMES[wanted].removeprefix('a ')}: {what}") from None


def _mend_texts(message: Any) -> None:
    """Names in another encoding than UTF-8 (proto2 gives them as bytes) become text with replacement marks."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            if field.message_type.name != "BlobProto":
                for inner in value if is_repeated(field) else [value]:
                    _mend_texts(inner)
        elif field.type == field.TYPE_STRING and is_repeated(field):
            for index, text in enumerate(value):
                if isinstance(text, bytes):
                    value[index] = text.decode(errors="replace")
        elif field.type == field.TYPE_STRING and isinstance(value, bytes):
            setattr(message, field.name, value.decode(errors="replace"))


def _bytes(path: str | Path, wanted: Kind) -> bytes:
    try:
        if why := why_no_file(path):
            raise SnapshotError(f"{path}: {why if os.path.exists(path) else 'there is no such file'}")
        with open_to_read(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size == 0:
                raise SnapshotError(f"{path}@0: the file is empty")
            if (kind := sniff(file.read(HEAD))) != wanted:
                raise SnapshotError(f"{path}: {_wrong_kind(kind, wanted)}")
            if size > MAX_BYTES:
                raise SnapshotError(f"{path}: {size} bytes are more than a protobuf file can have ({MAX_BYTES})")
            file.seek(0)
            return file.read(size)
    except (OSError, ValueError) as error:
        raise SnapshotError(f"{path}: {getattr(error, 'strerror', None) or error}") from None


def _wrong_kind(kind: Kind, wanted: Kind) -> str:
    advice = f"; it belongs to {_MEANT[kind]}" if kind in _MEANT else ""
    return f"this is {NAMES[kind]}, not {NAMES[wanted]}{advice}"
