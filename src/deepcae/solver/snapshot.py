"""Snapshots on disk: four files that count as one, and only when the last of them is there.

    <prefix>_iter_N.caffemodel    the train net, as Caffe writes it
    <prefix>_iter_N.solverstate   iteration, history and current_step, as Caffe writes it
    <prefix>_iter_N.resume.json   what Caffe does not keep: generators, data positions, seed, settings
    <prefix>_iter_N.ok.json       the manifest: sizes and SHA-256 of the three; written last

With `snapshot_format: HDF5` the first two are Caffe's `.caffemodel.h5` and `.solverstate.h5`; an iteration has one
format, which its manifest tells.

A write goes through temporary files (`….tmp.<pid>`), fsync, rename, and fsync of the folder; a kill at any moment
leaves every complete snapshot complete. The newest snapshot is the one *written* last (`sequence`), not the one with
the greatest iteration: a run that went back to an earlier snapshot continues from its own. Caffe's snapshots, which
have no manifest, are found where there is nothing better.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..atomic import sync_folder
from ..errors import SnapshotError
from ..proto.kinds import NAMES, file_kind

MODEL, STATE, RESUME, MANIFEST = ".caffemodel", ".solverstate", ".resume.json", ".ok.json"
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
            is_hdf5 = Path(stem + MODEL + HDF5).name in _read_json(Path(stem + MANIFEST))["files"]
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
        return match["prefix"] if match else self.stem

    @property
    def iteration(self) -> int:
        """By its name; -1 for a snapshot that was renamed."""
        match = _STEM.fullmatch(self.stem)
        return int(match["iteration"]) if match else -1

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
        extras: dict[str, Any] = _read_json(self.path(RESUME))
        return extras

    def damage(self) -> str:
        """What is wrong with the files, judged by the manifest; "" if they are as they were written."""
        try:
            files = _read_json(self.path(MANIFEST))["files"]
            for part in self.parts:
                path = self.path(part)
                data = path.read_bytes()
                if len(data) != files[path.name]["size"]:
                    return f"{path}: {len(data)} bytes, but {files[path.name]['size']} were written"
                if hashlib.sha256(data).hexdigest() != files[path.name]["sha256"]:
                    return f"{path}: the bytes are not those that were written (SHA-256 differs)"
        except (OSError, SnapshotError, KeyError, TypeError) as error:
            return str(error) if isinstance(error, OSError | SnapshotError) else f"{self.path(MANIFEST)}: damaged"
        return ""


def commit(prefix: str, iteration: int, parts: Mapping[str, bytes]) -> Snapshot:
    """Writes a snapshot as one unit. SnapshotError (path, bytes needed and free) leaves what was complete untouched.

    `parts`: what the names end in, and the bytes of each file; they are all of one format.
    """
    snapshot = Snapshot.at(prefix, iteration, HDF5 if MODEL + HDF5 in parts else "")
    entries = {
        snapshot.path(part).name: {"size": len(parts[part]), "sha256": hashlib.sha256(parts[part]).hexdigest()}
        for part in snapshot.parts
    }
    manifest = {"format": 1, "iteration": iteration, "sequence": _next_sequence(prefix), "files": entries}
    temporary = {part: _temporary(snapshot.path(part)) for part in (*snapshot.parts, MANIFEST)}
    try:
        if not _holds(snapshot, entries):
            for part in snapshot.parts:
                _write(temporary[part], parts[part])
            _withdraw(snapshot, Snapshot.recorded(snapshot.stem))
            for part in snapshot.parts:
                os.replace(temporary[part], snapshot.path(part))
            sync_folder(snapshot.model.parent)
        _write(temporary[MANIFEST], json.dumps(manifest, indent=1).encode() + b"\n")
        os.replace(temporary[MANIFEST], snapshot.path(MANIFEST))
        sync_folder(snapshot.model.parent)
    except OSError as error:
        for path in temporary.values():
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        raise SnapshotError(_cannot_write(snapshot, error, sum(map(len, parts.values())))) from error
    return snapshot


def latest(where: str | Path) -> Snapshot | None:
    """The newest complete snapshot of a prefix, or of the one prefix in a folder; None if there is none.

    Damaged ones are passed over. Bare ones count only where no snapshot has a manifest: the greatest iteration.
    """
    prefixes = _prefixes(where)
    if len(prefixes) > 1:
        raise SnapshotError(f"{where}: holds snapshots of several runs, {', '.join(sorted(prefixes))}: name one")
    for prefix in prefixes:
        with_manifest = [Snapshot.recorded(f"{prefix}_iter_{n}") for n in _iterations(prefix, MANIFEST)]
        for snapshot in sorted(with_manifest, key=_sequence, reverse=True):
            if not snapshot.damage():
                return snapshot
        if not with_manifest:
            return next(_bare(prefix), None)
    return None


def find(path: str | Path) -> Snapshot:
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
    if Path(path).is_dir() or (named is None and not _STEM.fullmatch(stem)):
        if Path(path).is_file():
            kind = NAMES[file_kind(path)]
            raise SnapshotError(f"{path}: is no snapshot, but {kind}; give a .solverstate or the folder of a run")
        newest = latest(path)
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


def clean(prefix: str) -> None:
    """Removes temporary files that a killed run left. Only for the holder of the prefix's lock."""
    for path in _matching(prefix, r"_iter_\d+\.((caffemodel|solverstate)(\.h5)?|resume\.json|ok\.json)\.tmp\.\d+"):
        path.unlink(missing_ok=True)


