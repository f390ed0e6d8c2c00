"""Answers that hold arrays: a line of JSON, and the values behind it as they lie in memory, for typed arrays of a page.

    uint32, little endian: n · n bytes of JSON, blanks at its end so that 4 + n is a multiple of 8 · the values

The JSON's `arrays` tells of each its `dtype` ("float32", "int32" or "uint8"), `shape`, and `offset` behind the JSON, a
multiple of 8.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

ALIGNED = 8
BYTES = "application/octet-stream"  # the media type of such answers


def packed(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of an answer."""
    told, values, offset = dict[str, Any](), list[bytes](), 0
    for name, given in arrays.items():
        array = _plain(given)
        told[name] = {"dtype": array.dtype.name, "shape": list(array.shape), "offset": offset}
        data = array.tobytes()
        values += [data, bytes(-len(data) % ALIGNED)]
        offset += len(data) + -len(data) % ALIGNED
    text = json.dumps(finite({**header, "arrays": told}), allow_nan=False).encode()
    text += b" " * (-(4 + len(text)) % ALIGNED)
    return len(text).to_bytes(4, "little") + text + b"".join(values)


def _plain(array: np.ndarray) -> np.ndarray:
    """In one of the types that the page reads, little endian."""
    kind = "u1" if array.dtype in (np.uint8, np.bool_) else "<i4" if array.dtype.kind in "iu" else "<f4"
    made = np.ascontiguousarray(array, dtype=kind)
    return made if sys.byteorder == "little" or kind == "u1" else made.view(made.dtype.newbyteorder("="))


def finite(value: Any) -> Any:
    """The same with numpy's numbers as Python's; numbers that JSON lacks become "nan", "inf" and "-inf"."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [finite(each) for each in value]
    return value
