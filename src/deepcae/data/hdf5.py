"""HDF5Data: a text file lists HDF5 files, each top is the dataset of its name (Caffe: `hdf5_data_layer.cpp`).

Each dataset is (rows, ...) of floats or integers of any width, and becomes float32; batches run across file ends and
wrap. A data set of up to `MEMORY_LIMIT` bytes (as float32) is kept in memory, and a batch is then a view of it; a
larger one is read in blocks of `BLOCK` bytes, the next one while this one is in use, so memory stays bounded whatever
the files' size. Shuffling a large data set reads single rows, which is slow where it is compressed: store it plain.

Differs from Caffe: `transform_param` is applied to the first top (Caffe refuses the field here); files whose datasets
differ in their inner shape are refused (Caffe reads on); links and virtual datasets, which can reach out of the file,
are refused; names in the list are also looked up in the list's own folder.
"""

from __future__ import annotations

import math
import os
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from ..bounds import ROOM, Allowance
from ..errors import DataError
from ..inplace import read_file, unread, why_no_file
from ..proto.lookup import resolve
from .ahead import Ahead
from .h5file import DAMAGE, Header, OpenFile, OpenFiles, first_line, opened, read_header
from .stream import ArrayRows, Arrays, Stream, aligned

__all__ = ["HDF5Rows", "open_hdf5", "opened", "read_list"]

