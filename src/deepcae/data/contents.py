"""The one door for data: `open_rows` of a file, a list of files, an array, or arrays by name.

The format of a file is told from its first bytes; a text with the ending `.txt` lists files. To add a format, write a
file like `npyfile` and name its `Format` in `FORMATS`: lists, data layers and all commands read it from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..inplace import start_of, why_no_file
from . import folder, h5file, idx, matfile, niftifile, npyfile, nwbfile, tiffstack, video, zarrfile
from .joined import Part, stamp_of
from .kept import StoredRows
from .lists import read_list
from .meaning import Meaning, meaning_of
from .stored import Format, Given, Pictures, Stored

FORMATS = (
    h5file.FORMAT, npyfile.NPY, npyfile.NPZ, niftifile.FORMAT, idx.FORMAT, matfile.FORMAT, nwbfile.FORMAT,
    tiffstack.FORMAT, zarrfile.FORMAT, video.FORMAT, folder.ONE, folder.FORMAT,
)  # fmt: skip
LABELS = ("label", "labels")  # what people call them

Folders = Sequence[str | Path]
Laid = Callable[[Stored], Stored]


def open_rows(
    source: Any, names: Sequence[str] | None = None, *, memory_limit: int | None = None, block: int | None = None
) -> StoredRows:
    """The rows of `source`'s arrays `names`, as float32; without names of `data`, and the labels if there are any.

    `source`: a file of a known format, a `.txt` list of files, or several files, whose rows follow one another; an
    array (n, ...) of numpy, torch, h5py or zarr, which is called `data`; or a dict of arrays. Rows are read when they
    are asked for. What takes up to `memory_limit` bytes is then kept in memory; larger sets are read in blocks of
    `block` bytes. DataError where an array is missing, holds no numbers, or has another number of rows than the first.
    """
    return contents_of(source).rows(names, memory_limit=memory_limit, block=block)


def contents_of(source: Any, folders: Folders = ()) -> Contents:
    """What a source as in `open_rows` holds. Files that a list names are looked up beside it, then in `folders`."""
    if isinstance(source, str | Path):
        return _of_path(Path(source), folders)
    if isinstance(source, Mapping):
        return Contents("the arrays given", [source])
    if isinstance(source, Sequence) and source and all(isinstance(each, str | Path) for each in source):
        return Contents(str(source[0]), [Path(each) for each in source])
    return Contents("the array given", [{"data": source}])


def _of_path(path: Path, folders: Folders) -> Contents:
    is_list = path.suffix == ".txt"
    found = None if is_list and why_no_file(path) else format_of(path)
    if found is not None:
        return Contents(str(path), [path], found.of_pictures, found.nameless)
    if is_list:
        return Contents(str(path), read_list(path, *folders))
    *others, last = [FORMATS[0].name, "a .txt list of HDF5 files", *(each.name for each in FORMATS[1:])]
    raise DataError(f"{path}: is neither {', '.join(others)} nor {last}")


def format_of(path: Path) -> Format | None:
    """The format of a file or folder, told from what it holds; None for an unknown one."""
    if (why := why_no_file(path)) and not path.is_dir():
        raise DataError(f"{path}: {why}")
    try:
        head = b"" if path.is_dir() else start_of(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not head and not path.is_dir() and path.suffix != ".txt":
        raise DataError(f"{path}: is empty")
    found = next((each for each in FORMATS if each.begins(path, head)), None)
    if found is None and why:
        if (path / "data.mdb").is_file():
            why = "is an LMDB, which only a net's own layer of type Data reads; give the images, or HDF5"
        raise DataError(f"{path}: {why}")
    return found


class Contents:
    """Arrays by name, of one part after another: a file, or arrays that a caller has.

    `of_pictures`: bytes are grey levels, and all is ready for a net that is shown it; `nameless`: `data` is all there
    is, whatever it means.
    """

    def __init__(
        self, origin: str, parts: Sequence[Path | Mapping[str, Any]], of_pictures: bool = False, nameless: bool = False
    ) -> None:
        self.origin, self.of_pictures, self.nameless = origin, of_pictures, nameless
        self._parts = parts

    @cached_property
    def names(self) -> list[str]:
        """Of all arrays in the first part."""
        return list(_arrays(self._parts[0]))

    def images(self, wanted: str = "data") -> str:
        """The array of images: the one that is `wanted`, or `data`."""
        for name in (wanted, "data"):
            if name in self.names:
                return name
        missing = "no 'data'" if wanted == "data" else f"neither '{wanted}' nor 'data'"
        raise DataError(f"{self.origin}: has {missing}; it holds {', '.join(self.names) or 'nothing'}")

    def labels(self, *wanted: str) -> str | None:
        """The array of labels, if there is one."""
        return next((name for name in (*wanted, *LABELS) if name in self.names), None)

    def meaning(self, name: str) -> Meaning:
        """What the numbers of the array `name` stand for, where all parts say the same."""
        paths = [part for part in self._parts if isinstance(part, Path) and part.is_file()]
        found = {meaning_of(path, name) for path in paths} if len(paths) == len(self._parts) else set()
        return found.pop() if len(found) == 1 else Meaning()

    def rows(
        self,
        names: Sequence[str] | None = None,
        *,
        as_shown: bool = False,
        memory_limit: int | None = None,
        block: int | None = None,
        laid: Laid | None = None,
    ) -> StoredRows:
        """Rows as in `open_rows`. `as_shown`: of formats of pictures the first array as `Pictures`.

        `laid` lays the first array's rows otherwise.
        """
        if names is None:
            names = [self.images(), *filter(None, [self.labels()])]
        parts = [self._part(each, names, as_shown and self.of_pictures, laid) for each in self._parts]
        return StoredRows(parts, memory_limit, block)

    def _part(self, part: Path | Mapping[str, Any], names: Sequence[str], as_pictures: bool, laid: Laid | None) -> Part:
        path = part if isinstance(part, Path) else None
        origin, stamp = (self.origin, ()) if path is None else (str(path), stamp_of(path))
        arrays: dict[str, Stored] = {}
        held = _arrays(part)
        try:
            for name in names:
                arrays[name] = _found(held, name, origin)
            if laid is not None:
                arrays[names[0]] = laid(arrays[names[0]])
            if as_pictures:
                arrays[names[0]] = Pictures(arrays[names[0]])
            return Part(origin, arrays, stamp, path)
        finally:
            for array in arrays.values():
                array.close()


def _arrays(part: Path | Mapping[str, Any]) -> Mapping[str, Stored]:
    if isinstance(part, Path):
        return (format_of(part) or h5file.FORMAT).open(part)
    return {name: Given(array, f"array {name!r}") for name, array in part.items()}


def _found(arrays: Mapping[str, Stored], name: str, origin: str) -> Stored:
    try:
        return arrays[name]
    except KeyError:
        held = ", ".join(map(repr, arrays)) or "nothing"
        raise DataError(f"{origin}: has no array {name!r}; it holds {held}") from None
