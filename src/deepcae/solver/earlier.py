"""Finds the run that is already in a folder, by its snapshots, and keeps it from being overwritten.

A run is there where complete snapshots are, whatever has become of its record. It is gone on with, or another one takes
its place on purpose (`overwrite`, see `replaced`), or the training is refused.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from ..errors import DataError, DeepcaeError
from ..proto.read import read_solver
from .about import SOLVER, files_of, read_about
from .commit import clean
from .kept import NEXT, complete
from .lock import Lock
from .replaced import Replaced, adopt, kept_before, settle
from .snapshot import BEST, ENDINGS, MANIFEST, MODEL, RESUME, STATE, Snapshot, iterations, latest
from .unclaimed import is_half_done


class Earlier:
    """What lies in `folder`, where a run is to begin or go on whose snapshots are called `prefix`."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        named = dict[str, str]()  # by where they are in truth
        for each in (prefix, recorded_prefix(folder), *_prefixes(folder)):
            if each is not None:
                named.setdefault(_real(each), each)
        self.prefixes = list(named.values())

    def newest(self) -> Snapshot | None:
        """The newest complete snapshot; None where no run is, or only what is left of one that came to none.

        DataError where there are snapshots, but none that can be used.
        """
        for prefix in self.prefixes:
            found = _latest(prefix)
            if found is not None:
                return found
        for prefix in self.prefixes:
            unusable = next(filter(None, _unusable(prefix)), "")
            if unusable:
                raise DataError(
                    f"{self.folder}: holds a run already, but {unusable}; put that right, take another --out, "
                    "or lose the run (--overwrite)"
                )
        return None

    def require_none(self) -> None:
        """DataError if a run lies there that would be lost."""
        newest = self.newest()
        if newest is not None:
            raise DataError(
                f"{self.folder}: holds a run already, at iteration {newest.iteration}; go on with it "
                "(--snapshot latest), take another --out, or lose it (--overwrite)"
            )
        for replaced in Replaced.found(self.folder):
            raise DataError(f"{self.folder}: the run that was to be lost {replaced.where}; or lose it (--overwrite)")

    def require_found(self) -> bool:
        """Whether `prefix` has a snapshot to go on from. DataError if only snapshots of other names are there."""
        newest = self.newest()
        if newest is None:
            return False
        if _latest(self.prefix) is None:
            raise DataError(
                f"{self.folder}: its snapshots are called '{Path(newest.prefix).name}', and the solver text says "
                f"'{Path(self.prefix).name}'; give the text of that run, or take another --out"
            )
        return True

    @contextmanager
    def locked(self) -> Iterator[None]:
        """The other prefixes kept from being trained on. TrainingError if one of them is."""
        with ExitStack() as held:
            for lock in [Lock(prefix) for prefix in self.prefixes if _real(prefix) != _real(self.prefix)]:
                if self._holds(str(lock.path)) and lock.path.parent.is_dir():
                    held.callback(lock.release)
                    lock.acquire()
                else:
                    lock.require_free()
            yield

    def move_aside(self, more: Sequence[str] = ()) -> Replaced | None:
        """Moves what the run wrote, by its record and its manifests, and nothing else. None where there is nothing.

        `more`: other files of the folder that belong to it.
        """
        outside = [prefix for prefix in self.prefixes if not self._holds(prefix) and _latest(prefix) is not None]
        if self.prefix in outside:
            raise DataError(
                f"{self.folder}: the run's snapshots lie outside, {self.prefix}_iter_...; remove them, "
                "or take another snapshot_prefix"
            )
        inside = [prefix for prefix in self.prefixes if self._holds(prefix)]
        files = [path for prefix in inside for path in _files(prefix)]
        names = [os.path.relpath(path, self.folder) for path in files]
        names += [name for name in (*recorded_files(self.folder), *more) if _is_file(self.folder / name)]
        recorded, moved = recorded_prefix(self.folder), None
        if names:
            listed = list(dict.fromkeys(names))
            moved = Replaced.make(self.folder, listed, recorded if recorded in inside else self.prefix)
        if _latest(self.prefix) is not None:
            if moved is not None:
                moved.put_back()
            raise DataError(
                f"{self.folder}: snapshots that no manifest names lie at {self.prefix}_iter_...; move them away, "
                "or take another snapshot_prefix"
            )
        return moved

    def _holds(self, prefix: str) -> bool:
        return _is_in(self.folder, prefix)


def make_way(
    folder: Path, prefix: str, resumed_from: str, overwrite: bool, more: Sequence[str] = ()
) -> Replaced | None:
    """Lets a run begin or go on in a folder. DataError where that would cost the run that lies there.

    For the holder of the lock of `prefix`. Gives the run that the new one takes the place of, kept aside; nothing else
    may be lost by then. `resumed_from`: the state that the run goes on from. `more`: other files that belong to it.
    """
    settle(folder, prefix)
    adopt(folder)
    earlier = Earlier(folder, prefix)
    with earlier.locked():
        return _make_way(earlier, resumed_from, overwrite, more)


