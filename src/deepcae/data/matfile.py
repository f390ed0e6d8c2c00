"""MATLAB's files: arrays of numbers of version 5 (`-v6`, `-v7`), and of 7.3, which is HDF5. Nothing else is looked at.

MATLAB counts the first axis fastest: an array h × w × n has its images one after another, and in C order the axes
n, w, h. So images are read where they lie, whatever the file's size.

    header  text (116), 8 bytes, version (2), "IM" or "MI" (2)
    element type (4), bytes (4), content;   15: an element packed by zlib;   14: an array: flags, axes, name, values
    small   bytes (2), type (2), content (4)

Source: MathWorks, "MAT-File Format", Version 5.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from ..bounds import MOST_DENSE
from ..errors import DataError, first_line
from ..inplace import open_to_read, unread
from .h5file import H5Arrays
from .named import Named
from .stored import DAMAGE, Around, FileArray, Format, PackedArray, Stored
from .stream import Shape

_VALUES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
_ARRAY, _PACKED, _COMPLEX = 14, 15, 0x0800
_HEADER, _HEAD = 128, 4096  # bytes of the file's header; and of an array that tell what it is
_MOST, _COLOURS = 10_000, 4


@dataclass(frozen=True)
class _Variable:
    """Where an array lies: `begin` counts bytes of the file, or of what is unpacked from byte `packed_at` on."""

    name: str
    shape: Shape  # as MATLAB has it
    stored: np.dtype[Any]
    dtype: np.dtype[Any]
    begin: int
    packed_at: int | None
    packed_size: int


class MatArrays(Mapping[str, Stored]):
    """The arrays of numbers by name. One that is alone is `data`, too."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._plain = H5Arrays(path) if _is_h5(path) else None
        if self._plain is not None:
            self._shapes = {name: shape[::-1] for name, shape in self._plain.listing().items() if "#" not in name}
        else:
            self._variables = {each.name: each for each in _told(path)}
            self._shapes = {name: each.shape for name, each in self._variables.items()}
        if not self._shapes:
            raise DataError(f"{path}: holds no arrays of numbers")

    def listing(self) -> dict[str, Shape]:
        """The shapes of all arrays, as MATLAB has them."""
        return dict(self._shapes)

    def plain(self, name: str) -> Stored:
        """An array with its axes as MATLAB has them."""
        if name == "data" and name not in self._shapes and len(self._shapes) == 1:
            name = next(iter(self._shapes))
        if name not in self._shapes:
            raise KeyError(name)
        origin = f"{self._path}: {name}"
        if self._plain is not None:
            return _Turned(self._plain[name], origin)
        return _Turned(_stored(self._path, self._variables[name], origin), origin)

    def __getitem__(self, name: str) -> Stored:
        array = self.plain(name)
        if len(array.shape) < 3:
            return _Flat(array) if min(array.shape) > 1 else _Column(array)
        axes = _axes_of(array.shape)
        if axes is None:
            raise DataError(
                f"{array.origin} is {'x'.join(map(str, array.shape))}: which axis is what? Give --axes, as yxn or nyx"
            )
        notes = (f"axes {axes}, as MATLAB counts them",)
        chunks = array.chunks
        return Named(array.origin, axes, array.shape, array.dtype, array.part, chunks=chunks, notes=notes, held=array)

    def __iter__(self) -> Iterator[str]:
        names = list(self._shapes)
        return iter(["data", *names] if len(names) == 1 and names != ["data"] else names)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class _Turned(Stored):
    """The array that C stores with its axes in reverse."""

    def __init__(self, array: Stored, origin: str) -> None:
        super().__init__(origin, array.shape[::-1], array.dtype)
        self._array = array
        chunks = array.chunks or (1, *array.shape[1:])  # what lies together: all but the last axis
        self.chunks = tuple(chunks[::-1])

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.part((slice(start, stop), *(slice(None),) * (len(self.shape) - 1)))

    def part(self, key: tuple[slice, ...]) -> np.ndarray:
        return self._array.part(key[::-1]).T

    def close(self) -> None:
        self._array.close()


class _Flat(Stored):
    """Rows of values (n, k): an axis of rows, as MATLAB has it."""

    def __init__(self, array: Stored) -> None:
        super().__init__(array.origin, array.shape, array.dtype)
        self._array = array

    def read(self, start: int, stop: int) -> np.ndarray:
        return np.ascontiguousarray(self._array.part((slice(start, stop), slice(None))))

    def close(self) -> None:
        self._array.close()


class _Column(Stored):
    """One value for each row, whether it is a row or a column in MATLAB."""

    def __init__(self, array: Stored) -> None:
        super().__init__(array.origin, (math.prod(array.shape),), array.dtype)
        self._array = array

    def read(self, start: int, stop: int) -> np.ndarray:
        whole = self._array.part((slice(None),) * len(self._array.shape))
        return whole.reshape(-1)[start:stop]

    def close(self) -> None:
        self._array.close()


def _axes_of(shape: Shape) -> str | None:
    """The axes, as MATLAB counts them, where the shape leaves one reading."""
    if len(shape) == 3:
        first, second, third = shape
        if first == second != third:
            return "yxn"
        return "nyx" if second == third != first else None
    if len(shape) == 4:
        readings = {"yxcn": shape[2], "ncyx": shape[1], "nyxc": shape[3]}
        likely = [axes for axes, channels in readings.items() if channels <= _COLOURS]
        return likely[0] if len(likely) == 1 else None
    return None


