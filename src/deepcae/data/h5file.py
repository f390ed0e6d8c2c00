"""One HDF5 file: its datasets, checked before a row is read, and then its rows.

Links and virtual datasets, which can reach out of the file, are refused.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..bounds import CHUNK, chunk_bytes, require_stored
from ..errors import DataError
from ..inplace import system_error, unread, why_no_file
from ..proto.suggest import closest
from .stream import Shape

DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError)  # what h5py raises in damaged files
PIECE = 8 * 2**20  # bytes that are converted at a time
LEAST_CACHE = 2**20  # bytes of unpacked chunks that HDF5 keeps by itself, at least
OPEN_FILES = 16  # files kept open at a time; a list may name thousands
HAS_PREAD, HAS_FADVISE = hasattr(os, "pread"), hasattr(os, "posix_fadvise")  # not on Windows; nor on macOS


@dataclass(frozen=True)
class Header:
    """What a file says before its rows are read."""

    path: Path
    rows: int
    shapes: dict[str, Shape]  # of one row
    chunk: int  # rows that are stored together
    packed: int  # bytes that are unpacked at a time
    stamp: tuple[int, ...]  # changes when the file is written or replaced


def read_header(path: Path, tops: Sequence[str]) -> Header:
    """The checked header of one file: all tops there, readable, and of equal length."""
    stamp = stamp_of(path)
    with opened(path) as file:
        datasets = {top: find_dataset(file, path, top) for top in tops}
        counts = {top: dataset.shape[0] for top, dataset in datasets.items()}
        first = tops[0]
        for top, count in counts.items():
            if count != counts[first]:
                raise DataError(f"{path}: dataset {top!r} has {count} rows, but {first!r} has {counts[first]}")
        if not counts[first]:
            raise DataError(f"{path}: dataset {first!r} has no rows")
        shapes = {top: dataset.shape[1:] for top, dataset in datasets.items()}
        chunk = max(dataset.chunks[0] if dataset.chunks else 1 for dataset in datasets.values())
        packed = sum(map(chunk_bytes, datasets.values()))
    return Header(path, counts[first], shapes, chunk, packed, stamp)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading. DataError for anything that is no HDF5 file."""
    file = open_file(path)
    try:
        yield file
    except DAMAGE as error:
        raise DataError(unread(path, error, f"{path}: is damaged ({first_line(error)})")) from error
    finally:
        file.close()


def open_file(path: Path, cache: int | None = None) -> h5py.File:
    """`cache`: bytes of unpacked chunks that are kept for each dataset, for who reads a chunk part by part."""
    if why := why_no_file(path):
        raise DataError(f"{path}: {why}")
    try:
        return h5py.File(path, "r", locking="best-effort", rdcc_nbytes=cache)
    except OSError as error:
        kind = (
            "is damaged or being written" if not system_error(error) and h5py.is_hdf5(path) else "is not an HDF5 file"
        )
        raise DataError(unread(path, error, f"{path}: {kind} ({first_line(error)})")) from error


def first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def find_dataset(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    """The dataset `name`; DataError where it is missing, no plain table of numbers, or reaches out of the file."""
    item: Any = file
    for part in filter(None, name.split("/")):
        link = item.get(part, getlink=True) if isinstance(item, h5py.Group) else None
        if link is None:
            raise DataError(f"{path}: has no dataset {name!r}; {_offer(file, name)}")
        if not isinstance(link, h5py.HardLink):
            raise DataError(
                f"{path}: {name!r} is a link to another place, which is not followed; store the data itself"
            )
        item = item[part]
    if not isinstance(item, h5py.Dataset):
        raise DataError(f"{path}: {name!r} is a group, not a dataset; {_offer(file, name)}")
    if item.is_virtual or item.external:
        raise DataError(
            f"{path}: dataset {name!r} keeps its values in other files, which is refused; store them in one"
        )
    if item.dtype.kind not in "fiu":
        raise DataError(f"{path}: dataset {name!r} is of type {item.dtype}; floats and integers can be read")
    if not item.shape:
        raise DataError(f"{path}: dataset {name!r} has shape {item.shape}; axis 0 must count the rows")
    try:
        require_stored(item)
    except ValueError as error:
        raise DataError(f"{path}: dataset {name!r} {error}") from None
    return item


def _offer(file: h5py.File, name: str) -> str:
    names = [key for key in file if isinstance(file.get(key, getlink=True), h5py.HardLink)]
    near = closest(name, names)
    return f"did you mean {near!r}?" if near else f"the file holds {', '.join(map(repr, names)) or 'nothing'}"


def stamp_of(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


class OpenFile:
    """A file while its rows are read. What h5py raises (`DAMAGE`) is left to the caller."""

    def __init__(self, header: Header) -> None:
        self.is_large = LEAST_CACHE < header.packed <= CHUNK
        self._file = open_file(header.path, header.packed if self.is_large else None)
        self._datasets: dict[str, h5py.Dataset] = {}

    def copy(self, top: str, start: int, target: np.ndarray) -> None:
        """Rows `start` … of dataset `top` into all of `target`, which is float32 in C order."""
        dataset = self._dataset(top)
        if dataset.dtype == target.dtype:
            dataset.read_direct(target, np.s_[start : start + len(target)])
            return
        size = max(1, PIECE // max(1, target[:1].nbytes))
        with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as in C
            for at in range(0, len(target), size):
                piece = target[at : at + size]
                piece[...] = dataset[start + at : start + at + len(piece)]

    def pick(self, top: str, rows: np.ndarray) -> np.ndarray:
        """Any rows, in any order, as they are stored.

        h5py's own selection costs 10 µs and more for each row: where rows lie one after another, their bytes are read.
        """
        dataset = self._dataset(top)
        first = dataset.id.get_offset() if HAS_PREAD else None  # None: in chunks
        if first is None:
            wanted, places = np.unique(rows, return_inverse=True)
            picked: np.ndarray = dataset[wanted][places]
            return picked
        descriptor = self._file.id.get_vfd_handle()
        size = dataset.dtype.itemsize * int(np.prod(dataset.shape[1:]))
        begins = [first + size * row for row in rows.tolist()]
        if HAS_FADVISE:  # the disk hears of all of them before it is waited for
            for begin in begins:
                os.posix_fadvise(descriptor, begin, size, os.POSIX_FADV_WILLNEED)
        content = b"".join([os.pread(descriptor, size, begin) for begin in begins])
        return np.frombuffer(content, dataset.dtype).reshape(len(rows), *dataset.shape[1:])

    def _dataset(self, top: str) -> h5py.Dataset:
        if top not in self._datasets:
            self._datasets[top] = self._file[top]
        return self._datasets[top]

    def close(self) -> None:
        self._datasets.clear()
        self._file.close()


class OpenFiles:
    """The files that are read from at a time."""

    def __init__(self) -> None:
        self._open: OrderedDict[Path, OpenFile] = OrderedDict()

    def __len__(self) -> int:
        return len(self._open)

    def __getitem__(self, header: Header) -> OpenFile:
        """The file, open. DataError if it is not the one any more whose header was read."""
        if stamp_of(header.path) != header.stamp:
            raise DataError(
                f"{header.path}: was replaced or changed while it was in use; start again with the new file"
            )
        if header.path not in self._open:
            if len(self._open) >= OPEN_FILES:
                self._open.popitem(last=False)[1].close()
            for path in [path for path, file in self._open.items() if file.is_large]:
                self._open.pop(path).close()  # its cache
            self._open[header.path] = OpenFile(header)
        self._open.move_to_end(header.path)
        return self._open[header.path]

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