def _make_way(earlier: Earlier, resumed_from: str, overwrite: bool, more: Sequence[str]) -> Replaced | None:
    folder, kept = earlier.folder, list(Replaced.found(earlier.folder))
    if resumed_from and _is_in(folder, resumed_from):
        if overwrite:
            raise DataError(f"{folder}: the snapshot to go on from is of the run that would be overwritten")
        if not any(_is_in(each.folder, resumed_from) for each in kept):
            with suppress(DataError):
                for each in kept if kept and earlier.newest() is not None else ():
                    each.remove()
            return None
    if not overwrite:
        earlier.require_none()
        return None
    with suppress(DataError):  # damaged: it is given up
        if earlier.newest() is None and kept:
            return kept[-1]
    moved = earlier.move_aside(more)
    for each in kept:
        each.remove()
    return moved


def tidy(folder: Path, held: str) -> None:
    """Ends what a kill cut off in a folder: a move, or the writing of a snapshot. `held`: as for `settle`.

    TrainingError if a training is at work there.
    """
    settle(folder, held)
    prefix = recorded_prefix(folder)
    if prefix is not None and _is_in(folder, prefix) and Path(prefix).parent.is_dir():
        lock = Lock(prefix)
        lock.acquire()
        try:
            complete(prefix)
            deque(clean(prefix), maxlen=0)  # what cannot be removed is told by the next training
        finally:
            lock.release()


def advice(folder: Path) -> str:
    """How a run in a folder whose texts or record are gone can be gone on with, to end a complaint; "" if it cannot."""
    if before := kept_before(folder):
        return before
    for prefix in _prefixes(folder):
        if _latest(prefix) is not None:
            return f"; its snapshots are there ({prefix}_iter_...): give --solver, the text that it was trained with"
    return ""


def _latest(prefix: str) -> Snapshot | None:
    return latest(prefix, tell=lambda _: None)  # whoever goes on from it is told of damaged ones


def recorded_prefix(folder: Path) -> str | None:
    """The prefix of the run in a folder, by its solver text; None where that cannot be read."""
    with suppress(DeepcaeError, OSError):
        if (folder / SOLVER).is_file():
            given = read_solver(folder / SOLVER).message.snapshot_prefix
            return str(folder / given) if given and "\0" not in given else None
    return None


def recorded_files(folder: Path) -> list[str]:
    """What the run in a folder wrote there, by its record, but its snapshots."""
    try:
        return files_of(read_about(folder)[0])
    except FileNotFoundError:
        return files_of({})


def _files(prefix: str) -> Iterator[Path]:
    """The files of a prefix's snapshots that are ours, as manifests tell; Caffe's own, which have none, are not."""
    stems = [f"{prefix}_iter_{iteration}" for iteration in sorted(iterations(prefix, MANIFEST))]
    for stem in (*stems, *([prefix + BEST] if Path(prefix + BEST + MANIFEST).exists() else [])):
        snapshot = Snapshot.recorded(stem)
        for part in (MANIFEST, *snapshot.parts):
            if _is_file(snapshot.path(part)):
                yield snapshot.path(part)


def _unusable(prefix: str) -> Iterator[str]:
    """What is wrong with snapshots that do not count, in words."""
    best = Snapshot(prefix + BEST)
    if best.path(MANIFEST).exists() and not best.path(MANIFEST + NEXT).exists():
        yield Snapshot.recorded(best.stem).damage()
    for iteration in iterations(prefix, MANIFEST):
        yield Snapshot.recorded(f"{prefix}_iter_{iteration}").damage()
    for iteration in iterations(prefix, RESUME):
        at = Snapshot.at(prefix, iteration)
        whole = any(at.path(MODEL + end).exists() and at.path(STATE + end).exists() for end in ENDINGS)
        if whole and not at.path(MANIFEST).exists() and not is_half_done(at.stem):
            yield f"{at.path(MANIFEST)} is missing"


def _prefixes(folder: Path) -> Iterator[str]:
    """Of the snapshots that lie in a folder itself."""
    ending = re.compile(rf"(?P<prefix>.*)(_iter_\d+|{BEST}){re.escape(MANIFEST)}", re.DOTALL)
    with suppress(FileNotFoundError, NotADirectoryError):
        for match in filter(None, map(ending.fullmatch, sorted(os.listdir(folder)))):
            yield str(folder / match["prefix"])


def _is_file(path: Path) -> bool:
    """A file, or a link of any kind: what can be moved by its name."""
    return path.is_symlink() or path.is_file()


def _is_in(folder: Path, prefix: str) -> bool:
    return Path(_real(prefix)).is_relative_to(os.path.realpath(folder))


def _real(prefix: str) -> str:
    """Where a prefix leads: links of its folder followed, the name as it stands."""
    folder, name = os.path.split(os.path.abspath(prefix))
    return os.path.join(os.path.realpath(folder), name)