MEMORY_LIMIT = 256 * 2**20  # bytes of a data set that is kept in memory as a whole
BLOCK = 8 * 2**20  # bytes that are read at a time from a larger one
LARGEST_BLOCK = 2 * BLOCK  # where chunks are large; of still larger ones a part is read at a time
PER_FILE = 2000  # bytes of memory that a file takes that a list names
LONGEST_NAME = 4096  # characters
_WORDS = re.compile(rb"\S+")
EVEN = 512  # rows of which a block holds a multiple, so that batches of powers of two lie within one


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
    if why := why_no_file(path):
        raise DataError(
            f"{path}: {why if os.path.exists(path) else 'no such list file (a text file that names HDF5 files)'}"
        )
    try:
        content = read_file(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if content.startswith(b"\x89HDF\r\n"):
        raise DataError(f"{path}: is an HDF5 file; source must be a text file that lists HDF5 files, one name per line")
    if not content.strip():
        raise DataError(f"{path}: lists no file")
    files, allowance = [], Allowance(len(content))
    for number, word in enumerate(_WORDS.finditer(content), 1):
        try:
            allowance.take(len(word[0]) + PER_FILE)
        except ValueError as error:
            raise DataError(f"{path}: lists more than {number} files; {error}") from None
        name = os.fsdecode(word[0])
        files.append(resolve(name, path.parent, *folders))
        if not os.path.isfile(files[-1]):
            total = sum(1 for _ in _WORDS.finditer(content))
            raise DataError(f"{path}: file {number} of {total}, {name[:LONGEST_NAME]!r}, does not exist")
    return files


class HDF5Rows:
    """The rows of several HDF5 files, one after the other: in memory, or read in blocks."""

    def __init__(
        self,
        files: Sequence[Path],
        tops: tuple[str, ...],
        memory_limit: int | None = None,
        block: int | None = None,
    ) -> None:
        self.tops = tops
        self._files = files_ = HDF5Files(files, tops)
        self.shapes, self.total = files_.shapes, files_.total
        row_bytes = files_.row_bytes
        limit = MEMORY_LIMIT if memory_limit is None else memory_limit
        self.in_memory = self.total * row_bytes <= min(limit, files_.room)
        self._memory: ArrayRows | None = None
        self._block_rows = max(1, (BLOCK if block is None else block) // max(row_bytes, 1))
        if self._block_rows > EVEN:
            self._block_rows -= self._block_rows % EVEN
        self._starts = starts = files_.starts(self._block_rows)
        ends = [*starts[1:], self.total]

        def block_at(turn: int) -> Arrays:  # turns count on where the stream begins again
            return files_.copied(starts[turn % len(starts)], ends[turn % len(starts)])

        self._blocks = Ahead(block_at, 1 if len(starts) == 1 else None)
        self._turn, self._block = -1, files_.copied(0, 0)

    def at_hand(self, size: int, shuffled: bool) -> bool:
        return self.in_memory or not (shuffled or size > self._block_rows)

    def read(self, rows: slice | np.ndarray) -> Arrays:
        if self.in_memory:
            if self._memory is None:
                self._memory = self._load()
            return self._memory.read(rows)
        if not isinstance(rows, slice):
            return self._files.scattered(rows)
        if rows.stop - rows.start <= self._block_rows:
            return self._run(rows.start, rows.stop)
        return self._files.copied(rows.start, rows.stop)

    def close(self) -> None:
        self._blocks.close()
        self._files.close()

    def _load(self) -> ArrayRows:
        """The whole data set; nets that read the same files (train and test-on-train) share it."""
        key = (self.tops, tuple((header.path.resolve(), header.stamp) for header in self._files.headers))
        loaded = _LOADED.get(key)
        if loaded is None:
            loaded = _LOADED[key] = ArrayRows(self._files.copied(0, self.total))
            self._files.close()
        return loaded

    def _run(self, start: int, stop: int) -> Arrays:
        """Neighbouring rows: a view where they lie within one block."""
        parts: list[Arrays] = []
        while start < stop:
            number = bisect_right(self._starts, start) - 1
            ahead = (number - self._turn) % len(self._starts)
            if ahead or self._turn < 0:
                self._turn = self._turn + ahead if self._turn >= 0 else number
                self._block = self._blocks.batch(self._turn)
            begin = self._starts[number]
            parts.append({top: array[start - begin : stop - begin] for top, array in self._block.items()})
            start += len(parts[-1][self.tops[0]])
        if len(parts) == 1:
            return parts[0]
        return {top: np.concatenate([part[top] for part in parts]) for top in self.tops}


class HDF5Files:
    """The rows of several HDF5 files, one after the other, copied as they are asked for. Threads take turns."""

    def __init__(self, files: Sequence[Path], tops: tuple[str, ...]) -> None:
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
        self.row_bytes = 4 * sum(math.prod(shape) for shape in self.shapes.values())
        self._ends = np.cumsum([header.rows for header in self.headers]).tolist()
        self.total: int = self._ends[-1]
        self._open, self._lock = OpenFiles(), Lock()

    def starts(self, size: int) -> list[int]:
        """The first rows of blocks of about `size` rows: whole chunks of one file, but of large ones a part."""
        found: list[int] = []
        for header, end in zip(self.headers, self._ends, strict=True):
            whole = -(-size // header.chunk) * header.chunk
            found.extend(range(end - header.rows, end, whole if whole * self.row_bytes <= LARGEST_BLOCK else size))
        return found

    @property
    def room(self) -> int:
        """Bytes that may be held of all rows: twice the files' and `ROOM`, less those of chunks that are unpacked."""
        stored = sum(header.stamp[2] for header in self.headers)
        return 2 * stored + ROOM - max(header.packed for header in self.headers)

    def copied(self, start: int, stop: int) -> Arrays:
        """Rows start … stop-1 of the whole, across files."""
        out, at = self._empty(stop - start), 0
        while start < stop:
            header, base = self._home(start)
            end = min(stop, base + header.rows)
            for top in self.shapes:
                with self._reading(header, top, start - base, end - 1 - base) as file:
                    file.copy(top, start - base, out[top][at : at + end - start])
            at, start = at + end - start, end
        return out

    def scattered(self, rows: np.ndarray) -> Arrays:
        """Any rows."""
        out = self._empty(len(rows))
        files = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(files).tolist():
            places = np.flatnonzero(files == number)
            header, base = self._home(int(rows[places[0]]))
            wanted = rows[places] - base
            for top in self.shapes:
                with self._reading(header, top, wanted.min(), wanted.max()) as file, np.errstate(over="ignore"):
                    out[top][places] = file.pick(top, wanted)
        return out

    def close(self) -> None:
        self._open.close()

    def _empty(self, rows: int) -> Arrays:
        return {top: aligned((rows, *shape)) for top, shape in self.shapes.items()}

    def _home(self, row: int) -> tuple[Header, int]:
        """The file that holds a row, and the number of its own first row."""
        number = bisect_right(self._ends, row)
        header = self.headers[number]
        return header, self._ends[number] - header.rows

    @contextmanager
    def _reading(self, header: Header, top: str, first: int, last: int) -> Iterator[OpenFile]:
        """The file; damage is told with its place."""
        try:
            with self._lock:
                yield self._open[header]
        except DAMAGE as error:
            rows = f"rows {first} to {last} cannot be read ({first_line(error)})"
            raise DataError(unread(header.path, error, f"{header.path}: dataset {top!r}: {rows}")) from error


_LOADED: WeakValueDictionary[Any, ArrayRows] = WeakValueDictionary()
