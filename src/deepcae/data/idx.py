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
from typing import Any, BinaryIO, cast

import numpy as np

from ..bounds import MOST_DENSE, require_room
from ..errors import DataError
from ..inplace import open_to_read, system_error, unread, why_no_file
from .plain import FileArray, PackedArray, Stored

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
ZIPPED = b"\x1f\x8b"
PIECE = 2**24  # bytes read at a time: a header that promises too much costs no memory


def is_idx(path: Path) -> bool:
    """Whether the (unzipped) content begins like an IDX file."""
    try:
        with _opened(path) as file:
            head = file.read(4)
    except (DataError, OSError, EOFError, zlib.error) as error:
        if system_error(error):
            raise DataError(unread(path, error, "")) from error
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= 8


def read_idx(path: Path) -> np.ndarray:
    """The array that the file holds, in native byte order. DataError for anything else than a whole IDX file."""
    try:
        with _opened(path) as file:
            shape, dtype = _header(file, path)
            wanted = math.prod(shape) * dtype.itemsize
            if _is_zipped(path):
                require_room(wanted, path.stat().st_size)
            content = _read_up_to(file, wanted + 1)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(unread(path, error, f"{path}: is damaged ({error})")) from error
    if len(content) != wanted:
        raise _other_size(path, shape, wanted, f"only {len(content)}" if len(content) < wanted else "more")
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def stored_idx(path: Path) -> Stored:
    """`read_idx`; but the values stay in the file, and are read where they are sliced."""
    try:
        with _opened(path) as file:
            shape, dtype = _header(file, path)
            begin = file.tell()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(unread(path, error, f"{path}: is damaged ({error})")) from error
    wanted, size = math.prod(shape) * dtype.itemsize, path.stat().st_size
    if _is_zipped(path):
        if wanted > MOST_DENSE * size:
            raise _other_size(path, shape, wanted, f"only {size}, zipped")
        return PackedArray(path, shape, dtype, begin, lambda: _opened(path))
    if size - begin != wanted:
        raise _other_size(path, shape, wanted, f"only {size - begin}" if size - begin < wanted else "more")
    return FileArray(path, shape, dtype, begin)


def _header(file: BinaryIO, path: Path) -> tuple[tuple[int, ...], np.dtype[Any]]:
    head = file.read(4)
    if len(head) < 4 or head[:2] != b"\0\0" or head[2] not in TYPES or not head[3]:
        raise DataError(f"{path}: is no IDX file (it begins with {head.hex(' ') or 'nothing'})")
    dims = file.read(4 * head[3])
    if len(dims) < 4 * head[3]:
        raise DataError(f"{path}: ends within its header")
    return struct.unpack(f">{head[3]}I", dims), np.dtype(TYPES[head[2]])


def _other_size(path: Path, shape: tuple[int, ...], wanted: int, much: str) -> DataError:
    return DataError(f"{path}: its header promises {list(shape)}, {wanted} bytes of values, but it holds {much}")


def _opened(path: Path) -> BinaryIO:
    if why := why_no_file(path):
        raise DataError(f"{path}: {why}")
    return cast(BinaryIO, gzip.open(path, "rb")) if _is_zipped(path) else open_to_read(path)


def _is_zipped(path: Path) -> bool:
    with open_to_read(path) as file:
        return file.read(2) == ZIPPED


def _read_up_to(file: BinaryIO, size: int) -> bytearray:
    content = bytearray()
    while len(content) < size and (piece := file.read(min(PIECE, size - len(content)))):
        content += piece
    return content
