"""Arrays in numpy's files. One that lies in Fortran's order is held in memory as stored; of others the rows are read.

An `.npz` calls its images `data`, or holds nothing else.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..errors import DataError
from ..inplace import open_to_read, unread
from ..npy import array_from, arrays_from, layout_of, members_of
from .stored import FileArray, Format, Given, PackedArray, Stored

ZIPS = (b"PK\x03\x04", b"PK\x05\x06")  # how a zip begins, and an empty one


def open_npy(path: Path) -> Mapping[str, Stored]:
    """The one array of an .npy, as `data`."""
    with _damage_told(path), open_to_read(path) as file:
        layout = layout_of(file, path.stat().st_size)
        if not layout.in_fortran_order:
            return {"data": FileArray(path, str(path), layout.shape, layout.dtype, layout.begin)}
        file.seek(0)
        return {"data": Given(array_from(file.read()), str(path))}


class NpzArrays(Mapping[str, Stored]):
    """The arrays of an .npz by name; of a single one `data` is a name, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _damage_told(path), members_of(path) as (_, entries):
            self._entries = {**entries, "data": next(iter(entries.values()))} if len(entries) == 1 else entries

    def __getitem__(self, name: str) -> Stored:
        entry = self._entries[name]
        origin = str(self._path) if name == "data" else f"{self._path}: its {name}"
        with _damage_told(self._path):
            with members_of(self._path) as (archive, _), archive.open(entry) as member:
                layout = layout_of(member, entry.file_size)
            if layout.in_fortran_order:
                stored = entry.filename.removesuffix(".npy")
                return Given(arrays_from(self._path, [stored])[0][stored], origin)
        return PackedArray(origin, layout.shape, layout.dtype, layout.begin, lambda: _member(self._path, entry))

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)


def _member(path: Path, entry: zipfile.ZipInfo) -> IO[bytes]:
    """An array of an .npz, unpacked as it is read."""
    with zipfile.ZipFile(path) as archive:
        return archive.open(entry)  # which keeps the file open


@contextmanager
def _damage_told(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, OSError) as error:
        raise DataError(unread(path, error, f"{path}: is damaged or holds Python objects ({error})")) from error


NPY = Format(".npy", lambda path, head: head.startswith(b"\x93NUMPY"), open_npy, nameless=True)
NPZ = Format(".npz", lambda path, head: head.startswith(ZIPS), NpzArrays)
