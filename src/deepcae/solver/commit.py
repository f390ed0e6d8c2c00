"""Snapshots written and removed as one unit: whatever fails or kills, what was complete stays complete.

A write puts all four files under temporary names (`….tmp.<pid>`) and on the disk, the manifest first; then it renames
them, the manifest last, and puts the folder's names on the disk. A removal begins by renaming the manifest to
`….withdrawn.json`. So each file of a half written or half removed snapshot is named in a manifest that does not count,
and `clean` finds it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..atomic import cannot_write, sync_folder, write_new
from ..errors import SnapshotError
from .snapshot import HDF5, MANIFEST, MODEL, RESUME, STATE, Snapshot, iterations, matching, read_json, sequence_of

WITHDRAWN = ".withdrawn.json"
_PARTS = r"((caffemodel|solverstate)(\.h5)?|resume\.json|ok\.json)"


def commit(prefix: str, iteration: int, parts: Mapping[str, bytes]) -> Snapshot:
    """Writes a snapshot as one unit. SnapshotError (path, bytes needed and free) leaves what was complete untouched.

    `parts`: what the names end in, and the bytes of each file; they are all of one format.
    """
    snapshot = Snapshot.at(prefix, iteration, HDF5 if MODEL + HDF5 in parts else "")
    entries = {
        snapshot.path(part).name: {"size": len(parts[part]), "sha256": hashlib.sha256(parts[part]).hexdigest()}
        for part in snapshot.parts
    }
    temporary = {part: _temporary(snapshot.path(part)) for part in (*snapshot.parts, MANIFEST)}
    renamed: list[Path] = []
    try:
        snapshot.model.parent.mkdir(parents=True, exist_ok=True)
        manifest = {"format": 1, "iteration": iteration, "sequence": _next_sequence(prefix), "files": entries}
        _write(temporary[MANIFEST], json.dumps(manifest, indent=1).encode() + b"\n")
        if not _holds(snapshot, entries):
            for part in snapshot.parts:
                _write(temporary[part], parts[part])
            _withdraw(snapshot, Snapshot.recorded(snapshot.stem))
            for part in snapshot.parts:
                os.replace(temporary[part], snapshot.path(part))
                renamed.append(snapshot.path(part))
            sync_folder(snapshot.model.parent)
        os.replace(temporary[MANIFEST], snapshot.path(MANIFEST))
        renamed.clear()
        sync_folder(snapshot.model.parent)
    except OSError as error:
        for path in (*temporary.values(), *renamed):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        raise SnapshotError(_sentence(snapshot, error, sum(map(len, parts.values())))) from error
    return snapshot


def prune(prefix: str, keep: int) -> Iterator[str]:
    """Deletes all complete snapshots but the `keep` newest (at least two); tells of those that cannot be deleted.

    They are tried again by the next call. What has a damaged manifest is not counted, and stays.
    """
    yield from _finish_withdrawals(prefix)
    recorded = (Snapshot.recorded(f"{prefix}_iter_{n}") for n in iterations(prefix, MANIFEST))
    snapshots = sorted((each for each in recorded if sequence_of(each)[0] < math.inf), key=sequence_of)
    for snapshot in snapshots[: -max(keep, 2)]:
        try:
            _withdraw(snapshot)
        except OSError as error:
            yield f"{snapshot.model}: {_cannot_remove(error)}"


def clean(prefix: str) -> Iterator[str]:
    """Removes what a killed run left of snapshots half written or half removed; tells what cannot be removed.

    Only for the holder of the prefix's lock.
    """
    yield from _finish_withdrawals(prefix)
    for path in sorted(matching(prefix, rf"_iter_\d+\.{_PARTS}\.tmp\.\d+")):
        try:
            stem, part, _ = path.name.partition(MANIFEST)
            if part:
                _remove_listed(path, path.with_name(stem + MANIFEST), checked=True)
            path.unlink(missing_ok=True)
        except OSError as error:
            yield f"{path}: {_cannot_remove(error)}"


def _finish_withdrawals(prefix: str) -> Iterator[str]:
    for path in sorted(matching(prefix, r"_iter_\d+" + re.escape(WITHDRAWN))):
        try:
            _remove_listed(path, path.with_name(path.name.removesuffix(WITHDRAWN) + MANIFEST))
            path.unlink(missing_ok=True)
        except OSError as error:
            yield f"{path}: {_cannot_remove(error)}"


def _remove_listed(listing: Path, manifest: Path, checked: bool = False) -> None:
    """Removes the snapshot's files that `listing` names and the manifest, if it is there, does not.

    `checked`: only those with the very bytes that it tells. Others are not ours.
    """
    listed, counting = _files(listing), _files(manifest)
    stem = manifest.name.removesuffix(MANIFEST)
    for name, about in listed.items():
        path = listing.with_name(name)
        ours = name.removeprefix(stem) in (RESUME, *(part + ending for part in (MODEL, STATE) for ending in ("", HDF5)))
        if not ours or name in counting or not path.is_file():
            continue
        if not checked or hashlib.sha256(path.read_bytes()).hexdigest() == about.get("sha256"):
            path.unlink()


def _files(manifest: Path) -> dict[str, dict[str, Any]]:
    """What a manifest lists; nothing where it is damaged."""
    try:
        files = read_json(manifest)["files"]
        return {name: about for name, about in files.items() if os.sep not in name and isinstance(about, dict)}
    except (SnapshotError, KeyError, TypeError, AttributeError):
        return {}


def _holds(snapshot: Snapshot, entries: Mapping[str, Any]) -> bool:
    """Whether these very bytes are there already, complete (a run that was resumed before this iteration)."""
    with contextlib.suppress(SnapshotError, OSError, KeyError, TypeError):
        return bool(read_json(snapshot.path(MANIFEST))["files"] == entries) and not snapshot.damage()
    return False


def _withdraw(snapshot: Snapshot, recorded: Snapshot | None = None) -> None:
    """Removes a snapshot, its manifest first: from then on it is not complete.

    `recorded`: the complete one of the same iteration, which may be of the other format and goes too.
    """
    endings = {snapshot.ending, (recorded or snapshot).ending}
    parts = [*(STATE + ending for ending in endings), RESUME, *(MODEL + ending for ending in endings)]
    if not any(snapshot.path(part).exists() for part in (*parts, MANIFEST)):
        return
    with contextlib.suppress(FileNotFoundError):
        os.replace(snapshot.path(MANIFEST), snapshot.path(WITHDRAWN))
        sync_folder(snapshot.model.parent)
    for part in (*parts, WITHDRAWN):
        snapshot.path(part).unlink(missing_ok=True)


def _next_sequence(prefix: str) -> int:
    found = (sequence_of(Snapshot.at(prefix, n))[0] for n in iterations(prefix, MANIFEST))
    return 1 + max((int(number) for number in found if number < math.inf), default=0)


def _temporary(path: Path) -> Path:
    return path.with_name(f"{path.name}.tmp.{os.getpid()}")


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    write_new(path, data)


def _sentence(snapshot: Snapshot, error: OSError, needed: int) -> str:
    return cannot_write(snapshot.model, error, needed, "the snapshot")


def _cannot_remove(error: OSError) -> str:
    return f"cannot be removed: {error.strerror or error}; it is tried again later"
