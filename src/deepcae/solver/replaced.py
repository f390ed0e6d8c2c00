"""A run that is about to be replaced: kept aside until the new run has its first complete snapshot.

It is moved, file by file, into DIR/replaced-run, which is a run's folder then: it can be looked at and gone on with.
`moving.json` in it lists the files, before the first of them moves; when all are there it becomes `replaced.json`. So a
kill at any moment loses nothing: a move that was not finished is undone by whoever comes next (`settle`).
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ..atomic import sync_folder, whole_folder
from ..errors import warn
from ..inplace import json_of
from .lock import Lock

NAME, MOVING, MOVED = "replaced-run", "moving.json", "replaced.json"


class Replaced:
    """A run kept aside in `folder`, below the folder of the run that takes its place.

    `is_ours`: whether it was moved there by this very command, and not by one that was killed since.
    """

    def __init__(self, folder: Path, is_ours: bool = False) -> None:
        self.folder, self.is_ours = folder, is_ours

    @classmethod
    def found(cls, run: Path) -> Iterator[Replaced]:
        """Those below a run's folder; one that was trained on in its new place is a run like any other, and none."""
        for path in sorted(run.glob(f"{NAME}*")):
            if not path.is_symlink() and any((path / name).is_file() for name in (MOVING, MOVED)):
                yield cls(path)

    @classmethod
    def make(cls, run: Path, files: Sequence[str], prefix: str) -> Replaced:
        """Moves `files` (paths in `run`) aside. OSError leaves them where they were."""
        place = next(path for path in _names(run) if not os.path.lexists(path))
        with whole_folder(place) as folder:
            listing = {"format": 1, "prefix": os.path.relpath(prefix, run), "files": list(files)}
            (folder / MOVING).write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")
        made = cls(place, is_ours=True)
        try:
            for name in files:
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(run / name, place / name)
            made._sync()
            os.replace(place / MOVING, place / MOVED)
            sync_folder(place)
        except OSError:
            made.put_back()
            raise
        return made

    @property
    def is_whole(self) -> bool:
        """Whether all of the run is there."""
        return (self.folder / MOVED).is_file()

    @property
    def where(self) -> str:
        """Where it is, and how it is got back."""
        command = shlex.join(["deepcae", "train", "--out", str(self.folder), "--snapshot", "latest"])
        return f"is kept in {self.folder}; `{command}` goes on with it"

    def lock(self) -> Lock:
        """The lock of the run's old place."""
        return Lock(str(self.folder.parent / _name(self._listing().get("prefix"), "snapshot")))

    def put_back(self, instead: Sequence[str] = ()) -> None:
        """Moves the files to where they were, in the place of what may have come there since.

        `instead`: files of the run that was to take the place; they go.
        """
        if self.is_whole:  # from here on whoever comes next goes on with this
            os.replace(self.folder / MOVED, self.folder / MOVING)
            sync_folder(self.folder)
        for name in set(instead) - set(self._files()):
            (self.folder.parent / name).unlink(missing_ok=True)
        for name in self._files():
            if os.path.lexists(self.folder / name):
                (self.folder.parent / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(self.folder / name, self.folder.parent / name)
        self._sync()
        self._dissolve()

    def remove(self) -> None:
        """Removes the run; what somebody else put into its folder stays. OSError where it cannot be removed."""
        if self.is_whole:
            for name in self._files():
                (self.folder / name).unlink(missing_ok=True)
            self._dissolve()

    def _listing(self) -> dict[str, object]:
        for name in (MOVED, MOVING):
            with suppress(OSError, ValueError):
                listing = json_of(self.folder / name)
                return listing if isinstance(listing, dict) else {}
        return {}

    def _files(self) -> list[str]:
        files = self._listing().get("files")
        return [name for name in files if _name(name, "")] if isinstance(files, list) else []

    def _sync(self) -> None:
        for root in (self.folder.parent, self.folder):
            for folder in {(root / name).parent for name in self._files()}:
                if folder.is_dir():
                    sync_folder(folder)

    def _dissolve(self) -> None:
        """Removes the listing, and the folders that are empty now."""
        inner = {self.folder / parent for name in self._files() for parent in Path(name).parents}
        for name in (MOVING, MOVED):
            (self.folder / name).unlink(missing_ok=True)
        for folder in sorted(inner | {self.folder}, key=lambda path: -len(path.parts)):
            with suppress(OSError):
                folder.rmdir()


def settle(run: Path, held: str = "") -> None:
    """Undoes a move that a kill cut off, and tells it. TrainingError if it is going on.

    `held`: the prefix whose lock the caller has.
    """
    for replaced in Replaced.found(run):
        if not replaced.is_whole:
            lock = replaced.lock()
            if not held or os.path.abspath(f"{held}.lock") != os.path.abspath(lock.path):
                lock.acquire()
            try:
                if replaced.is_whole or not replaced.folder.is_dir():  # somebody else was first
                    continue
                replaced.put_back()
            finally:
                lock.release()
            warn(f"{run}: the command that was to take its place was killed; what was there before is back")


def kept_before(run: Path) -> str:
    """Where the run is that was in a folder before, to end a complaint; "" where none was, or it is gone."""
    return next((f"; what was there before {each.where}" for each in Replaced.found(run)), "")


def adopt(run: Path) -> None:
    """Makes a run that was kept aside, and is gone on with in that place, one like any other."""
    (run / MOVED).unlink(missing_ok=True)


def _names(run: Path) -> Iterator[Path]:
    yield run / NAME
    number = 2
    while True:
        yield run / f"{NAME}-{number}"
        number += 1


def _name(given: object, default: str) -> str:
    """A path that stays in its folder; `default` in place of any other."""
    inside = isinstance(given, str) and given and not os.path.isabs(given) and ".." not in Path(given).parts
    return str(given) if inside else default
