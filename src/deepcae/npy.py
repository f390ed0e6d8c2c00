"""numpy's files (.npy, .npz) from anywhere: nothing is unpickled, and a header is checked before it costs memory.

`.npy` is a header (a Python literal: type, order, shape) and the values; `.npz` is a zip of those. What is wrong is a
ValueError whose sentence lacks the file's name.
"""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np

MOST_DENSE = 1100  # bytes that one byte of a zip can stand for: deflate's limit is 1032
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    RuntimeError,
    KeyError,
    TypeError,
    SyntaxError,
    tokenize.TokenError,
    zlib.error,
)


def array_from(data: bytes) -> np.ndarray:
    """The array of an .npy file's bytes."""
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, in_fortran_order, dtype = read(stream)
    except _DAMAGE as error:
        raise ValueError(_reason(error)) from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never unpickled")
    given = len(data) - stream.tell()
    if min(shape, default=0) < 0 or not dtype.itemsize or math.prod(shape) * dtype.itemsize != given:
        raise ValueError(f"shape {list(shape)} of {dtype} is told, and {given} bytes are there")
    array = np.frombuffer(data, dtype, offset=stream.tell())
    return array.reshape(shape[::-1]).T if in_fortran_order else array.reshape(shape)


def arrays_from(file: Path | IO[bytes], wanted: Iterable[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Those of the wanted arrays of an .npz that are there, and the names of all that are."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            found = {name: array_from(_content(archive, entries[name])) for name in wanted if name in entries}
            return found, list(entries)
    except (*_DAMAGE, zipfile.BadZipFile) as error:
        raise ValueError(_reason(error)) from None


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > MOST_DENSE * entry.compress_size:
        raise ValueError(f"'{entry.filename}' says it has {entry.file_size} bytes, {entry.compress_size} are stored")
    return archive.read(entry)


def _reason(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
