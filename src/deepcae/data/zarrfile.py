"""Zarr: arrays that are stored as a folder, of versions 2 and 3, and OME-Zarr, whose axes have names.

Metadata are JSON, and are checked here before zarr's library sees them: a codec such as `pickle` would run code, and a
chunk is unpacked as a whole. An array without chunks on the disk reads as its fill value, so what was never written is
told.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..bounds import ROOM
from ..errors import DataError, first_line
from ..inplace import json_of, unread
from .named import Named
from .stored import DAMAGE, Format, Stored
from .stream import Shape

CODECS = {
    "blosc", "zstd", "gzip", "zlib", "lz4", "lzma", "bz2", "bytes", "transpose", "sharding_indexed", "crc32c", "crc32",
    "adler32", "fletcher32", "shuffle", "delta", "fixedscaleoffset", "bitround", "endian",
}  # fmt: skip
_FILES = (".zarray", ".zgroup", "zarr.json")
_MOST_ARRAYS, _DEEPEST = 1000, 6
_TYPES = "fiub"
_WORDS = {
    **{letter: letter for letter in "tczyx"}, "time": "t", "channel": "c", "depth": "z", "height": "y", "width": "x",
}  # fmt: skip


class ZarrArrays(Mapping[str, Stored]):
    """The arrays of a store by name, `group/array`. Of OME-Zarr the largest level is `data`; so is an array alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._meta = dict(_arrays_of(path))
        self._data, self._axes = _ome_of(path)
        if self._data is None and "" in self._meta:
            self._data = ""
        elif self._data is None and len(self._meta) == 1:
            self._data = next(iter(self._meta))
        if not self._meta:
            raise DataError(f"{path}: this Zarr store holds no arrays")

    def __getitem__(self, name: str) -> Stored:
        found = self._found(name)
        axes = self._axes if found == self._data else None
        return _opened(self._path, found, self._meta[found], axes or _dimensions(self._meta[found]))

    def plain(self, name: str) -> Stored:
        """An array as it is, whatever its axes are called."""
        found = self._found(name)
        return _opened(self._path, found, self._meta[found], None)

    def _found(self, name: str) -> str:
        found = self._data if name == "data" and "data" not in self._meta else name
        if found not in self._meta:
            raise KeyError(name)
        return str(found)

    def __iter__(self) -> Iterator[str]:
        names = [name for name in self._meta if name]
        return iter(["data", *names] if self._data is not None and "data" not in names else names)

    def __len__(self) -> int:
        return sum(1 for _ in self)


class ZarrArray(Stored):
    """An array of a store."""

    def __init__(self, array: Any, origin: str, chunks: Shape, notes: tuple[str, ...]) -> None:
        dtype, shape = np.dtype(array.dtype), tuple(map(int, array.shape))
        packed = math.prod(chunks) * dtype.itemsize
        super().__init__(origin, shape, dtype, min(chunks[0], max(1, shape[0])), packed)
        self.chunks, self._array, self.notes = chunks, array, notes

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.part((slice(start, stop), *(slice(None),) * (len(self.shape) - 1)))

    def part(self, key: tuple[slice, ...]) -> np.ndarray:
        try:
            return np.asarray(self._array[key])
        except DAMAGE:
            raise
        except Exception as error:  # codecs raise whatever they stumble over
            raise ValueError(first_line(error)) from error


def _opened(path: Path, name: str, meta: dict[str, Any], axes: str | None) -> Stored:
    origin = f"{path}: array {name!r}" if name else str(path)
    chunks = _checked(meta, path / name, origin)
    try:
        import zarr
    except ModuleNotFoundError as error:
        raise DataError(f"{path}: reading Zarr needs the zarr package: pip install zarr") from error
    try:
        array: Any = zarr.open(str(path / name), mode="r")
        stored = ZarrArray(array, origin, chunks, _missing(array))
    except Exception as error:  # zarr's own kinds, and whatever metadata make it stumble over
        raise DataError(unread(path, error, f"{origin}: is damaged ({first_line(error)})")) from error
    if axes is None or len(axes) != len(chunks):
        return stored
    return Named(
        origin, axes, stored.shape, stored.dtype, stored.part, chunks=chunks, packed=stored.packed, notes=stored.notes
    )


def _missing(array: Any) -> tuple[str, ...]:
    """What was never written, in words. Of chunks that lie in shards it is not known."""
    if getattr(array, "shards", None):
        return ()
    written, wanted = int(array.nchunks_initialized), int(array.nchunks)
    if written >= wanted:
        return ()
    return (f"{wanted - written} of {wanted} chunks were never written, and read as {array.fill_value}",)


