"""How large a network may be: sizes that Caffe keeps in a C int must fit into one, as must every blob's count.

Source: Caffe's blob.cpp (Reshape: at most 32 axes, "blob size exceeds INT_MAX"); settings of type uint32 become ints.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from ..proto.binary import MAX_AXES, MAX_COUNT, is_blob_shape
from ..proto.schema import is_repeated
from .base import Learned, Shape

_SHOWN = 8  # axes
Excess = tuple[tuple[str | int, ...], str]  # path of the field to blame, sentence


def wide_settings(message: Any) -> Iterator[Excess]:
    """The numbers of a layer's settings that are too great for an int, however deep they stand."""
    for field, value in message.ListFields():
        if not _holds_counts(field):
            continue
        for index, one in enumerate(value) if is_repeated(field) else [(None, value)]:
            path = (field.name,) if index is None else (field.name, index)
            if field.message_type is not None:
                yield from (((*path, *inner), sentence) for inner, sentence in wide_settings(one))
            elif one > MAX_COUNT:
                yield path, f"{field.name} is {one}, but can be at most {MAX_COUNT} (an int in Caffe)"


@cache
def _holds_counts(field: Any) -> bool:
    """Whether there can be a uint32 in it. Blobs, which may be large, have none that counts."""
    inner = field.message_type
    if inner is None:
        return bool(field.type == field.TYPE_UINT32)
    return inner.name != "BlobProto" and any(map(_holds_counts, inner.fields))


def excessive_blob(param: Any, tops: Sequence[Shape | None], learned: Sequence[Learned]) -> Excess | None:
    """The first blob of a layer, learned or made by it, that is none in Caffe."""
    for k, blob in enumerate(learned):
        if not is_blob_shape(blob.shape):
            return _num_output(param), f"its learned blob {k} would {_told(blob.shape)}"
    for j, shape in enumerate(tops):
        if shape is not None and not is_blob_shape(shape):
            return ("top", j) if j < len(param.top) else (), f"its top {j} would {_told(shape)}"
    return None


def require_blob(shape: Shape) -> None:
    """ValueError for a shape that no blob can have."""
    if min(shape, default=0) < 0:
        raise ValueError(f"a blob's axes are 0 or more, not {list(shape[:_SHOWN])}")
    if not is_blob_shape(shape):
        raise ValueError(f"a blob would {_told(shape)}")


def _told(shape: Shape) -> str:
    if len(shape) > MAX_AXES:
        return f"have {len(shape)} axes; at most {MAX_AXES} are allowed"
    shown = "x".join(map(str, shape[:_SHOWN])) + ("x..." if len(shape) > _SHOWN else "")
    return f"be {shown}; at most {MAX_COUNT} values are allowed"


def _num_output(param: Any) -> tuple[str, ...]:
    """The field of the layer's settings that says how much it learns; its beginning where it has none."""
    for field, _ in param.ListFields():
        if field.message_type is not None and "num_output" in field.message_type.fields_by_name:
            return field.name, "num_output"
    return ()