def _is_h5(path: Path) -> bool:
    with open_to_read(path) as file:
        return file.read(10) == b"MATLAB 7.3"


def _told(path: Path) -> Iterator[_Variable]:
    """All arrays of numbers, by their headers."""
    size = path.stat().st_size
    try:
        with open_to_read(path) as file:
            order = {b"IM": "<", b"MI": ">"}[file.read(_HEADER)[126:128]]
            at = _HEADER
            for _ in range(_MOST):
                file.seek(at)
                tag = file.read(8)
                if not tag:
                    return
                kind, count = struct.unpack(f"{order}II", tag)
                if at + 8 + count > size:
                    raise ValueError(f"it is truncated: an array needs {at + 8 + count} bytes, the file has {size}")
                if kind == _PACKED:
                    head = zlib.decompressobj().decompress(file.read(min(count, _HEAD)), _HEAD)
                    if struct.unpack_from(f"{order}I", head)[0] == _ARRAY:
                        yield from _variable(head[8:], order, 8, (at + 8, count))
                elif kind == _ARRAY:
                    yield from _variable(file.read(min(count, _HEAD)), order, at + 8, None)
                at += 8 + count
    except (*DAMAGE, struct.error, IndexError) as error:
        raise DataError(unread(path, error, f"{path}: is damaged ({first_line(error)})")) from error


def _variable(head: bytes, order: str, base: int, packed: tuple[int, int] | None) -> Iterator[_Variable]:
    """The array whose content begins with `head`; nothing for what holds no real numbers."""
    flags, at = _element(head, 0, order)
    kind = struct.unpack_from(f"{order}I", flags[2])[0]
    if kind & 0xFF not in _CLASSES or kind & _COMPLEX:
        return
    axes, at = _element(head, at, order)
    shape = struct.unpack(f"{order}{len(axes[2]) // 4}i", axes[2])
    name, at = _element(head, at, order)
    values, _ = _element(head, at, order, whole=False)
    stored, dtype = np.dtype(order + _VALUES[values[0]]), np.dtype(_CLASSES[kind & 0xFF])
    if len(shape) < 2 or min(shape) < 1:
        return
    if math.prod(shape) * stored.itemsize != values[1]:
        raise ValueError(f"'{name[2].decode(errors='replace')}' says {list(shape)}, and holds {values[1]} bytes")
    if packed is not None and values[1] > MOST_DENSE * packed[1]:
        raise ValueError(f"it says it has {values[1]} bytes, {packed[1]} are stored")
    begin = base + values[3]
    place, count = packed or (None, 0)
    yield _Variable(name[2].decode(errors="replace"), shape, stored, dtype, begin, place, count)


def _element(head: bytes, at: int, order: str, whole: bool = True) -> tuple[tuple[int, int, bytes, int], int]:
    """((type, bytes, content, place of the content), place of the next)."""
    kind, count = struct.unpack_from(f"{order}II", head, at)
    begin, end = at + 8, at + 8 + -(-count // 8) * 8
    if kind >> 16:
        kind, count = kind & 0xFFFF, kind >> 16
        begin, end = at + 4, at + 8
    if whole and begin + count > len(head):
        raise ValueError("a header of an array is damaged")
    return (kind, count, head[begin : begin + count], begin), end


def _stored(path: Path, told: _Variable, origin: str) -> Stored:
    """The values, the axes in C's order."""
    shape = told.shape[::-1]
    if told.packed_at is None:
        return _As(FileArray(path, origin, shape, told.stored, told.begin), told.dtype)
    end = told.begin + math.prod(shape) * told.stored.itemsize

    def unpacked() -> IO[bytes]:
        return cast(IO[bytes], _Inflated(path, cast(int, told.packed_at), told.packed_size, end))

    return _As(PackedArray(origin, shape, told.stored, told.begin, unpacked), told.dtype)


class _As(Around):
    """An array in its class's type: MATLAB stores doubles that are small whole numbers as bytes."""

    def __init__(self, array: Stored, dtype: np.dtype[Any]) -> None:
        super().__init__(array, array.shape, dtype)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._array.read(start, stop).astype(self.dtype, copy=False)

    def part(self, key: tuple[slice, ...]) -> np.ndarray:
        return self._array.part(key).astype(self.dtype, copy=False)


class _Inflated:
    """The bytes that `size` bytes of a file from `begin` on are unpacked to, up to byte `end` of them."""

    def __init__(self, path: Path, begin: int, size: int, end: int) -> None:
        self._file = open_to_read(path)
        self._file.seek(begin)
        self._left, self._end, self._at = size, end, 0
        self._unpacker = zlib.decompressobj()

    def read(self, size: int) -> bytes:
        wanted = min(size, self._end - self._at)
        found = b""
        while not found and wanted > 0:
            source = self._unpacker.unconsumed_tail or self._file.read(min(self._left, 2**16))
            if not self._unpacker.unconsumed_tail:
                self._left -= len(source)
            if not source:
                break
            found = self._unpacker.decompress(source, wanted)
        self._at += len(found)
        return found

    def close(self) -> None:
        self._file.close()


FORMAT = Format(".mat", lambda path, head: head in (b"MATLAB 5", b"MATLAB 7"), MatArrays, of_pictures=False)