def _checked(meta: dict[str, Any], folder: Path, origin: str) -> Shape:
    """The shape of what is unpacked together. DataError where the metadata cannot be trusted."""
    try:
        shape = tuple(int(size) for size in meta["shape"])
        if meta.get("zarr_format") == 3:
            chunks, codecs, kind = _version_3(meta)
        else:
            kind = np.dtype(meta["dtype"]).kind
            chunks = tuple(int(size) for size in meta["chunks"])
            codecs = [each["id"] for each in (meta.get("compressor"), *(meta.get("filters") or ())) if each]
        if len(chunks) != len(shape) or min(chunks, default=0) < 1 or min(shape, default=0) < 1:
            raise ValueError(f"shape {list(shape)} in chunks of {list(chunks)}")
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise DataError(f"{origin}: its metadata are damaged ({first_line(error)})") from error
    if kind not in _TYPES:
        raise DataError(f"{origin}: holds no numbers, of which images are made")
    if unknown := sorted(set(codecs) - CODECS):
        raise DataError(f"{origin}: is packed by {unknown[0]!r}, which is not unpacked here: it may run code")
    held = 8 * max(math.prod(chunks), math.prod(shape[1:]))  # of doubles
    if held > ROOM and held > ROOM + 2 * sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()):
        raise DataError(f"{origin}: chunks of {list(chunks)} or rows of {list(shape[1:])} would not fit into memory")
    return chunks


def _version_3(meta: dict[str, Any]) -> tuple[Shape, list[str], str]:
    """(what is unpacked together, the names of all codecs, the kind of type)."""
    chunks = tuple(int(size) for size in meta["chunk_grid"]["configuration"]["chunk_shape"])
    names, waiting = [], list(meta["codecs"])
    while waiting:
        codec = waiting.pop()
        names.append(str(codec["name"]))
        settings = codec.get("configuration") or {}
        if names[-1] == "sharding_indexed":
            chunks = tuple(int(size) for size in settings["chunk_shape"])
            waiting += [*settings["codecs"], *settings.get("index_codecs", ())]
    kind = str(meta["data_type"])
    return chunks, names, np.dtype(kind).kind


def _dimensions(meta: dict[str, Any]) -> str | None:
    """The axes that version 3 names, as letters, where all of them are known."""
    names = [str(name).lower() for name in meta.get("dimension_names") or ()]
    letters = "".join(_WORDS.get(name, "") for name in names)
    fits = len(letters) == len(names) and len(set(letters)) == len(letters) and {"y", "x"} <= set(letters)
    return letters if fits else None


def _arrays_of(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The name and the metadata of each array. Links are not followed."""
    waiting, found = [("", 0)], 0
    while waiting and found < _MOST_ARRAYS:
        name, depth = waiting.pop(0)
        folder = path / name
        meta = _metadata(folder)
        if meta is None:
            continue
        if "shape" in meta:
            found += 1
            yield name, meta
        elif depth < _DEEPEST:
            inside = sorted(each.name for each in folder.iterdir() if each.is_dir() and not each.is_symlink())
            waiting += [(f"{name}/{each}".lstrip("/"), depth + 1) for each in inside]


def _metadata(folder: Path) -> dict[str, Any] | None:
    """Of an array or a group; None for a folder that is neither."""
    for name in ("zarr.json", ".zarray", ".zgroup"):
        file = folder / name
        if file.is_file():
            return _json(file)
    return None


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json_of(file)
        if not isinstance(found, dict):
            raise ValueError("it is no object")
    except ValueError as error:
        raise DataError(f"{file}: is damaged ({first_line(error)})") from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    return found


def _ome_of(path: Path) -> tuple[str | None, str | None]:
    """The name of OME-Zarr's largest level and its axes, as letters; None where a store is none."""
    meta = _metadata(path) or {}
    attributes = meta.get("attributes") or {}
    if (path / ".zattrs").is_file():
        attributes = _json(path / ".zattrs")
    try:
        scales = (attributes.get("ome") or attributes).get("multiscales")
        if not scales:
            return None, None
        level = str(scales[0]["datasets"][0]["path"])
        axes = [each if isinstance(each, str) else each["name"] for each in scales[0].get("axes", "tczyx")]
        return level.strip("/"), "".join(_WORDS[str(name).lower()] for name in axes)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise DataError(f"{path}: its multiscales are damaged ({first_line(error)})") from error


def _is_store(path: Path, head: bytes) -> bool:
    return path.is_dir() and any((path / name).is_file() for name in _FILES)


FORMAT = Format("Zarr", _is_store, ZarrArrays, of_pictures=False)
