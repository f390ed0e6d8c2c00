"""Where each row of prepared data comes from: the source, the image in it, its time, and the place of a patch in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..bounds import require_room
from ..codes.h5values import dataset_of
from ..data import folder, h5file
from ..data.contents import format_of
from ..data.folder import list_pictures
from ..data.lists import read_list
from ..data.stored import DAMAGE
from ..errors import DataError, first_line, warn
from ..inplace import unread
from ..prepare.options import Options, Size
from ..prepare.steps import Steps
from ..prepare.understood import Understood
from ..prepare.write import ALL, ORIGIN, TIME, Prepared
from ..proto.lookup import STORED, resolve
from ..trained.network import Trained

PREPARE_ANEW = "prepare it with `deepcae data any`, or give the folder that it wrote"
_OWN = {"source", "row", "y", "x", "name", "names", "sources", TIME}


@dataclass(frozen=True)
class Origins:
    """Of each row of the data, in their order: `source`, `row` (n,); `place` (n, 2), y and x of a patch, or None.

    `part`: of which file it is, a number in `parts`; `sources`: their names; `counted`: what the source's file counts
    (t, z), by name; `names`: of the images, where they have some; `time` (n,): seconds, where the sources tell them.
    `understood`: what images.json says, if it is there.
    """

    source: np.ndarray
    row: np.ndarray
    place: np.ndarray | None
    part: np.ndarray
    parts: tuple[str, ...]
    sources: tuple[str, ...]
    counted: dict[str, np.ndarray]
    names: np.ndarray | None
    understood: Understood | None
    time: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.source)

    def some(self, rows: np.ndarray) -> Origins:
        """Those of some rows."""
        return replace(
            self, source=self.source[rows], row=self.row[rows], part=self.part[rows],
            place=None if self.place is None else self.place[rows],
            names=None if self.names is None else self.names[rows],
            time=None if self.time is None else self.time[rows],
            counted={name: values[rows] for name, values in self.counted.items()},
        )  # fmt: skip

    @property
    def order(self) -> np.ndarray:
        """The rows as they stand in the sources: by source, image, y and x."""
        keys = [self.row, self.source]
        return np.lexsort(keys if self.place is None else [self.place[:, 1], self.place[:, 0], *keys])

    def name(self, index: int) -> str:
        """What the image is called that a row of the data is of, or is cut from; "" where it has no name."""
        return "" if self.names is None else str(self.names[index])

    def where(self, index: int) -> dict[str, Any]:
        """All that is known of a row, for programs."""
        told = {"source": self.sources[self.source[index]], "row": int(self.row[index]), "name": self.name(index)}
        told["part"] = self.parts[self.part[index]]
        told |= {name: int(values[index]) for name, values in self.counted.items()}
        if self.time is not None:
            told[TIME] = float(self.time[index])
        if self.place is not None:
            told |= {"y": int(self.place[index, 0]), "x": int(self.place[index, 1])}
        return told

    def columns(self, rows: slice) -> dict[str, np.ndarray]:
        """The same of several rows, an array each, by which a table of codes is joined to others.

        `source` is as much of a path's end as tells the sources apart.
        """
        short = np.array(_shortest(self.sources))
        found = {"source": short[self.source[rows]], "row": self.row[rows]}
        found |= {"name": self.names[rows]} if self.names is not None else {}
        found |= {"part": np.array(self.parts)[self.part[rows]]} if len(self.parts) > 1 else {}
        found |= {name: values[rows] for name, values in self.counted.items()}
        found |= {TIME: self.time[rows]} if self.time is not None else {}
        return found | ({"y": self.place[rows, 0], "x": self.place[rows, 1]} if self.place is not None else {})

    def called(self, index: int) -> str:
        """The same for people, short: `cell.tif 12`, `003.png`, `cell.tif 12 (64, 32)`."""
        source = Path(self.sources[self.source[index]]).name
        words = self.name(index) or (f"{source} {self.row[index]}" if len(self.sources) > 1 else str(self.row[index]))
        return words if self.place is None else f"{words} ({self.place[index, 0]}, {self.place[index, 1]})"

    @property
    def told(self) -> str:
        """What `called` says, for the caption of a picture: `its number in cell.tif, from 0`."""
        name = "its name" if self.names is not None else "its file and its number in it, from 0"
        if self.names is None and len(self.sources) == 1:
            name = f"its number in {Path(self.sources[0]).name}, from 0"
        return name if self.place is None else f"{name}, and y and x of the patch"

    @property
    def told_shortly(self) -> str:
        """The same in a word or two, for a line in a picture."""
        name = "name" if self.names is not None else "file and number" if len(self.sources) > 1 else "number"
        return name if self.place is None else f"{name} (y, x)"

    @property
    def together(self) -> str:
        """What the images are in their order: pictures of a folder may follow each other, but are no recording."""
        return "recording" if self.names is None else "series"

    @property
    def numbered(self) -> str:
        """The one source in which `row` counts whole images; "" where there are several, or images have names."""
        alone = len(self.sources) == 1 and self.names is None and self.place is None
        return Path(self.sources[0]).name if alone else ""

    def confounded(self, labels: np.ndarray) -> str:
        """A sentence where each class is one file, and each file one class (n,); "" where they can be told apart."""
        classes, of = np.unique(labels, return_inverse=True)
        pairs = len(np.unique(np.stack([of.reshape(-1), self.source]), axis=1).T)
        if self.names is not None or len(classes) < 2 or not pairs == len(classes) == len(np.unique(self.source)):
            return ""
        return (
            "Each class comes from one file alone: whatever else sets these recordings apart (day, light, noise) "
            "separates the classes, too. Judge them by files that were not learned from."
        )

    def image_size(self, source: int, patch: Size) -> Size:
        """Height and width of the images of a source as they were prepared, or what their patches cover."""
        assert self.place is not None
        most = self.place[self.source == source].max(axis=0)
        size = (int(most[0]) + patch[0], int(most[1]) + patch[1])
        told = self.understood.sources[source] if self.understood and source < len(self.understood.sources) else {}
        if told.get("shape") and len(told["shape"]) == 3 and self.understood is not None:
            _, height, width = Steps(options_of(self.understood)).shape_of(tuple(told["shape"]))
            size = (max(size[0], height), max(size[1], width))
        return size


def options_of(understood: Understood) -> Options:
    """How the images were prepared."""
    told = understood.options.items()
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in told}
    if given.get("labels"):
        given["labels"] = Path(given["labels"])
    try:
        return Options(**given)
    except TypeError as error:
        raise DataError(f"{STORED}: was written by another release of deepcae ({error})") from error


def data_of(trained: Trained, data: Path | None) -> Path:
    """The list or file of the data: what is given, of a folder its list of all; by itself what the net learned from."""
    if data is None:
        layers = [
            layer for layer in trained.net.sources if layer.HasField("hdf5_data_param") and trained.images in layer.top
        ]
        if not layers:
            raise DataError(f"{trained.origin}: its net names no HDF5 data; give DATA")
        listed = resolve(layers[0].hdf5_data_param.source, *trained.folders)
        return listed.with_name(ALL) if listed.with_name(ALL).is_file() else listed
    if data.is_dir() and (data / STORED).is_file():
        return data / ALL if (data / ALL).is_file() else Prepared.load(data).train
    return data


def origins_of(data: Path, folders: Sequence[Path] = ()) -> Origins:
    """What the files of prepared data say of their rows. DataError where they say nothing: with what to do."""
    files = read_list(data, *folders) if data.suffix == ".txt" else [data]
    found = [_of_file(path) for path in files]
    sources = tuple(dict.fromkeys(name for each in found for name in each["sources"]))
    numbers = [np.array([sources.index(name) for name in each["sources"]], np.int32) for each in found]
    told = [each["places"] for each in found]
    same = set(told[0]).intersection(*told)
    join = {name: np.concatenate([each[name] for each in told]) for name in told[0] if name in same}
    lengths = [len(each["row"]) for each in told]
    parts = tuple(path.stem for path in files)
    names = [each["names"] for each in found]
    return Origins(
        source=np.concatenate([of[each["source"]] for of, each in zip(numbers, told, strict=True)]),
        row=join["row"],
        place=np.stack([join["y"], join["x"]], axis=1) if {"y", "x"} <= set(join) else None,
        part=np.repeat(np.arange(len(files)), lengths),
        parts=parts,
        sources=sources,
        counted={name: values for name, values in join.items() if name not in _OWN},
        names=np.concatenate(names) if all(each is not None for each in names) else None,
        understood=_understood(data),
        time=join.get(TIME),
    )


def rows_alone(path: Path, total: int) -> Origins | None:
    """Of an array file or a stack, which has no place for origins: its rows, in their order. None of others."""
    if path.suffix == ".txt" or (found := format_of(path)) is None or found is h5file.FORMAT:
        return None
    source, part = np.zeros(total, np.int32), np.zeros(total, np.int64)
    names = np.array(list_pictures(path).names) if found is folder.FORMAT else None
    return Origins(source, np.arange(total, dtype=np.int32), None, part, (path.stem,), (str(path),), {}, names, None)


def names_in(path: Path | None) -> Origins | None:
    """Of a folder of pictures: their names. None of anything else."""
    if path is None or format_of(path) is not folder.FORMAT:
        return None
    return rows_alone(path, len(list_pictures(path).names))


def known_origins(trained: Trained, data: Path | None, count: int) -> Origins | None:
    """Where `count` rows of data come from, or those of the net's own test data; None where nothing says it.

    Files that somebody else wrote say nothing, and that is no fault. What cannot be read, or is of other rows, is told.
    """
    try:
        if data is None:
            layer = next(each for each in trained.net.sources if trained.images in each.top)
            source = layer.hdf5_data_param.source
            found = origins_of(resolve(source, *trained.folders), trained.folders) if source else None
        else:
            found = origins_of(data, trained.folders)
    except (_Nothing, StopIteration):
        return None
    except DataError as error:
        warn(f"where the images come from is left out: {error}")
        return None
    if found is None or len(found) == count:
        return found
    warn(f"where the images come from is left out: it is told of {len(found)} rows, and {count} are there")
    return None


class _Nothing(DataError):
    """The file is of another kind, or somebody else's."""


