"""LMDB's file, read without its library: the records of the main database, in key order.

The library maps the file into memory and trusts it, so that a damaged file ends the process. Here every page number,
offset and length is checked before it is followed. Layout (lmdb 0.9, `mdb.c`; numbers are little-endian):

    page      0 number (8) | 8 padding (2) | 10 flags (2) | 12 lower (2) | 14 upper (2) | offsets of the nodes (2 each)
    meta      pages 0 and 1: 16 magic (4) | 20 version (4) | 24 address, map size (16) | 40 free list (48)
              | 88 main database (48) | 136 last page (8) | 144 transaction (8); the later transaction counts
    database  padding (4; in the free list: the page size) | flags (2) | depth (2) | pages (24) | entries (8) | root (8)
    node      low, high (2 each) | flags (2) | key size (2) | key | value;  the value's size is low + 65536 high;
              flag 1: the value is the number of its first overflow page; in a branch, low, high and flags are a page
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from weakref import finalize

from ..errors import DataError

MAGIC, VERSIONS = 0xBEEFC0DE, (1, 999)
BRANCH, LEAF, DIRTY = 1, 2, 16
BIG_VALUE, SUB_DATABASE, DUPLICATES = 1, 2, 4
HEAD, DEPTH = 16, 64
_NONE = 2**64 - 1
Place = tuple[int, int]  # (position in the file, size) of a value


class MdbFile:
    """One data.mdb, open for reading: `key(i)` and `value(i)` of the i-th record. DataError for what is damaged.

    Of each record its place is kept, 20 bytes in all.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
        self._turn = Lock()
        self.close = finalize(self, os.close, self._file)  # by whom lets go of it first: a caller, or nobody
        self._size = os.fstat(self._file).st_size
        self._page_size, root, self._last, entries = self._meta()
        if (self._last + 1) * self._page_size > self._size:
            needed = (self._last + 1) * self._page_size
            raise DataError(f"{path}: is cut off: {self._size} bytes, {needed} are in use")
        self._places, self._sizes, self._keys = array("Q"), array("I"), array("Q")
        self._seen: set[int] = set()
        for key, (place, size) in self._records(root, 0) if root != _NONE else ():
            self._places.append(place)
            self._sizes.append(size)
            self._keys.append(key)
        self._seen.clear()
        if len(self) != entries:
            raise self._damaged(f"it counts {entries} records, and {len(self)} are there")

    def __len__(self) -> int:
        """The number of records."""
        return len(self._places)

    def key(self, number: int) -> bytes:
        """The name of a record."""
        position = self._keys[number]
        return self._read(position + 2, int.from_bytes(self._read(position, 2), "little"))

    def value(self, number: int) -> bytes:
        """The bytes of a record."""
        return self._read(self._places[number], self._sizes[number])

    def _damaged(self, what: str) -> DataError:
        return DataError(f"{self.path}: is no readable LMDB ({what})")

    def _read(self, position: int, size: int) -> bytes:
        if position + size > self._size:
            raise self._damaged(f"{size} bytes at {position} lie behind its end")
        try:
            return self._at(position, size)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror or error}") from error

    def _at(self, position: int, size: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self._file, size, position)
        with self._turn:  # Windows: a file has one position for all threads
            os.lseek(self._file, position, os.SEEK_SET)
            return os.read(self._file, size)

    def _meta(self) -> tuple[int, int, int, int]:
        """(page size, root page, last page, records) of the latest transaction."""
        first = self._read(0, min(152, self._size)).ljust(152, b"\0")
        magic, version, page_size = *struct.unpack_from("<II", first, 16), struct.unpack_from("<I", first, 40)[0]
        if magic != MAGIC or version not in VERSIONS:
            raise self._damaged("it does not begin as one")
        if page_size not in (1 << bits for bits in range(8, 17)):
            raise self._damaged(f"pages of {page_size} bytes")
        found = []
        for page in (first, self._read(page_size, 152)):
            flags, entries, root, last, transaction = struct.unpack_from("<H26xQQQQ", page, 92)
            if struct.unpack_from("<II", page, 16) == (MAGIC, version):
                found.append((transaction, root, last, entries, flags))
        _, root, last, entries, flags = max(found)
        if flags & DUPLICATES:
            raise self._damaged("its keys stand more than once, which Caffe's never do")
        return page_size, root, last, entries

    def _records(self, number: int, depth: int) -> Iterator[tuple[int, Place]]:
        """Where the keys below a page lie, with their sizes before them, and the values; in order."""
        if depth > DEPTH or number in self._seen or not 1 < number <= self._last:
            raise self._damaged(f"page {number} is none of its tree")
        self._seen.add(number)
        page = self._read(number * self._page_size, self._page_size)
        flags, lower = struct.unpack_from("<HH", page, 10)
        if flags & ~DIRTY not in (BRANCH, LEAF) or not HEAD <= lower <= self._page_size:
            raise self._damaged(f"page {number} is no page of a tree")
        for offset in struct.unpack_from(f"<{(lower - HEAD) // 2}H", page, HEAD):
            if offset + 8 > self._page_size:
                raise self._damaged(f"page {number} has an entry outside of it")
            low, high, node_flags, key_size = struct.unpack_from("<HHHH", page, offset)
            if flags & BRANCH:
                yield from self._records(low | high << 16 | node_flags << 32, depth + 1)
            else:
                yield self._record(page, number, offset + 8, key_size, low | high << 16, node_flags)

    def _record(self, page: bytes, number: int, at: int, key_size: int, size: int, flags: int) -> tuple[int, Place]:
        inside = 8 if flags & BIG_VALUE else size
        if flags & (SUB_DATABASE | DUPLICATES) or not key_size or at + key_size + inside > self._page_size:
            raise self._damaged(f"page {number} has a record that is none of Caffe's")
        key = number * self._page_size + at - 2
        position = key + 2 + key_size
        if flags & BIG_VALUE:
            first = struct.unpack_from("<Q", page, at + key_size)[0]
            position = first * self._page_size + HEAD
            if not 1 < first <= self._last or position + size > (self._last + 1) * self._page_size:
                raise self._damaged(f"the value of {page[at : at + key_size][:40]!r} lies behind its end")
        return key, (position, size)
