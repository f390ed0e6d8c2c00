"""The files that paths stand for: the contents of a folder, the files that a text lists, a group of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..data.contents import format_of
from ..data.folder import PictureList, is_picture_folder, list_pictures, natural, one_list, shortlist
from ..data.idx import is_named_idx
from ..data.labelfile import read_pairs
from ..data.lists import read_list
from ..data.tiffstack import FORMAT as TIFF
from ..data.tiffstack import TiffArrays
from ..errors import DataError
from ..proto.lookup import once, resolve
from .labels import numbered
from .split import part_of

KINDS: dict[str, tuple[str, ...]] = {  # what each command reads, by the names of formats
    "images": ("a folder of pictures", "a picture"),
    "tiff": ("TIFF",),
    "nwb": ("NWB",),
    "npy": (".npy", ".npz", ".mat", "IDX", "HDF5"),
    "zarr": ("Zarr",),
    "video": ("video",),
    "nifti": ("NIfTI",),
}
ENDINGS = (".h5", ".hdf5", ".hdf", ".npy", ".npz", ".mat", ".nwb", ".zarr", ".nii", ".nii.gz", ".mp4", ".avi", ".mov",
           ".mkv", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")  # fmt: skip
TIFFS = (".tif", ".tiff")


@dataclass(frozen=True)
class Listed:
    """Picture files: each a picture, or a stack of them. `path`: of the text that lists them."""

    pictures: PictureList
    are_stacks: bool = False
    path: Path | None = None


def expanded(paths: Sequence[Path], kind: str | None) -> list[Path | Listed]:
    """Folders and lists become what is in them; single pictures are one list. `kind`: one of `KINDS`."""
    found: list[Path | Listed] = []
    singles: list[Path] = []
    for path in paths:
        if path.suffix == ".txt" and path.is_file():
            found.extend(_of_list(path, kind))
        elif path.is_dir() and is_picture_folder(path):
            found.extend(_of_folder(path, kind))
        elif _is_single(path, kind):
            singles.append(path)
        else:
            found.append(path)
    return [*found, *([Listed(one_list(singles))] if singles else [])]


def _of_list(path: Path, kind: str | None) -> list[Path | Listed]:
    """What a text lists: pictures, alone or each with a label as Caffe lists them; or data files."""
    pairs = read_pairs(path)
    tell = once(most=1)
    first = None if pairs is None else resolve(pairs[0][0], path.parent, tell=tell)
    if pairs is not None and first is not None and _is_single(first, kind) and first.is_file():
        files = [resolve(name, path.parent, tell=tell) for name in pairs[0]]
        for name, file in zip(pairs[0], files, strict=True):
            if not file.is_file():
                raise DataError(f"{path}: its picture {name!r} does not exist")
        labels, classes = numbered(pairs[1])
        return [Listed(replace(one_list(files), labels=labels, classes=classes), path=path)]
    files = read_list(path)
    if all(_is_single(file, kind) for file in files):
        return [Listed(one_list(files), path=path)]
    return list(files)


def _is_single(path: Path, kind: str | None) -> bool:
    """Whether a file is one picture."""
    if kind is not None:
        return kind == "images" and path.is_file()
    found = format_of(path)
    if found is TIFF:
        return _pages(path) == 1
    return found is not None and found.name in KINDS["images"]


def _pages(path: Path) -> int:
    return TiffArrays(path)["data"].shape[0]


def _of_folder(folder: Path, kind: str | None) -> list[Path | Listed]:
    """A list of its pictures; but of stacks and data files, each of them."""
    if kind in (None, "images", "tiff"):
        try:
            pictures = list_pictures(folder)
        except DataError:
            if kind is not None:
                raise
        else:
            tiffs = [name for name in pictures.names if Path(name).suffix.lower() in TIFFS]
            if kind == "tiff" and len(tiffs) < len(pictures.names):
                others = shortlist([name for name in pictures.names if name not in set(tiffs)])
                raise DataError(f"{folder}: holds pictures that are no TIFF ({others}); name the TIFF files")
            are_stacks = kind == "tiff" or (
                kind is None and len(tiffs) == len(pictures.names) and _are_stacks(folder, tiffs)
            )
            return [Listed(pictures, are_stacks)]
    files = sorted(filter(_is_data, folder.iterdir()), key=lambda path: natural(path.name))
    if not files:
        others = shortlist([path.name for path in folder.iterdir()]) or "nothing"
        raise DataError(f"{folder}: holds no pictures and no files of a known kind; it holds {others}")
    sets = {part.of for path in files if is_named_idx(path) and (part := part_of(path.name))}
    if len(sets) > 1:
        raise DataError(
            f"{folder}: holds several sets ({shortlist([*sets])}), with labels of their own; name the files of one"
        )
    return list(files)


def _is_data(path: Path) -> bool:
    """Whether a file's name says that it holds images. Of an IDX file that is there packed and unpacked, one does."""
    if is_named_idx(path):
        return path.suffix != ".gz" or not path.with_suffix("").exists()
    return path.name.lower().endswith(ENDINGS)


def _are_stacks(folder: Path, names: Sequence[str]) -> bool:
    """Told by the first one that is whole."""
    for name in names:
        try:
            return _pages(folder / name) > 1
        except DataError:
            continue
    return False
