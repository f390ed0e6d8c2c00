"""What lies under the paths that were given: each file, or folder of pictures, with its images and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..data.axes import axes_of, oriented
from ..data.contents import LABELS, format_of
from ..data.folder import PictureList, natural
from ..data.masked import Masked
from ..data.misread import counts_last
from ..data.named import Named
from ..data.stored import Format, Given, Stored, Told
from ..errors import DataError
from .costly import BLOCK, Cost, cost_of
from .images import ArrayImages, Images, PictureImages
from .options import Options
from .paths import KINDS, expanded

LISTED = "listed pictures"
_LETTERS = {"hw": "nyx", "chw": "ncyx", "hwc": "nyxc"}  # of what the shape tells


@dataclass
class Source:
    """Images of one file or folder. `path`: as it was given; `kind`: of file; `dataset`: the array's name.

    `labels` (n,) or (n, k), with `classes` where they are numbers of these; `told`: what the file says of its rows;
    `is_test` (n,): which are held out, where its folders say so.
    """

    path: Path
    kind: str
    images: Images
    told: Told = field(default_factory=Told)
    dataset: str = ""
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()
    array: Stored | None = None  # as it is stored, before its axes are told
    is_test: np.ndarray | None = None
    cost: Cost | None = None  # where its images must be rewritten before they are read

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"{self.path}: {self.dataset}" if self.dataset not in ("", "data") else str(self.path)

    def called(self, row: int) -> str:
        """What messages call one of its images: the file of a picture, or its row."""
        if isinstance(self.images, PictureImages):
            return str(self.images.pictures.path(row))
        return f"{self.title}: image {row}"

    def close(self) -> None:
        self.images.close()


def open_sources(paths: Sequence[str | Path], options: Options, kind: str | None = None) -> list[Source]:
    """The sources under paths, in their order. `kind`: one of `KINDS`, what alone may be there.

    A folder is one of pictures, or its files are sources: stacks, or data files. DataError where nothing can be read.
    """
    sources: list[Source] = []
    for entry in expanded([Path(path) for path in paths], kind):
        if isinstance(entry, Path):
            sources.extend(_of_file(entry, options, kind))
        elif entry.are_stacks:
            sources.extend(_of_stacks(entry.pictures, options))
        else:
            if options.masks or options.axes:
                what, flag = ("have no masks", "masks") if options.masks else ("tell their axes themselves", "axes")
                raise DataError(f"{entry.path or entry.pictures.root}: picture files {what}: leave --{flag} out")
            sources.append(_of_pictures(entry.pictures, entry.path))
    if not sources:
        raise DataError("no images are given: name files or folders")
    return sources


def _of_pictures(pictures: PictureList, listed: Path | None) -> Source:
    images = PictureImages(pictures)
    images.require_one_type()
    told = Told(notes=(*pictures.notes, *images.notes()))
    kind = LISTED if listed else "pictures" if len(pictures.names) != 1 else "picture"
    return Source(listed or pictures.root, kind, images, told, labels=pictures.labels, classes=pictures.classes,
                  is_test=pictures.is_test)  # fmt: skip


def _of_stacks(pictures: PictureList, options: Options) -> list[Source]:
    """Each file of a folder; their subfolders are classes."""
    sources = []
    for number, name in enumerate(pictures.names):
        for source in _of_file(pictures.root / name, options, "tiff"):
            if pictures.labels is not None:
                source.labels = np.full(source.images.total, pictures.labels[number], np.float32)
                source.classes = pictures.classes
            if pictures.is_test is not None:
                source.is_test = np.full(source.images.total, pictures.is_test[number])
            sources.append(source)
    for source in sources:  # of the folder, which is told once
        source.told = replace(source.told, notes=(*pictures.notes, *source.told.notes))
    return sources


def _of_file(path: Path, options: Options, kind: str | None) -> list[Source]:
    found = format_of(path)
    if found is None or (kind is not None and found.name not in KINDS[kind]):
        is_what = f"is {found.name}" if found else "is of no known kind"
        wanted = (
            f"{', '.join(KINDS[kind])}" if kind else "pictures, TIFF, HDF5, NWB, Zarr, NIfTI, .npy, .npz, .mat, video"
        )
        raise DataError(f"{path}: {is_what}; here {wanted} can be read")
    names = _names(path, found.open(path), options)
    sources = [_of_array(path, found, name, options) for name in names]
    if len(names) > 1:  # trials
        for source in sources:
            source.told = replace(source.told, is_series=True)
    if found.name == "HDF5" and "masks" in set(found.open(path)) and not any(n.startswith("masks") for n in names):
        note = "its masks are not applied: all pixels are stored as they are (--masks applies them)"
        if options.masks:
            note = "its masks are applied: pixels that they hide are 0"
        sources[0].told = replace(sources[0].told, notes=(*sources[0].told.notes, note))
    return sources


def _shapes(arrays: Mapping[str, Stored]) -> dict[str, tuple[int, ...]]:
    """Those of all arrays of a file, by name."""
    if hasattr(arrays, "listing"):
        return dict(arrays.listing())
    return {name: arrays[name].shape for name in arrays}


def _names(path: Path, arrays: Mapping[str, Stored], options: Options) -> list[str]:
    """The arrays of images of a file: the one that is named, `data`, or the only one that can be meant."""
    shapes = _shapes(arrays)
    known = {*shapes, *arrays}
    wanted = options.dataset or ("data" if "data" in known else None)
    if wanted is not None and wanted.strip("/") in shapes:
        return [wanted.strip("/")]
    if wanted is not None and wanted in known and not _of_group(shapes, wanted):
        return [wanted]
    if wanted is not None and (series := _of_group(shapes, wanted)):
        return series
    if wanted is not None:
        raise DataError(f"{path}: has no array '{wanted}'; it holds {_told(shapes)}")
    if trials := _of_group(shapes, "images"):
        return trials
    rich = [name for name, shape in shapes.items() if len(shape) >= 3] or [
        name for name, shape in shapes.items() if len(shape) == 2 and name not in LABELS
    ]
    if len(rich) == 1:
        return rich
    raise DataError(f"{path}: which array holds the images? Name one with --dataset: {_told(shapes)}")


def _of_group(shapes: Mapping[str, tuple[int, ...]], group: str) -> list[str]:
    """The datasets right in a group, as `images/trial_0001`, where all hold images of one size."""
    inside = sorted((name for name in shapes if name.rpartition("/")[0] == group.strip("/")), key=natural)
    rows = {shapes[name][1:] for name in inside}
    return inside if len(rows) == 1 and len(next(iter(rows))) >= 2 else []


def _told(shapes: Mapping[str, tuple[int, ...]]) -> str:
    some = [f"{name} {list(shape)}" for name, shape in list(shapes.items())[:6]]
    return ", ".join(some) + (f" and {len(shapes) - 6} more" if len(shapes) > 6 else "") or "nothing"


def _of_array(path: Path, found: Format, name: str, options: Options) -> Source:
    arrays = found.open(path)
    plain = getattr(arrays, "plain", None) if options.axes is not None else None  # a word against the file's
    array: Stored = arrays[name] if plain is None else plain(name)
    if options.masks:
        mask = name.replace("images", "masks", 1)
        if mask == name or mask not in arrays:
            raise DataError(f"{path}: has no masks for '{name}', as masks/… beside images/…: leave --masks out")
        array = Masked(array, arrays[mask])
    laid, told = laid_out(array, options, _as_long_as_last(arrays, array.shape))
    label = next((each for each in LABELS if each in set(arrays) and each != name), None)
    labels = None
    if label is not None:
        stored = arrays[label]
        if stored.shape[0] == laid.shape[0] and len(stored.shape) <= 2:
            labels = np.asarray(stored.read(0, stored.shape[0]))
        else:
            note = f"'{label}' has shape {list(stored.shape)} for {laid.shape[0]} images: it is left out"
            told = replace(told, notes=(*told.notes, note))
        stored.close()
    cost = cost_of(laid)
    if cost is not None and cost.total <= BLOCK:
        assert isinstance(laid, Named)
        whole = laid.ordered(np.asarray(laid.fetch((slice(None),) * len(laid.axes))))
        laid, cost = Given(whole.reshape(laid.shape), laid.origin), None
    if cost is not None:
        told = replace(told, notes=(*told.notes, f"{name}: {cost}"))
    return Source(path, found.name, ArrayImages(laid), told, name, labels, array=array, cost=cost)


def _as_long_as_last(arrays: Mapping[str, Stored], shape: Sequence[int]) -> str:
    """An array beside these with a value for each place of their last axis, as times have, if none fits the first."""
    lines = {found[0]: name for name, found in _shapes(arrays).items() if len(found) == 1}
    return lines.get(shape[-1], "") if shape[0] not in lines else ""


def laid_out(array: Stored, options: Options, beside: str = "") -> tuple[Stored, Told]:
    """The array with rows (c, h, w), or (k,): by the file's own word, by `--axes`, or by its shape.

    `beside`: an array that has as many values as the last axis.
    """
    if array.told is not None:
        if options.axes is not None:
            raise DataError(f"{array.origin}: the file itself tells its axes; leave --axes out")
        return array, array.told
    if options.axes is not None:
        named = _named(array, options.axes)
        return named, named.told or Told()
    try:
        axes = axes_of(array.shape, what=array.origin)
    except DataError as error:
        readings = "one letter for each axis, as ncyx or nyxc"
        raise DataError(
            f"{array.origin} has shape {array.shape}: which axis is what? Give --axes: {readings}"
        ) from error
    notes = array.notes
    if axes.is_moved:
        notes += (f"{axes}: stored channels first",)
    elif axes.order == "flat":
        rows, values = array.shape
        notes += (f"{rows} flat rows of {values} values, no images; one image would be --axes yx",)
    elif axes.order == "hw" and (beside or counts_last(array)):
        height, width, count = array.shape
        by_values = "by their values the first two axes look like height and width"
        why = f"'{beside}' beside them has {count} values" if beside else by_values
        notes += (
            f"read as {height} images of {width}x{count}; but {why}: --axes yxn reads {count} images of "
            f"{height}x{width}",
        )
    if array.chunks is not None and axes.order in _LETTERS and cost_of(named := _named(array, _LETTERS[axes.order])):
        return named, Told(notes=notes)
    return oriented(array, axes), Told(notes=notes)


def _named(array: Stored, axes: str) -> Named:
    """The array with axes that have names. What is not in chunks is read line by line of its first axis."""
    chunks = array.chunks
    if chunks is None and axes[:1].lower() in "csyx":
        chunks = (1, *array.shape[1:])
    return Named(array.origin, axes, array.shape, array.dtype, array.part, chunks=chunks, notes=array.notes, held=array)
