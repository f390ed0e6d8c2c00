"""HDF5Data: a text file lists HDF5 files, each top is the dataset of its name (Caffe: `hdf5_data_layer.cpp`).

Each dataset is (rows, ...) of floats or integers of any width, and becomes float32; batches run across file ends and
wrap. A data set of up to `MEMORY_LIMIT` bytes (as float32) is kept in memory, and a batch is then a view of it; a
larger one is read in blocks of `BLOCK` bytes, so memory stays bounded whatever the files' size. Shuffling a large
compressed data set reads single rows and is slow: store it uncompressed.

Differs from Caffe: `transform_param` is applied to the first top (Caffe refuses the field here); files whose datasets
differ in their inner shape are refused (Caffe reads on); links and virtual datasets, which can reach out of the file,
are refused; names in the list are also looked up in the list's own folder.
"""

from __future__ import annotations

import math
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import h5py
import numpy as np

from ..errors import DataError
from ..proto.lookup import resolve
from ..proto.suggest import closest
from .stream import ArrayRows, Arrays, Shape, Stream

MEMORY_LIMIT = 512 * 2**20  # bytes of a data set that is kept in memory as a whole
BLOCK = 32 * 2**20  # bytes that are read at a time from a larger one
MOST_DENSE = 1100  # bytes that one byte of a file can stand for: gzip's limit is 1032
DAMAGE = (OSError, RuntimeError, ValueError, KeyError, TypeError)  # what h5py raises in damaged files
OPEN_FILES = 16  # handles kept at a time; a list may name thousands of files


def open_hdf5(layer: Any, phase: int, folders: Sequence[str | Path], seed: int) -> Stream:
    """The source of an HDF5Data layer."""
    from .transform import make_transform

    param = layer.hdf5_data_param
    if not param.source:
        raise DataError("hdf5_data_param needs a source: the name of a text file that lists HDF5 files")
    rows = HDF5Rows(read_list(resolve(param.source, *folders), *folders), tuple(layer.top))
    transform = None
    if layer.HasField("transform_param"):
        transform = make_transform(layer.transform_param, rows.shapes[rows.tops[0]], phase, folders, seed)
    return Stream(rows, param.batch_size, transform=transform, shuffle=param.shuffle, seed=seed)


def read_list(path: Path, *folders: str | Path) -> list[Path]:
    """The HDF5 files that a list file names (separated by white space), found by `resolve`."""
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such list file (a text file that names HDF5 files)")
    content = path.read_bytes()
    if content.startswith(b"\x89HDF\r\n"):
        raise DataError(f"{path}: is an HDF5 file; source must be a text file that lists HDF5 files, one name per line")
    names = os.fsdecode(content).split()
    if not names:
        raise DataError(f"{path}: lists no file")
    files = []
    for number, name in enumerate(names, 1):
        files.append(resolve(name, path.parent, *folders))
        if not os.path.isfile(files[-1]):
            raise DataError(f"{path}: file {number} of {len(names)}, {name!r}, does not exist")
    return files


@dataclass(frozen=True)
class Header:
    """What a file says before its rows are read."""

    path: Path
    rows: int
    shapes: dict[str, Shape]  # of one row
    chunk: int  # rows that are stored together
    stamp: tuple[int, ...]  # changes when the file is written or replaced


def read_header(path: Path, tops: Sequence[str]) -> Header:
    """The checked header of one file: all tops there, readable, and of equal length."""
    stamp = _stamp(path)
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
    return Header(path, counts[first], shapes, chunk, stamp)


@contextmanager
def opened(path: Path) -> Iterator[h5py.File]:
    """The file, open for reading. DataError for anything that is no HDF5 file."""
    file = _open(path)
    try:
        yield file
    except DAMAGE as error:
        raise DataError(f"{path}: is damaged ({_first_line(error)})") from error
    finally:
        file.close()


