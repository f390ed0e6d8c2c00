"""Caffe's BlobProto and numpy arrays: the same values in the same shape, bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import SnapshotError
from ..proto.binary import blob_shape, is_blob_shape
from ..proto.schema import BlobProto, BlobShape


@dataclass(frozen=True)
class Kept:
    """A blob that lies in a file: its shape is known, its values are read when they are asked for."""

    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]


def array_of(blob: Any) -> np.ndarray:
    """A BlobProto's values as float32, in its shape (old 4-D dimensions or `shape`). SnapshotError if they disagree."""
    values = _doubles(blob) if blob.double_data else _packed(blob, "data", "<f4")
    shape = blob_shape(blob)
    if not is_blob_shape(shape) or math.prod(shape) != values.size:
        raise SnapshotError(f"a blob of shape {list(shape)} holds {values.size} values")
    return values.reshape(shape)


def _doubles(blob: Any) -> np.ndarray:
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as in C
        return _packed(blob, "double_data", "<f8").astype(np.float32)


def _packed(blob: Any, field: str, dtype: str) -> np.ndarray:
    """A field's numbers from its serialized form, at whose end they stand: as Python numbers they would take 8 times
    the memory."""
    numbers = BlobProto()
    getattr(numbers, field).MergeFrom(getattr(blob, field))
    data, count = numbers.SerializeToString(), len(getattr(blob, field))
    return np.frombuffer(data, dtype, count, len(data) - count * np.dtype(dtype).itemsize).copy()


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
