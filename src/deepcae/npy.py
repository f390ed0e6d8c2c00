"""numpy's files (.npy, .npz) from anywhere: nothing is unpickled, and a header is checked before it costs memory.

`.npy` is a header (a Python literal: type, order, shape) and the values; `.npz` is a zip of those. What is wrong is a
ValueError whose sentence lacks the file's name. `Spool` writes an array that comes row by row.
"""

from __future__ import annotations

import io
import math
import shutil
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

import numpy as np

from .bounds import MOST_DENSE, require_room
from .errors import first_line

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


@dataclass(frozen=True)
class Layout:
    """What an .npy file's header says, and the byte at which the values begin."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    in_fortran_order: bool
    begin: int


def layout_of(stream: IO[bytes], size: int) -> Layout:
    """The header of an .npy file of `size` bytes."""
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, in_fortran_order, dtype = read(stream)
    except _DAMAGE as error:
        raise ValueError(first_line(error)) from None
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never unpickled")
    given = size - stream.tell()
    if min(shape, default=0) < 0 or not dtype.itemsize or math.prod(shape) * dtype.itemsize != given:
        raise ValueError(f"shape {list(shape)} of {dtype} is told, and {given} bytes are there")
    return Layout(shape, dtype, in_fortran_order, stream.tell())


def array_from(data: bytes) -> np.ndarray:
    """The array of an .npy file's bytes."""
    layout = layout_of(io.BytesIO(data), len(data))
    array = np.frombuffer(data, layout.dtype, offset=layout.begin)
    return array.reshape(layout.shape[::-1]).T if layout.in_fortran_order else array.reshape(layout.shape)


def arrays_from(file: Path | IO[bytes], wanted: Iterable[str] | None) -> tuple[dict[str, np.ndarray], list[str]]:
    """Those of the wanted arrays of an .npz that are there (None: all), and the names of all that are."""
    with members_of(file) as (archive, entries):
        found = {name: entries[name] for name in (entries if wanted is None else wanted) if name in entries}
        require_room(sum(entry.file_size for entry in found.values()), _size(archive))
        return {name: array_from(archive.read(entry)) for name, entry in found.items()}, list(entries)


@contextmanager
def members_of(file: Path | IO[bytes]) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """An .npz, open, and its arrays by name; none that is denser than deflate can be. ValueError for damage."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
            for entry in entries.values():
                _check_member(entry)
            yield archive, entries
    except (*_DAMAGE, zipfile.BadZipFile) as error:
        raise ValueError(first_line(error)) from None


def _check_member(entry: zipfile.ZipInfo) -> None:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"'{entry.filename}' is packed in a way that numpy does not use")
    if entry.file_size > MOST_DENSE * entry.compress_size:
        raise ValueError(f"'{entry.filename}' says it has {entry.file_size} bytes, {entry.compress_size} are stored")


def _size(archive: zipfile.ZipFile) -> int:
    """Bytes of the zip's file."""
    assert archive.fp is not None
    return archive.fp.seek(0, io.SEEK_END)


class Spool:
    """An array that comes in blocks of rows: they go to a nameless file in `folder`, and from there `into` a zip."""

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._shape: tuple[int, ...] = (0,)
        self._dtype = np.dtype(np.float32)

    def __len__(self) -> int:
        """Rows so far."""
        return self._shape[0] if self._shape else 1

    def add(self, block: np.ndarray) -> None:
        """Rows of the first block's type and inner shape, or one array () of no axes."""
        if not len(self):
            self._shape, self._dtype = block.shape, block.dtype
        else:
            self._shape = len(self) + len(block), *self._shape[1:]
        self._file.write(np.ascontiguousarray(block, self._dtype).tobytes())

    def into(self, archive: zipfile.ZipFile, name: str) -> None:
        """Adds the array to an .npz."""
        self._file.seek(0)
        with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
            header = {"descr": self._dtype.str, "fortran_order": False, "shape": self._shape}
            np.lib.format.write_array_header_1_0(member, header)
            shutil.copyfileobj(self._file, member, 2**20)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()
