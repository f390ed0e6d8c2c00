"""Caffe's BlobProto and numpy arrays: the same values in the same shape, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from ..errors import SnapshotError
from ..lazy import torch
from ..proto.binary import Raw, blob_shape, is_blob_shape
from ..proto.schema import BlobProto, BlobShape
from ..proto.wire import spans


@dataclass(frozen=True)
class StoredBlob:
    """A blob that lies in a file: its shape is known, its values are read when they are asked for, of any type."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]
    itemsize: int = 0  # bytes of memory that each value will take; 0 where it lies in memory, or in pages of its file


def array_of(blob: Any) -> np.ndarray:
    """A BlobProto's values as float32, in its shape (old 4-D dimensions or `shape`). SnapshotError if they disagree."""
    values = stored_values(blob)
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as in C
        return values.astype(np.float32)


def stored_values(blob: Any) -> np.ndarray:
    """As `array_of`, but as the file has them: float32 or float64, read-only, at any address, not copied again."""
    values = _packed(blob, "double_data", "<f8") if blob.double_data else _packed(blob, "data", "<f4")
    shape = blob_shape(blob)
    if not is_blob_shape(shape) or math.prod(shape) != values.size:
        raise SnapshotError(f"a blob of shape {list(shape)} holds {values.size} values")
    return values.reshape(shape)


def stored_in(raw: Raw, blobs: Sequence[Any]) -> list[StoredBlob]:
    """The blobs of a message that was read from `raw`, in the file's order; their values are those bytes themselves."""
    spots = raw.blobs if len(raw.blobs) == len(blobs) else [None] * len(blobs)
    return [
        StoredBlob(blob_shape(blob), partial(_values_at, raw.data, spot, blob))
        for blob, spot in zip(blobs, spots, strict=True)
    ]


def _values_at(data: bytes, spot: tuple[str, int, int] | None, blob: Any) -> np.ndarray:
    if spot is None:
        return stored_values(blob)
    field, begin, end = spot
    kind = np.dtype("<f8" if field == "double_data" else "<f4")
    return np.frombuffer(data, kind, (end - begin) // kind.itemsize, begin).reshape(blob_shape(blob))


def put(tensor: torch.Tensor, values: np.ndarray) -> None:
    """Copies values of any type into a float32 tensor of as many."""
    if tensor.device.type == "cpu":
        with np.errstate(over="ignore"):
            np.copyto(tensor.detach().numpy(), values.reshape(tuple(tensor.shape)), casting="same_kind")
    else:
        there = np.array(values, np.float32).reshape(tuple(tensor.shape))
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(there))


def _packed(blob: Any, field: str, dtype: str) -> np.ndarray:
    """A field's numbers from the blob's serialized form: as Python numbers they would take 8 times the memory."""
    count = len(getattr(blob, field))
    data, number = blob.SerializeToString(), blob.DESCRIPTOR.fields_by_name[field].number
    for found, _, begin, _ in spans(data, 0, len(data)):
        if found == number:
            return np.frombuffer(data, dtype, count, begin)
    return np.empty(0, dtype)


def blob_of(values: np.ndarray, diff: np.ndarray | None = None) -> Any:
    """A BlobProto with shape and float32 data, and diff if there is one."""
    blob = BlobProto.FromString(_floats(b"\x2a", values) + (b"" if diff is None else _floats(b"\x32", diff)))
    blob.shape.CopyFrom(BlobShape(dim=values.shape))
    return blob


def _floats(tag: bytes, values: np.ndarray) -> bytes:
    """Field 5 (data) or 6 (diff), length-delimited: packed floats at once."""
    raw = np.ascontiguousarray(values, dtype="<f4").tobytes()
    return tag + _varint(len(raw)) + raw if raw else b""


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