def _shortest(titles: Sequence[str]) -> list[str]:
    """The last names of paths, as many as tell them apart: `cells.tif`, or `a/cells.tif` and `b/cells.tif`.

    What follows the path is kept: `a.h5: images/trial_1`.
    """
    cut = [title.partition(": ") for title in titles]
    paths = list(dict.fromkeys(path for path, _, _ in cut))
    parts = {path: Path(path).parts or (path,) for path in paths}
    longest = max(map(len, parts.values()))
    depth = next((n for n in range(1, longest) if len({each[-n:] for each in parts.values()}) == len(paths)), 0)
    return [str(Path(*parts[path][-depth:])) + colon + rest for path, colon, rest in cut]


def _of_file(path: Path) -> dict[str, Any]:
    if (kind := format_of(path)) is not h5file.FORMAT:
        raise _Nothing(
            f"{path}: is {kind.name if kind else 'of no known kind'}, which says nothing of it; {PREPARE_ANEW}"
        )
    try:
        with h5py.File(path, "r") as file:
            is_here = isinstance(file.get(ORIGIN, getlink=True), h5py.HardLink)
            group = file[ORIGIN] if is_here else None
            if not isinstance(group, h5py.Group) or not {"source", "row", "sources"} <= set(group):
                raise _Nothing(f"{path}: does not say where its rows come from (no group '{ORIGIN}'); {PREPARE_ANEW}")
            places = {
                name: _values(file, path, name).astype(np.float64 if name == TIME else np.int32, copy=False)
                for name in group
                if name not in ("sources", "names", "name")
            }
            names = _words(file, path, "names") if "names" in group else None
            if names is not None and "name" in group:
                names = names[_values(file, path, "name")]
            sources = _words(file, path, "sources").tolist()
            return {"places": places, "sources": sources, "names": names}
    except DAMAGE as error:
        raise DataError(unread(path, error, f"{path}: cannot be read ({first_line(error)}); {PREPARE_ANEW}")) from error


def _values(file: h5py.File, path: Path, name: str) -> np.ndarray:
    """A dataset of what the file says of its rows; none that takes far more memory than the file."""
    dataset = dataset_of(file, path, f"{ORIGIN}/{name}")
    letters = 5 if dataset.dtype.kind == "S" else 1  # bytes, and letters of 4 bytes
    require_room(dataset.size * dataset.dtype.itemsize * letters, path.stat().st_size)
    return np.asarray(dataset)


def _words(file: h5py.File, path: Path, name: str) -> np.ndarray:
    return np.char.decode(_values(file, path, name).astype("S"), "utf-8", "backslashreplace")


def _understood(data: Path) -> Understood | None:
    return Prepared.load(data.parent).understood if (data.parent / STORED).is_file() else None


def images_in(origins: Origins) -> Iterator[tuple[int, np.ndarray]]:
    """(source, its images in rising order), of those of which the data hold something."""
    for source in np.unique(origins.source).tolist():
        yield source, np.unique(origins.row[origins.source == source])
