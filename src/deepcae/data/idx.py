"""IDX, MNIST's file format: 0, 0, type, number of axes; the axes, big-endian 32-bit numbers; the values, big-endian.

Types: 8 uint8, 9 int8, 11 int16, 12 int32, 13 float32, 14 float64 (http://yann.lecun.com/exdb/mnist). A gzipped file is
recognised by its first bytes, whatever its name.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from ..bounds import MOST_DENSE, require_room
from ..errors import DataError
from ..inplace import open_to_read, system_error, unread, why_no_file
from .stored import FileArray, Format, PackedArray, Stored

TYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
NAMED = re.compile(r"[-.]idx[2-9]-ubyte(\.gz)?$")
ZIPPED = b"\x1f\x8b"


def is_idx(path: Path, head: bytes) -> bool:
    """Whether the (unzipped) content of a file that begins with `head` begins like an IDX file."""
    if not head.startswith((b"\0\0", ZIPPED)):
        return False
    try:
        with _opened(path) as file:
            head = file.read(4)
    except (DataError, OSError, EOFError, zlib.error) as error:
        if system_error(error):
            raise DataError(unread(path, error, "")) from error
        return False
    return len(head) == 4 and head[:2] == b"\0\0" and head[2] in TYPES and 1 <= head[3] <= 8


def is_named_idx(path: Path) -> bool:
    """Whether a file is called as such files of images are: `train-images-idx3-ubyte`, `.gz` or not."""
    return NAMED.search(path.name) is not None


def read_idx(path: Path) -> np.ndarray:
    """The array that the file holds, in native byte order. DataError for anything else than a whole IDX file."""
    array = _stored(path, str(path))
    try:
        require_room(math.prod(array.shape) * array.dtype.itemsize, path.stat().st_size)
        return array.read(0, array.shape[0]).astype(array.dtype.newbyteorder("="), copy=False)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(unread(path, error, f"{path}: is damaged ({error})")) from error
    finally:
        array.close()


def open_idx(path: Path) -> Mapping[str, Stored]:
    """The array as `data`, and as `label` that of `train-labels-idx1-ubyte` beside `train-images-idx3-ubyte`.

    Either may be zipped.
    """
    arrays = {"data": _stored(path, str(path))}
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    other = beside.with_suffix("") if beside.suffix == ".gz" else beside.with_name(f"{beside.name}.gz")
    for labels in (beside, other) if beside.name != path.name else ():
        if labels.is_file():
            return {**arrays, "label": _stored(labels, f"{path}: its label")}
    return arrays


def _stored(path: Path, origin: str) -> Stored:
    """`read_idx`; but the values stay in the file, and are read where they are wanted."""
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
        return PackedArray(origin, shape, dtype, begin, lambda: _opened(path))
    if size - begin != wanted:
        raise _other_size(path, shape, wanted, f"only {size - begin}" if size - begin < wanted else "more")
    return FileArray(path, origin, shape, dtype, begin)


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


FORMAT = Format("IDX", is_idx, open_idx, nameless=True)
