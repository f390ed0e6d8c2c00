"""Snapshots on disk: four files that count as one, and only when the last of them is there.

    <prefix>_iter_N.caffemodel    the train net, as Caffe writes it
    <prefix>_iter_N.solverstate   iteration, history and current_step, as Caffe writes it
    <prefix>_iter_N.resume.json   what Caffe does not keep: generators, data positions, seed, settings
    <prefix>_iter_N.ok.json       the manifest: sizes and SHA-256 of the three; written last

With `snapshot_format: HDF5` the first two are Caffe's `.caffemodel.h5` and `.solverstate.h5`; an iteration has one
format, which its manifest tells.

`commit` writes and removes them so that a kill at any moment leaves every complete snapshot complete. The newest is the
one *written* last (`sequence`), not the one with the greatest iteration: a run that went back to an earlier snapshot
continues from its own. `<prefix>_best` (see `kept`) and Caffe's snapshots, which have no manifest, are found where
there is nothing better.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import SnapshotError, warn
from ..inplace import json_of, read_file
from ..proto.kinds import NAMES, file_kind

MODEL, STATE, RESUME, MANIFEST = ".caffemodel", ".solverstate", ".resume.json", ".ok.json"
BEST = "_best"  # what the stem of the snapshot of the best test ends in
HDF5 = ".h5"  # the ending of Caffe's two files in its other format
ENDINGS = ("", HDF5)
_STEM = re.compile(r"(?P<prefix>.*)_iter_(?P<iteration>\d+)")


@dataclass(frozen=True)
class Snapshot:
    """The files of one snapshot: `<stem>.caffemodel` and the others; `bare`: Caffe's two files, with no manifest.

    `ending`: what Caffe's two files have at the end of their names, ".h5" in HDF5.
    """

    stem: str
    bare: bool = False
    ending: str = ""

    @classmethod
    def at(cls, prefix: str, iteration: int, ending: str = "") -> Snapshot:
        """That of an iteration, under its usual name."""
        return cls(f"{prefix}_iter_{iteration}", ending=ending)

    @classmethod
    def recorded(cls, stem: str) -> Snapshot:
        """The one whose manifest is there: in the format that it tells."""
        try:
            is_hdf5 = Path(stem + MODEL + HDF5).name in read_json(Path(stem + MANIFEST))["files"]
        except (SnapshotError, KeyError, TypeError):
            is_hdf5 = False
        return cls(stem, ending=HDF5 if is_hdf5 else "")

    @property
    def parts(self) -> tuple[str, str, str]:
        """What the names end in, in the order of their renames: a state never stands there without its model."""
        return MODEL + self.ending, RESUME, STATE + self.ending

    @property
    def prefix(self) -> str:
        match = _STEM.fullmatch(self.stem)
        return match["prefix"] if match else self.stem.removesuffix(BEST)

    @property
    def iteration(self) -> int:
        """By its name, or, of the best, by its manifest; -1 for a snapshot that was renamed."""
        match = _STEM.fullmatch(self.stem)
        with contextlib.suppress(SnapshotError, KeyError, TypeError, ValueError, OverflowError):
            return int(match["iteration"] if match else read_json(self.path(MANIFEST))["iteration"])
        return -1

    def path(self, part: str) -> Path:
        return Path(self.stem + part)

    @property
    def model(self) -> Path:
        return self.path(MODEL + self.ending)

    @property
    def state(self) -> Path:
        return self.path(STATE + self.ending)

    def resume(self) -> dict[str, Any] | None:
        """What Caffe's files lack; None in a bare snapshot."""
        if self.bare:
            return None
        extras: dict[str, Any] = read_json(self.path(RESUME))
        return extras

    def damage(self) -> str:
        """What is wrong with the files, judged by the manifest; "" if they are as they were written."""
        try:
            files = read_json(self.path(MANIFEST))["files"]
            for part in self.parts:
                path = self.path(part)
                data = read_file(path)
                if len(data) != files[path.name]["size"]:
                    return f"{path}: {len(data)} bytes, but {files[path.name]['size']} were written"
                if hashlib.sha256(data).hexdigest() != files[path.name]["sha256"]:
                    return f"{path}: the bytes are not those that were written (SHA-256 differs)"
        except OSError as error:
            return f"{path}: {error.strerror or error}"
        except SnapshotError as error:
            return str(error)
        except (KeyError, TypeError):
            return f"{self.path(MANIFEST)}: damaged"
        return ""


def latest(where: str | Path, tell: Callable[[str], None] = warn) -> Snapshot | None:
    """The newest complete snapshot of a prefix, or of the one prefix in a folder; None if there is none.

    Damaged ones are passed over, which `tell` is told. That of the best test counts only where no numbered one has a
    manifest, bare ones only where no snapshot at all has: the greatest iteration.
    """
    prefixes = _prefixes(where)
    if len(prefixes) > 1:
        raise SnapshotError(f"{where}: holds snapshots of several runs, {', '.join(sorted(prefixes))}: name one")
    for prefix in prefixes:
        with_manifest = [Snapshot.recorded(f"{prefix}_iter_{n}") for n in iterations(prefix, MANIFEST)]
        if not with_manifest and Path(prefix + BEST + MANIFEST).exists():
            with_manifest = [Snapshot.recorded(prefix + BEST)]
        for snapshot in sorted(with_manifest, key=sequence_of, reverse=True):
            damage = snapshot.damage()
            if not damage:
                return snapshot
            tell(f"{damage}; this snapshot is passed over")
        if not with_manifest:
            return next(_bare(prefix), None)
    return None


