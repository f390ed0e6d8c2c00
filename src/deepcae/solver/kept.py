"""The snapshot of the best test on disk, as one unit: `<prefix>_best.caffemodel` and the other three.

Four files cannot be renamed at once. They are written beside the old ones, each with `.next` behind its name, the
manifest last; once that stands there the new one is complete, and whoever holds the lock next brings it in place.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..atomic import sync_folder, whole_file
from ..errors import SnapshotError, TrainingError
from ..inplace import json_of
from .lock import Lock
from .snapshot import BEST, MANIFEST, MODEL, RESUME, STATE, Snapshot, read_json

NEXT = ".next"


@dataclass(frozen=True)
class BestSnapshot:
    """A complete snapshot with the iteration that it is of, and its test loss."""

    snapshot: Snapshot
    iteration: int
    loss: float


def find_best(prefix: str) -> BestSnapshot | None:
    """The one that was kept for a prefix; None where there is none. SnapshotError where it is damaged."""
    manifest = Path(prefix + BEST + MANIFEST)
    if not manifest.exists():
        return None
    snapshot = Snapshot.recorded(prefix + BEST)
    damage = snapshot.damage()
    if damage:
        cut_off = "; writing it was cut off, and `deepcae train --snapshot latest` completes it"
        raise SnapshotError(damage + cut_off * Path(f"{manifest}{NEXT}").exists())
    return BestSnapshot(snapshot, *recorded_in(manifest))


def recorded_in(manifest: Path) -> tuple[int, float]:
    """Iteration and test loss."""
    told = read_json(manifest)
    try:
        return int(told["iteration"]), float(told["test_loss"])
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise SnapshotError(f"{manifest}: damaged ({type(error).__name__})") from None


def complete(prefix: str) -> None:
    """Brings a best snapshot in place that is written but not renamed; removes one that is half written.

    Only for the holder of the prefix's lock.
    """
    stem = prefix + BEST
    following = Path(stem + MANIFEST + NEXT)
    names = [stem + part + ending for part in (MODEL, STATE) for ending in ("", ".h5")] + [stem + RESUME]
    try:
        wanted = {Path(stem).with_name(name) for name in json_of(following)["files"]}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        for name in (*names, stem + MANIFEST):
            Path(name + NEXT).unlink(missing_ok=True)
        return
    for name in names:
        if Path(name + NEXT).exists():
            os.replace(name + NEXT, name)
        elif Path(name) not in wanted:  # of the other format
            Path(name).unlink(missing_ok=True)
    sync_folder(following.parent)
    os.replace(following, stem + MANIFEST)
    sync_folder(following.parent)


def settle_best(prefix: str) -> None:
    """Completes one that a kill cut off, so that whoever looks for a snapshot finds it. A training that runs there does
    so itself.
    """
    if Path(prefix + BEST + MANIFEST + NEXT).exists():
        lock = Lock(prefix)
        with suppress(TrainingError, OSError):  # told by the training that comes to the same
            lock.acquire()
            complete(prefix)
        lock.release()


def commit(stem: str, iteration: int, loss: float, parts: dict[str, bytes]) -> Snapshot:
    """Writes the best snapshot as one unit, in place of the one before."""
    complete(stem.removesuffix(BEST))  # that one: its files and those of this one must not mix
    names = {part: Path(stem + part) for part in parts}
    entries = {
        names[part].name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for part, data in parts.items()
    }
    manifest = {"format": 1, "iteration": iteration, "test_loss": loss, "files": entries}
    names[next(iter(parts))].parent.mkdir(parents=True, exist_ok=True)
    for part, data in [*parts.items(), (MANIFEST, json.dumps(manifest, indent=1).encode() + b"\n")]:
        with whole_file(f"{stem}{part}{NEXT}") as temporary:
            temporary.write_bytes(data)
    complete(stem.removesuffix(BEST))
    return Snapshot.recorded(stem)
