"""`prepare`: images of any source as train.h5, test.h5, their lists, and images.json, which says what was done."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import temporary_beside, whole_file
from ..data.folder import shortlist
from ..data.meaning import put_meaning
from ..data.named import Named
from ..data.stored import DAMAGE
from ..errors import DataError, first_line
from ..h5disk import new_h5
from ..inplace import json_of, unread
from ..proto.lookup import STORED
from .costly import Rewritten
from .images import ArrayImages
from .inspect import Looked, look, title_of
from .looked import require_finite
from .options import Options
from .plan import BLOCK, PARTS, Planned
from .sources import Source
from .understood import Understood

ALL = "all.txt"  # lists both parts
ORIGIN = "origin"  # the group that says where each row comes from
TIME = "time"  # in that group: seconds, NaN where a file tells none
_PAGES = ("q", "i")  # steps that are the row itself
Progress = Callable[[int, int], object]
"""Is told how many rows are done, of how many."""


@dataclass(frozen=True)
class Prepared:
    """`folder`: holds the lists `train` and `test` (None: nothing was held out) and images.json."""

    folder: Path
    train: Path
    test: Path | None
    understood: Understood

    @classmethod
    def load(cls, folder: str | Path) -> Prepared:
        """What `prepare` wrote into a folder. DataError where it is no such folder."""
        place = Path(folder)
        try:
            told = json_of(place / STORED)
            understood = Understood.from_json(told["images"])
            lists = {part: place / told["lists"][part] for part in ("train", *({"test"} & told["lists"].keys()))}
        except OSError as error:
            raise DataError(f"{place / STORED}: cannot be read: {error.strerror or error}") from error
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise DataError(f"{place / STORED}: was not written by `deepcae data`, or is damaged") from error
        return cls(place, lists["train"], lists.get("test"), understood)


def prepare(
    sources: Any,
    out: str | Path,
    options: Options | None = None,
    *,
    kind: str | None = None,
    overwrite: bool = False,
    tell: Callable[[Understood], object] | None = None,
    progress: Progress | None = None,
    looked: Looked | None = None,
) -> Prepared:
    """Writes the images under some paths as data of a net, in pieces; what `inspect` says is what is done.

    Where whole HDF5 or .npy files are parts, and nothing has to change, the lists name them, and nothing is copied.

    `out`: a folder, for train.h5, test.h5, the lists train.txt, test.txt and all.txt, and images.json; or a file
    `x.h5`, which gets all rows. In the files: `data`, as the values are stored, `label` where there are labels, and in
    the group `origin` the source, row, y and x of each row. DataError for damaged images and values that are not
    finite, without `overwrite` where other files stand there, and where the disk has not enough room: then nothing is
    changed. `tell` gets what was understood before the first image is stored. `looked`: what `look` gave for the same
    sources and options.
    """
    target, options = Path(out), options or Options()
    alone = target.suffix.lower() in (".h5", ".hdf5")
    if alone:
        options = replace(options, split="none")
    _require_free(target, alone, overwrite)
    if looked is None or looked.plan.options != options:
        looked = look(sources, options, kind)
    if alone and not looked.understood.copied:
        looked = replace(looked, understood=replace(looked.understood, copied=looked.understood.bytes))
    try:
        if tell is not None:
            tell(looked.understood)
        if not looked.understood.copied:
            return _listed(target, looked)
        folder = target.parent if alone else target
        _require_room(folder, looked.understood.copied)
        for source in looked.plan.sources:
            if source.cost is not None:
                _rewrite(source, folder)
        return _written(target, looked, alone, progress)
    except OSError as error:
        raise DataError(f"{target}: cannot be written there ({error.strerror or error})") from error
    finally:
        for source in looked.plan.sources:
            source.close()


def _require_free(target: Path, alone: bool, overwrite: bool) -> None:
    parts = [name for part in PARTS for name in (f"{part}.h5", f"{part}.txt")]
    names = [target, target.with_suffix(".txt")] if alone else [target / name for name in (*parts, ALL, STORED)]
    taken = [path.name for path in names if path.exists()]
    if taken and not overwrite:
        raise DataError(f"{target}: {', '.join(taken)} would be replaced; name another folder, or --overwrite")


def _require_room(folder: Path, needed: int) -> None:
    while not folder.exists():
        folder = folder.parent
    if (free := shutil.disk_usage(folder).free) < needed:
        raise DataError(f"{folder}: {needed / 2**30:.1f} GiB are needed there, {free / 2**30:.1f} GiB are free")


def _listed(folder: Path, looked: Looked) -> Prepared:
    """Lists that name the sources themselves: nothing has to change, and nothing is copied."""
    plan = looked.plan
    named = {part: plan.items[plan.part(part).items, 0] for part in looked.understood.rows}
    lists = {part: folder / f"{part}.txt" for part in named}
    note = "the files are used where they lie; nothing is copied"
    understood = replace(looked.understood, notes=(*looked.understood.notes, note))
    texts: dict[Path, str] = {}
    for part, sources in named.items():
        paths = [str(plan.sources[number].path.resolve()) for number in np.unique(sources).tolist()]
        texts[lists[part]] = "\n".join(paths) + "\n"
    with ExitStack() as whole:
        withdraw = whole.enter_context(_withdrawing([]))
        _tell_of(_begun(whole, folder / STORED, folder, texts), lists, understood)
        withdraw([folder / STORED, *([folder / ALL] if len(texts) > 1 else []), *texts])
    return Prepared(folder, lists["train"], lists.get("test"), understood)


def _begun(whole: ExitStack, told: Path, folder: Path, texts: dict[Path, str]) -> Path:
    """Writes the lists, one of all if there are two, and gives the file for what is told.

    A stack is left backwards: what is told appears last, behind lists and data. Where it is, all is there.
    """
    temporary = whole.enter_context(whole_file(told))
    both = {folder / ALL: "".join(texts.values())} if len(texts) > 1 else {}
    for path, text in {**texts, **both}.items():
        whole.enter_context(whole_file(path)).write_text(text)
    return temporary


def _tell_of(path: Path, lists: dict[str, Path], understood: Understood) -> None:
    content = {"format": 1, "lists": {part: listed.name for part, listed in lists.items()}}
    path.write_text(json.dumps({**content, "images": understood.to_json()}, indent=1) + "\n", encoding="utf-8")


def _rewrite(source: Source, folder: Path) -> None:
    """Puts the images of a source one after another, in a file that nobody sees."""
    images = source.images
    assert isinstance(images, ArrayImages)
    assert isinstance(images.array, Named)
    try:
        source.images, source.cost = ArrayImages(Rewritten(images.array, folder)), None
    except DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DataError(unread(source.path, error, f"{source.title}: cannot be read ({first_line(error)})")) from error
    images.close()


def _written(target: Path, looked: Looked, alone: bool, progress: Progress | None) -> Prepared:
    understood, total, done = looked.understood, sum(looked.understood.rows.values()), 0
    parts = {name: looked.plan.part(name) for name in understood.rows}
    names = {part: target if alone else target / f"{part}.h5" for part in parts}
    folder = target.parent if alone else target
    told = folder / (f"{target.stem}.images.json" if alone else STORED)
    lists = {part: path.with_suffix(".txt") for part, path in names.items()}
    seen = _Seen()
    with ExitStack() as whole:
        withdraw = whole.enter_context(_withdrawing([*names.values()]))
        temporary = _begun(whole, told, folder, {lists[part]: f"{path.name}\n" for part, path in names.items()})
        made = {part: whole.enter_context(whole_file(path)) for part, path in names.items()}
        for part, rows in parts.items():
            count = done

            def advance(rows_done: int, before: int = count) -> None:
                if progress is not None:
                    progress(before + rows_done, total)

            _fill(made[part], rows, looked, seen, advance)
            done += rows.shape[0]
        understood = seen.added_to(understood)
        _tell_of(temporary, lists, understood)
        withdraw([told, *([folder / ALL] if len(lists) > 1 else []), *lists.values()])
    return Prepared(folder, lists["train"], lists.get("test"), understood)


@contextmanager
def _withdrawing(files: Sequence[Path]) -> Iterator[Callable[[list[Path]], None]]:
    """Yields a function that takes earlier lists of `files` away, what was told first, before a file is replaced.

    So a kill between two files leaves no lists that name an old and a new one. Where the block raises before the first
    is replaced, the lists are back.
    """
    away: list[tuple[Path, Path]] = []
    before = [_identity(path) for path in files]

    def withdraw(lists: list[Path]) -> None:
        for path in lists if lists[0].is_file() else ():
            if path.is_file():
                away.append((path, temporary_beside(path)))
                os.replace(*away[-1])

    try:
        yield withdraw
    except BaseException:
        if [_identity(path) for path in files] == before:
            for path, hidden in away:
                os.replace(hidden, path)
        raise
    finally:
        for _, hidden in away:
            hidden.unlink(missing_ok=True)


def _identity(path: Path) -> tuple[int, int] | None:
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


def _fill(path: Path, rows: Planned, looked: Looked, seen: _Seen, progress: Callable[[int], None]) -> None:
    """One file, block by block."""
    total, shape = rows.shape[0], rows.shape
    size = max(1, BLOCK // max(1, int(np.prod(shape[1:])) * rows.dtype.itemsize))
    with new_h5(path) as (file, require_whole):
        data = file.create_dataset("data", shape, rows.dtype)
        label = None
        if looked.labels is not None:
            label = file.create_dataset("label", (total, *looked.labels.shape[1:]), np.float32)
            put_meaning(label, looked.understood.meaning)
        origin = {
            name: file.create_dataset(f"{ORIGIN}/{name}", (total,), np.float64 if name == TIME else np.int64)
            for name in _columns(rows)
        }
        for start in range(0, total, size):
            stop = min(total, start + size)
            block = rows.read(start, stop)
            items = rows.images_of(start, stop)
            seen.look(block, rows, items, rows.name)
            data[start:stop] = block
            if label is not None and looked.labels is not None:
                label[start:stop] = looked.labels[items]
            for name, values in _origins(rows, start, stop).items():
                origin[name][start:stop] = values
            require_whole()
            progress(stop)
        _name_sources(file, rows)
        require_whole()


def _columns(rows: Planned) -> list[str]:
    counted = [name for source in rows.plan.sources for name, _ in source.told.steps if name not in _PAGES]
    timed = [TIME] if any(source.told.seconds is not None for source in rows.plan.sources) else []
    return ["source", "row", *(["y", "x"] if rows.plan.options.patch else []), *dict.fromkeys(counted), *timed]


def _origins(rows: Planned, start: int, stop: int) -> dict[str, np.ndarray]:
    """Where the rows come from: source, row, the place of a patch, what the file counts (t, z), and seconds."""
    places = rows.where(start, stop)
    times = np.full(len(places), np.nan)
    found = {"source": places[:, 0], "row": places[:, 1], "y": places[:, 2], "x": places[:, 3]}
    for number in np.unique(places[:, 0]).tolist():
        steps, seconds = rows.plan.sources[number].told.steps, rows.plan.sources[number].told.seconds
        here = places[:, 0] == number
        indices = np.unravel_index(places[here, 1], [size for _, size in steps]) if steps else ()
        for (name, _), index in zip(steps, indices, strict=True):
            found.setdefault(name, np.zeros(len(places), np.int64))[here] = index
        if seconds is not None:
            times[here] = seconds[places[here, 1]]
    found[TIME] = times
    nothing = np.zeros(len(places), np.int64)
    return {name: found.get(name, nothing) for name in _columns(rows)}


def _name_sources(file: Any, rows: Planned) -> None:
    """The names of the sources, and of pictures: those of the rows."""
    sources = [source.title.encode(errors="surrogateescape") for source in rows.plan.sources]
    file.create_dataset(f"{ORIGIN}/sources", data=np.array(sources, "S"))
    images = rows.plan.sources[0].images
    if images.total and images.name(0):
        names = [_name(rows, item).encode(errors="surrogateescape") for item in rows.items.tolist()]
        file.create_dataset(f"{ORIGIN}/names", data=np.array(names, "S"))
        if rows.plan.options.patch:  # several rows have one name
            numbers = np.searchsorted(rows.ends, np.arange(rows.shape[0]), side="right")
            file.create_dataset(f"{ORIGIN}/name", data=numbers)


def _name(rows: Planned, item: int) -> str:
    source, row = rows.plan.items[item].tolist()
    return rows.plan.sources[source].images.name(row)


class _Seen:
    """What is noticed while all rows go by."""

    def __init__(self) -> None:
        self.least, self.most = np.inf, -np.inf
        self.constant: list[str] = []
        self.num_constant = self.num_known = 0
        self._hashes = [np.empty(0, np.int64)]  # of the training images, 8 bytes each

    def look(self, block: np.ndarray, rows: Planned, items: np.ndarray, part: str) -> None:
        """DataError where a value is not finite."""
        if block.dtype.kind == "f" and not np.isfinite(block).all():
            for row, item in zip(block, items.tolist(), strict=True):
                require_finite(row, rows.plan, item)
        self.least, self.most = min(self.least, float(block.min())), max(self.most, float(block.max()))
        flat = block.reshape(len(block), -1)
        for at in np.flatnonzero((flat == flat[:, :1]).all(axis=1)).tolist():
            self.num_constant += 1
            if len(self.constant) < 3:
                self.constant.append(title_of(rows.plan, int(items[at])))
        hashes = np.array([hash(row.tobytes()) for row in flat], np.int64)
        if part == PARTS[0]:
            self._hashes.append(hashes)
        else:
            if len(self._hashes) > 1:
                self._hashes = [np.sort(np.concatenate(self._hashes))]
            known = self._hashes[0]
            self.num_known += int((known[np.searchsorted(known, hashes).clip(max=len(known) - 1)] == hashes).sum())

    def added_to(self, understood: Understood) -> Understood:
        notes = list(understood.notes)
        if self.num_constant:
            notes.append(f"{self.num_constant} images are of one value throughout: {shortlist(self.constant)}")
        if self.num_known:
            notes.append(f"{self.num_known} test images stand among the training images, byte for byte")
        return replace(understood, range=(self.least, self.most), notes=tuple(notes))