def prune(prefix: str, keep: int) -> None:
    """Deletes all complete snapshots but the `keep` newest (at least two)."""
    complete = (Snapshot.recorded(f"{prefix}_iter_{n}") for n in _iterations(prefix, MANIFEST))
    snapshots = sorted(complete, key=_sequence)
    for snapshot in snapshots[: -max(keep, 2)]:
        _withdraw(snapshot)


def _holds(snapshot: Snapshot, entries: Mapping[str, Any]) -> bool:
    """Whether these very bytes are there already, complete (a run that was resumed before this iteration)."""
    with contextlib.suppress(SnapshotError, OSError, KeyError, TypeError):
        return bool(_read_json(snapshot.path(MANIFEST))["files"] == entries) and not snapshot.damage()
    return False


def _withdraw(snapshot: Snapshot, recorded: Snapshot | None = None) -> None:
    """Removes a snapshot, its manifest first: from then on it is not complete.

    `recorded`: the complete one of the same iteration, which may be of the other format and goes too.
    """
    endings = {snapshot.ending, (recorded or snapshot).ending}
    parts = [*(STATE + ending for ending in endings), RESUME, *(MODEL + ending for ending in endings)]
    if not any(snapshot.path(part).exists() for part in (*parts, MANIFEST)):
        return
    snapshot.path(MANIFEST).unlink(missing_ok=True)
    sync_folder(snapshot.model.parent)
    for part in parts:
        snapshot.path(part).unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp.{os.getpid()}")


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(snapshot: Snapshot, error: OSError, needed: int) -> str:
    reason = error.strerror or type(error).__name__
    with contextlib.suppress(OSError):
        reason += f"; {needed} bytes are needed, {shutil.disk_usage(snapshot.model.parent).free} are free"
    return f"{snapshot.model}: the snapshot cannot be written: {reason}"


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise SnapshotError(f"{path}: damaged, not a JSON file") from None


def _matching(prefix: str, pattern: str) -> Iterator[Path]:
    folder, name = os.path.split(prefix)
    expression = re.compile(re.escape(name) + pattern)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder or ".") as entries:
        for entry in entries:
            if expression.fullmatch(entry.name):
                yield Path(folder, entry.name)


def _iterations(prefix: str, part: str) -> list[int]:
    found = [_STEM.match(path.name) for path in _matching(prefix, r"_iter_\d+" + re.escape(part))]
    return [int(match["iteration"]) for match in found if match]


def _sequence(snapshot: Snapshot) -> tuple[int, int]:
    try:
        return int(_read_json(snapshot.path(MANIFEST))["sequence"]), snapshot.iteration
    except (SnapshotError, KeyError, TypeError, ValueError, OverflowError):
        return -1, snapshot.iteration


def _next_sequence(prefix: str) -> int:
    return 1 + max((_sequence(Snapshot.at(prefix, n))[0] for n in _iterations(prefix, MANIFEST)), default=0)


def _bare(prefix: str) -> Iterator[Snapshot]:
    """Caffe's own snapshots, the latest first: those with both files and none of ours."""
    found = [(iteration, ending) for ending in ENDINGS for iteration in _iterations(prefix, STATE + ending)]
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
    return found