def _open(path: Path) -> h5py.File:
    if os.path.isdir(path):
        raise DataError(f"{path}: this is a folder, not a file")
    if not os.path.isfile(path):
        raise DataError(f"{path}: no such file")
    try:
        return h5py.File(path, "r", locking="best-effort")
    except OSError as error:
        kind = "is damaged or being written" if h5py.is_hdf5(path) else "is not an HDF5 file"
        raise DataError(f"{path}: {kind} ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
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
    if item.size * item.dtype.itemsize > MOST_DENSE * (stored := item.id.get_storage_size()):
        raise DataError(f"{path}: dataset {name!r} says it has shape {item.shape}, but only {stored} bytes are stored")
    return item


def _offer(file: h5py.File, name: str) -> str:
    names = [key for key in file if isinstance(file.get(key, getlink=True), h5py.HardLink)]
    near = closest(name, names)
    return f"did you mean {near!r}?" if near else f"the file holds {', '.join(map(repr, names)) or 'nothing'}"


def _stamp(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


class HDF5Rows:
    """The rows of several HDF5 files, one after the other."""

    def __init__(
        self, files: Sequence[Path], tops: tuple[str, ...], memory_limit: int = MEMORY_LIMIT, block: int = BLOCK
    ) -> None:
        self.tops = tops
        self.headers = [read_header(path, tops) for path in files]
        first = self.headers[0]
        self.shapes = first.shapes
        for header in self.headers[1:]:
            for top in tops:
                if header.shapes[top] != first.shapes[top]:
                    raise DataError(
                        f"{header.path}: a row of dataset {top!r} has shape {list(header.shapes[top])}, "
                        f"but {list(first.shapes[top])} in {first.path}"
                    )
        self._ends = np.cumsum([header.rows for header in self.headers]).tolist()
        self.total: int = self._ends[-1]
        row_bytes = 4 * sum(math.prod(shape) for shape in self.shapes.values())
        self._in_memory = self.total * row_bytes <= memory_limit
        self._block_rows = max(1, block // max(row_bytes, 1))
        self._memory: ArrayRows | None = None
        self._block: tuple[int, Arrays] = (0, {top: np.empty((0, *self.shapes[top]), np.float32) for top in tops})
        self._handles: OrderedDict[Path, h5py.File] = OrderedDict()

    def read(self, rows: slice | np.ndarray) -> Arrays:
        if self._in_memory:
            if self._memory is None:
                self._memory = self._load()
            return self._memory.read(rows)
        if isinstance(rows, slice):
            return self._read_run(rows.start, rows.stop)
        out = self._empty(len(rows))
        edges = np.flatnonzero(np.diff(rows) != 1) + 1
        for start, stop in zip([0, *edges.tolist()], [*edges.tolist(), len(rows)], strict=True):
            self._read_into(out, start, int(rows[start]), int(rows[start]) + stop - start)
        return out

    def close(self) -> None:
        while self._handles:
            self._handles.popitem()[1].close()

    def _empty(self, rows: int) -> Arrays:
        return {top: np.empty((rows, *shape), np.float32) for top, shape in self.shapes.items()}

    def _load(self) -> ArrayRows:
        """The whole data set; nets that read the same files (train and test-on-train) share it."""
        key = (self.tops, tuple((header.path.resolve(), header.stamp) for header in self.headers))
        loaded = _LOADED.get(key)
        if loaded is None:
            arrays = self._empty(self.total)
            self._read_into(arrays, 0, 0, self.total)
            self.close()
            loaded = _LOADED[key] = ArrayRows(arrays)
        return loaded

    def _read_run(self, start: int, stop: int) -> Arrays:
        """Neighbouring rows, through the block that is kept: a view where they lie within one block."""
        parts: list[Arrays] = []
        while start < stop:
            begin, block = self._block
            length = len(block[self.tops[0]])
            if not begin <= start < begin + length:
                begin, length = self._read_block(start)
                block = self._block[1]
            end = min(stop, begin + length)
            parts.append({top: array[start - begin : end - begin] for top, array in block.items()})
            start = end
        return (
            parts[0] if len(parts) == 1 else {top: np.concatenate([part[top] for part in parts]) for top in self.tops}
        )

    def _read_block(self, row: int) -> tuple[int, int]:
        """Keeps the block that holds `row`: whole chunks of one file. Returns its first row and length."""
        number = bisect_right(self._ends, row)
        header = self.headers[number]
        base = self._ends[number] - header.rows
        size = -(-self._block_rows // header.chunk) * header.chunk
        begin = base + (row - base) // size * size
        end = min(begin + size, self._ends[number])
        self._block = (begin, self._empty(0))  # let go of the old block before the new one is made
        block = self._empty(end - begin)
        self._read_into(block, 0, begin, end)
        self._block = (begin, block)
        return begin, end - begin

    def _read_into(self, out: Arrays, at: int, start: int, stop: int) -> None:
        """Rows start … stop-1 of the whole, across files, to row `at` of `out`."""
        while start < stop:
            number = bisect_right(self._ends, start)
            header = self.headers[number]
            base = self._ends[number] - header.rows
            end = min(stop, self._ends[number])
            for top in self.tops:
                self._copy(header, top, slice(start - base, end - base), out[top][at : at + end - start])
            at, start = at + end - start, end

    def _copy(self, header: Header, top: str, rows: slice, target: np.ndarray) -> None:
        file = self._handle(header)
        for start in range(rows.start, rows.stop, self._block_rows):
            stop = min(start + self._block_rows, rows.stop)
            try:
                with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as in C
                    target[start - rows.start : stop - rows.start] = file[top][start:stop]
            except DAMAGE as error:
                rows_read = f"rows {start} to {stop - 1} cannot be read ({_first_line(error)})"
                raise DataError(f"{header.path}: dataset {top!r}: {rows_read}") from error

    def _handle(self, header: Header) -> h5py.File:
        if _stamp(header.path) != header.stamp:
            raise DataError(
                f"{header.path}: was replaced or changed while it was in use; start again with the new file"
            )
        file = self._handles.get(header.path)
        if file is None:
            if len(self._handles) >= OPEN_FILES:
                self._handles.popitem(last=False)[1].close()
            file = self._handles[header.path] = _open(header.path)
        self._handles.move_to_end(header.path)
        return file


_LOADED: WeakValueDictionary[Any, ArrayRows] = WeakValueDictionary()
