"""A folder of pictures: each is a row, sorted as people count (2 before 10), and a subfolder is a class.

    cats/1.png cats/2.png dogs/1.png   →   data (3, c, h, w), label 0 0 1

Where all pictures lie in subfolders, and in two or more, these are the classes. Subfolders `train` and `test` (or
`val`, `validation`) are no classes but a split that somebody made; those below them are classes. Hidden files are
passed over; what else is no picture is left out, and told.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..inplace import start_of
from .picture import look_at, read_picture
from .stored import Format, Given, Stored, Told

ENDINGS = (
    ".png", ".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm", ".webp", ".gif",
)  # fmt: skip
_STARTS = (
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"II*\0",
    b"MM\0*",
    b"GIF8",
    b"BM",
    b"RIFF",
    b"P1",
    b"P2",
    b"P3",
    b"P4",
    b"P5",
    b"P6",
)  # of files without an ending
TO_LEARN, HELD_OUT = {"train", "training"}, {"test", "testing", "val", "valid", "validation"}
_DIGITS = re.compile(r"(\d+)")
_STORES = ("data.mdb", ".zarray", ".zgroup", "zarr.json")  # what makes a folder something else


@dataclass(frozen=True)
class PictureList:
    """Picture files by name. `root`: the folder of the `names`; `classes`: those that the `labels` (n,) count.

    `is_test` (n,): which lie in a subfolder of held-out ones, where the folder is split already.
    """

    root: Path
    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    labels: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    is_test: np.ndarray | None = None

    def path(self, row: int) -> Path:
        return self.root / self.names[row]


class PictureRows(Stored):
    """The pictures of a list as rows, all like the first one; DataError names the file that is another."""

    def __init__(self, pictures: PictureList) -> None:
        look = look_at(pictures.path(0))
        super().__init__(str(pictures.root), (len(pictures.names), *look.shape), look.dtype)
        self.told = Told(notes=pictures.notes)
        self._pictures = pictures

    def read(self, start: int, stop: int) -> np.ndarray:
        rows = np.empty((stop - start, *self.shape[1:]), self.dtype)
        for at in range(start, stop):
            path = self._pictures.path(at)
            pixels = read_picture(path)
            if pixels.shape != self.shape[1:] or pixels.dtype != self.dtype:
                first = self._pictures.names[0]
                raise DataError(
                    f"{path}: is {kind_of(pixels)}, but {first} is {kind_of(rows[0])}; `deepcae data images`"
                )
            rows[at - start] = pixels
        return rows

    def called(self, row: int) -> str:
        return str(self._pictures.path(row))


def kind_of(picture: Any) -> str:
    """`3x32x32 of uint8`, of an array or a `Look`."""
    return f"{'x'.join(map(str, picture.shape))} of {picture.dtype}"


def list_pictures(folder: Path) -> PictureList:
    """The pictures in a folder and its subfolders. DataError where there are none."""
    pictures: list[str] = []
    others: list[str] = []
    for path in _files(folder):
        (pictures if _is_picture(folder / path) else others).append(path)
    if not pictures:
        found = f"; it holds {shortlist(others)}" if others else ""
        raise DataError(f"{folder}: this is a folder, not a file, and holds no pictures (PNG, JPEG, TIFF, ...){found}")
    pictures.sort(key=natural)
    notes = [f"left out, as they are no pictures: {shortlist(others)}"] if others else []
    is_test = _split_by_folder(pictures)
    level = 0 if is_test is None else 1
    parents = [(name.split(os.sep)[level:-1] or [""])[0] for name in pictures]
    classes = sorted(set(parents), key=natural)
    if len(classes) < 2:
        return PictureList(folder, tuple(pictures), notes=tuple(notes), is_test=is_test)
    if "" in classes:
        notes.append(f"subfolders are no classes, because {parents.count('')} pictures lie beside them")
        return PictureList(folder, tuple(pictures), notes=tuple(notes), is_test=is_test)
    number = {name: index for index, name in enumerate(classes)}
    labels = np.array([number[parent] for parent in parents], np.float32)
    return PictureList(folder, tuple(pictures), tuple(classes), labels, tuple(notes), is_test)


def _split_by_folder(names: Sequence[str]) -> np.ndarray | None:
    """Which pictures are held out, where the subfolders right below are those of a split, and nothing else."""
    tops = [name.split(os.sep)[0].casefold() if os.sep in name else "" for name in names]
    found = set(tops)
    if not (found <= TO_LEARN | HELD_OUT and found & TO_LEARN and found & HELD_OUT):
        return None
    return np.array([top in HELD_OUT for top in tops])


def one_list(paths: Sequence[Path]) -> PictureList:
    """Single pictures, in the order in which they are given."""
    root = Path(os.path.commonpath([os.path.abspath(path.parent) for path in paths]))
    near = paths[0].parent if all(path.parent == paths[0].parent for path in paths) else root
    return PictureList(near, tuple(os.path.relpath(path, near) for path in paths))


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts names as people count: `a2` before `a10`."""
    return [(0, int(part)) if part.isdecimal() else (1, part.casefold()) for part in _DIGITS.split(name) if part]


def shortlist(names: list[str]) -> str:
    """The first three of the names, and how many more there are."""
    shown = ", ".join(sorted(names, key=natural)[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def is_picture_folder(path: Path) -> bool:
    """Whether a path is a folder of files, and no database or array that is stored as a folder."""
    return path.is_dir() and not any((path / name).exists() for name in _STORES)


def _files(folder: Path) -> Iterator[str]:
    """The names of all files below a folder that are not hidden; a folder that links lead to again is met once."""
    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=_raise):
        stat = os.stat(place)
        if (stat.st_dev, stat.st_ino) in seen:
            folders.clear()
            continue
        seen.add((stat.st_dev, stat.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith((".", "__MACOSX")))
        beside = os.path.relpath(place, folder)
        for name in files:
            if not name.startswith(".") and name != "Thumbs.db":
                yield name if beside == "." else os.path.join(beside, name)


def _raise(error: OSError) -> None:
    raise DataError(f"{error.filename}: cannot be read: {error.strerror or error}") from error


def _is_picture(path: Path) -> bool:
    if path.suffix:
        return path.suffix.lower() in ENDINGS
    try:
        return start_of(path).startswith(_STARTS)
    except OSError:
        return False


def _open(path: Path) -> Mapping[str, Stored]:
    pictures = list_pictures(path)
    arrays: dict[str, Stored] = {"data": PictureRows(pictures)}
    if pictures.labels is not None:
        arrays["label"] = Given(pictures.labels, f"{path}: the classes of its subfolders")
    return arrays


def _open_one(path: Path) -> Mapping[str, Stored]:
    return {"data": PictureRows(PictureList(path.parent, (path.name,)))}


def _is_one(path: Path, head: bytes) -> bool:
    return path.suffix.lower() in ENDINGS and head.startswith(_STARTS)


def _is_folder(path: Path, head: bytes) -> bool:
    return is_picture_folder(path)


ONE = Format("a picture", _is_one, _open_one, of_pictures=False)
FORMAT = Format("a folder of pictures", _is_folder, _open, of_pictures=False)
