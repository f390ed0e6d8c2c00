"""One HDF5 file: its datasets, checked before a row is read, and then its rows.

Links and virtual datasets, which can reach out of the file, are refused.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..bounds import CHUNK, chunk_bytes, require_stored
from ..errors import DataError, first_line
from ..inplace import HDF5_START, system_error, unread, why_no_file
from ..proto.suggest import closest
from .stored import DAMAGE, Format, Stored

LEAST_CACHE = 2**20  # bytes of unpacked chunks that HDF5 keeps by itself, at least
MOST_LISTED = 10_000  # datasets of a file
HAS_PREAD, HAS_FADVISE = hasattr(os, "pread"), hasattr(os, "posix_fadvise")  # not on Windows; nor on macOS


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading. DataError for anything that is no HDF5 file."""
    file = open_file(path)
    try:
        with damage_told(path):
            yield file
    finally:
        file.close()


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """What is found while the file is looked at, as a DataError."""
    try:
        yield
    except DAMAGE as error:
        raise DataError(unread(path, error, f"{path}: is damaged ({first_line(error)})")) from error


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
    near = closest(name, [each for each in names if each != name])
    if near:
        return f"did you mean {near!r}?"
    groups = [key for key in names if isinstance(file[key], h5py.Group)]
    told = [f"{key!r}{' (a group)' if key in groups else ''}" for key in names]
    return f"the file holds {', '.join(told) or 'nothing'}"


class H5Arrays(Mapping[str, Stored]):
    """The datasets of a file by name, each checked when it is asked for. `group/name`: what lies in a group."""

    def __init__(self, path: Path) -> None:
        self._file = H5File(path)

    def __getitem__(self, name: str) -> H5Array:
        with self._file.looked_at() as file:
            return H5Array(self._file, name, find_dataset(file, self._file.path, name))

    def __iter__(self) -> Iterator[str]:
        with opened(self._file.path) as file:
            return iter(list(file))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def listing(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all datasets of numbers that have rows, also of those in groups: the first `MOST_LISTED`."""
        found: dict[str, tuple[int, ...]] = {}

        def look(name: str, item: Any) -> Any:
            if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu" and item.ndim and item.size:
                found[name] = item.shape
            return True if len(found) >= MOST_LISTED else None

        with opened(self._file.path) as file:
            file.visititems(look)
        return found


class H5File:
    """A file while its rows are read; what h5py raises then (`DAMAGE`) is left to the caller. It opens itself again."""

    __slots__ = ("_datasets", "_file", "packed", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packed = 0  # of all arrays that are read
        self._file: h5py.File | None = None
        self._datasets: dict[str, h5py.Dataset] = {}

    @contextmanager
    def looked_at(self) -> Iterator[h5py.File]:
        """The file, open from now on, while its header is read."""
        try:
            with damage_told(self.path):
                yield self.file
        except BaseException:
            self.close()
            raise

    @property
    def file(self) -> h5py.File:
        """The file, opened when it is first asked for, and again after `close`."""
        if self._file is None:
            self._file = open_file(self.path, self.packed if LEAST_CACHE < self.packed <= CHUNK else None)
        return self._file

    def dataset(self, name: str) -> h5py.Dataset:
        if name not in self._datasets:
            self._datasets[name] = self.file[name]
        return self._datasets[name]

    def close(self) -> None:
        self._datasets.clear()
        if self._file is not None:
            self._file.close()
            self._file = None


def cache_of(dataset: h5py.Dataset) -> int:
    """Bytes of chunks that HDF5 keeps. A chunk that is larger, and not packed, is read in part."""
    return int(dataset.id.get_access_plist().get_chunk_cache()[1])


class H5Array(Stored):
    """A dataset."""

    __slots__ = ("_file", "_in_part", "_name", "chunks", "keeps")

    def __init__(self, file: H5File, name: str, dataset: h5py.Dataset) -> None:
        chunk = dataset.chunks[0] if dataset.chunks else 1
        origin = f"{file.path}: dataset {name!r}"
        super().__init__(origin, dataset.shape, dataset.dtype, chunk, chunk_bytes(dataset))
        self._file, self._name, self.chunks = file, name, dataset.chunks
        cache, chunk = cache_of(dataset), math.prod(dataset.chunks or ()) * dataset.dtype.itemsize
        self._in_part = not self.packed and chunk > cache
        self.keeps = self._in_part or self.alone <= max(cache, self.packed if self.packed <= CHUNK else 0)
        file.packed += self.packed

    @property
    def alone(self) -> int:
        image = math.prod(self.shape[1:]) * self.dtype.itemsize
        return image if self._in_part else super().alone

    def read(self, start: int, stop: int) -> np.ndarray:
        rows: np.ndarray = self._file.dataset(self._name)[start:stop]
        return rows

    def part(self, key: tuple[slice, ...]) -> np.ndarray:
        found: np.ndarray = self._file.dataset(self._name)[key]
        return found

    def into(self, start: int, target: np.ndarray) -> None:
        if self.dtype == target.dtype:
            self._file.dataset(self._name).read_direct(target, np.s_[start : start + len(target)])
        else:
            super().into(start, target)

    def pick(self, rows: np.ndarray) -> np.ndarray:
        """Any rows, in any order, as they are stored.

        h5py's own selection costs 10 µs and more for each row: where rows lie one after another, their bytes are read.
        """
        dataset = self._file.dataset(self._name)
        first = dataset.id.get_offset() if HAS_PREAD else None  # None: in chunks
        if first is None:
            wanted, places = np.unique(rows, return_inverse=True)
            picked: np.ndarray = dataset[wanted][places]
            return picked
        descriptor = self._file.file.id.get_vfd_handle()
        size = dataset.dtype.itemsize * math.prod(dataset.shape[1:])
        begins = [first + size * row for row in rows.tolist()]
        if HAS_FADVISE:  # the disk hears of all of them before it is waited for
            for begin in begins:
                os.posix_fadvise(descriptor, begin, size, os.POSIX_FADV_WILLNEED)
        content = b"".join([os.pread(descriptor, size, begin) for begin in begins])
        return np.frombuffer(content, dataset.dtype).reshape(len(rows), *dataset.shape[1:])

    def close(self) -> None:
        self._file.close()


def _is_plain(path: Path, head: bytes) -> bool:
    return head == HDF5_START and path.suffix.lower() != ".nwb"  # a format of its own


FORMAT = Format("HDF5", _is_plain, H5Arrays, of_pictures=False)
