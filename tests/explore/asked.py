"""Reads the answers of the page's routes as the page does."""

from __future__ import annotations

import json
from typing import Any

import numpy as np


def unpacked(content: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The header of an answer, and its arrays."""
    length = int.from_bytes(content[:4], "little")
    assert not (4 + length) % 8
    header = json.loads(content[4 : 4 + length])
    values, arrays = content[4 + length :], {}
    for name, told in header["arrays"].items():
        dtype = np.dtype(told["dtype"]).newbyteorder("<")
        assert not told["offset"] % 8
        count = int(np.prod(told["shape"], dtype=np.int64))
        arrays[name] = np.frombuffer(values, dtype, count, told["offset"]).reshape(told["shape"])
    return header, arrays
