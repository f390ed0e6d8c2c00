"""IDX, MNIST's file format: 0, 0, type, number of axes; the axes, big-endian 32-bit numbers; the values, big-endian.

Types: 8 uint8, 9 int8, 11 int16, 12 int32, 13 float32, 14 float64 (http://yann.lecun.com/exdb/mnist). A gzipped file is
recognised by its first bytes, whatever its name.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from ..errors import DataError

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
PIECE = 2**24  # bytes read at a time: a header that promises too much costs no memory


def is_idx(path: Path) -> bool:
    """Whether the (unzipped) content begins like an IDX file."""
    try:
        with _opened(path) as file:
            head = file.read(4)
    except (DataError, OSError, EOFError, zlib.error):
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= 8


def read_idx(path: Path) -> np.ndarray:
    """The array that the file holds, in native byte order. DataError for anything else than a whole IDX file."""
    try:
        with _opened(path) as file:
            head = file.read(4)
            if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or not head[3]:
                raise DataError(f"{path}: is no IDX file (it begins with {head.hex(' ') or 'nothing'})")
            dims = file.read(4 * head[3])
            if len(dims) < 4 * head[3]:
                raise DataError(f"{path}: ends within its header")
            shape = struct.unpack(f">{head[3]}I", dims)
            dtype = np.dtype(TYPES[head[2]])
            content = _read_up_to(file, math.prod(shape) * dtype.itemsize + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: is damaged ({error})") from error
    wanted = math.prod(shape) * dtype.itemsize
    if len(content) != wanted:
        much = f"only {len(content)}" if len(content) < wanted else "more"
        raise DataError(f"{path}: its header promises {list(shape)}, {wanted} bytes of values, but it holds {much}")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _opened(path: Path) -> BinaryIO:
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return cast(BinaryIO, gzip.open(path, "rb")) if zipped else open(path, "rb")


def _read_up_to(file: BinaryIO, size: int) -> bytearray:
    content = bytearray()
    while len(content) < size and (piece := file.read(min(PIECE, size - len(content)))):
        content += piece
    return content