def find(path: str | Path, tell: Callable[[str], None] = warn) -> Snapshot:
    """The snapshot that a person names: a .solverstate, `<prefix>_iter_N`, a prefix or a folder (the newest there)."""
    name = str(path)
    for ending in ENDINGS:
        if name.endswith(MODEL + ending):
            state = name.removesuffix(MODEL + ending) + STATE + ending
            raise SnapshotError(f"{name}: is a model; training goes on from its state, {state}")
    stem, named = name, None
    for part in (STATE, STATE + HDF5, RESUME, MANIFEST):
        if name.endswith(part):
            stem, named = name.removesuffix(part), part
    if Path(path).is_dir() or (named is None and not _STEM.fullmatch(stem) and not Path(stem + MANIFEST).is_file()):
        if Path(path).is_file():
            kind = NAMES[file_kind(path)]
            raise SnapshotError(f"{path}: is no snapshot, but {kind}; give a .solverstate or the folder of a run")
        newest = latest(path, tell)
        if newest is None:
            raise SnapshotError(f"{path}: no complete snapshot there")
        return newest
    if named in (STATE, STATE + HDF5):
        return _checked(Snapshot(stem, ending=named.removeprefix(STATE)))
    return _checked(_of_stem(stem))


def _of_stem(stem: str) -> Snapshot:
    """The snapshot of a stem in the format of its manifest, or, without one, in that of its state."""
    recorded = Snapshot.recorded(stem)
    if recorded.path(MANIFEST).exists():
        return recorded
    return next((s for s in (Snapshot(stem, ending=ending) for ending in ENDINGS) if s.state.exists()), recorded)


def _checked(snapshot: Snapshot) -> Snapshot:
    if not snapshot.state.exists():
        raise SnapshotError(f"{snapshot.state}: no such file")
    manifest = snapshot.path(MANIFEST)
    if manifest.exists():
        recorded = Snapshot.recorded(snapshot.stem)
        if recorded.ending != snapshot.ending:
            raise SnapshotError(f"{snapshot.state}: is not of the snapshot in {manifest}, which has {recorded.state}")
        damage = snapshot.damage()
        if damage:
            raise SnapshotError(damage)
        return snapshot
    if snapshot.path(RESUME).exists():
        raise SnapshotError(f"{manifest}: missing, so this snapshot was never completed")
    return replace(snapshot, bare=True)


def read_json(path: Path) -> Any:
    """What a file of JSON holds. SnapshotError."""
    try:
        return json_of(path)
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror or error}") from None
    except ValueError:
        raise SnapshotError(f"{path}: damaged, not a JSON file") from None


def matching(prefix: str, pattern: str) -> Iterator[Path]:
    """The files whose names are those of the prefix and a regular expression."""
    folder, name = os.path.split(prefix)
    expression = re.compile(re.escape(name) + pattern)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder or ".") as entries:
        for entry in entries:
            if expression.fullmatch(entry.name):
                yield Path(folder, entry.name)


def iterations(prefix: str, part: str) -> list[int]:
    """Of all files `<prefix>_iter_N<part>`, in no order."""
    found = [_STEM.match(path.name) for path in matching(prefix, r"_iter_\d+" + re.escape(part))]
    return [int(match["iteration"]) for match in found if match]


def sequence_of(snapshot: Snapshot) -> tuple[float, int]:
    """What snapshots are ordered by: the number of the write, then the iteration.

    One whose manifest is damaged may be the newest, so it comes after all others.
    """
    try:
        return int(read_json(snapshot.path(MANIFEST))["sequence"]), snapshot.iteration
    except (SnapshotError, KeyError, TypeError, ValueError, OverflowError):
        return math.inf, snapshot.iteration


def _bare(prefix: str) -> Iterator[Snapshot]:
    """Caffe's own snapshots, the latest first: those with both files and none of ours."""
    found = [(iteration, ending) for ending in ENDINGS for iteration in iterations(prefix, STATE + ending)]
    for iteration, ending in sorted(found, key=lambda each: (-each[0], each[1])):
        snapshot = Snapshot(f"{prefix}_iter_{iteration}", bare=True, ending=ending)
        if snapshot.model.exists() and not snapshot.path(RESUME).exists():
            yield snapshot


def _prefixes(where: str | Path) -> set[str]:
    if not Path(where).is_dir():
        return {str(where)}
    found = set()
    for entry in os.scandir(where):
        match = _STEM.match(entry.name)
        if match and entry.name[match.end() :] in (MANIFEST, STATE, STATE + HDF5):
            found.add(str(Path(where, match["prefix"])))
        elif entry.name.endswith(BEST + MANIFEST):
            found.add(str(Path(where, entry.name.removesuffix(BEST + MANIFEST))))
    return found
