"""Which snapshot of a run is looked at: that of its best test, its last one, or that of an iteration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError, SnapshotError, warn
from .kept import BestSnapshot, find_best
from .replaced import kept_before
from .snapshot import Snapshot, find, latest

BEST, LAST = "best", "last"


@dataclass(frozen=True)
class Chosen:
    """A snapshot, its iteration, and which one it is, in words; "" where there was nothing to choose from."""

    snapshot: Snapshot
    iteration: int
    words: str = ""
    hint: str = ""  # how to choose the other one

    @property
    def told(self) -> str:
        return self.words + self.hint


def choose(
    folder: Path, prefix: str, keeps_best: bool, which: str | None = None, tell: Callable[[str], None] = warn
) -> Chosen:
    """The snapshot `which` of a run: "best", "last" or an iteration; None: the best where the run kept one.

    `keeps_best`: whether its solver text says so: a best snapshot there is its own. DataError where it has none.
    """
    if which == LAST:
        return _last(folder, prefix, tell)
    if which is not None and which != BEST:
        return _at(folder, prefix, which)
    if not keeps_best and which is None:
        return _last(folder, prefix, tell)
    try:
        best = find_best(prefix)
    except SnapshotError as error:
        if which is not None:
            raise
        tell(f"{error}; the last snapshot is taken")
        return _last(folder, prefix, tell)
    if best is None and which is not None:
        raise DataError(f"{folder}: kept no best snapshot; `snapshot_best: true` in its solver text makes it keep one")
    return _last(folder, prefix, tell) if best is None else _of_best(best, prefix, tell)


def _of_best(best: BestSnapshot, prefix: str, tell: Callable[[str], None]) -> Chosen:
    newest = latest(prefix, tell)
    why = "whose test was best" if best.iteration else "as no later test was surely better"
    words = f"weights of iteration {best.iteration}, {why} (loss {best.loss:.6g})"
    if newest is None or newest.iteration == best.iteration:
        return Chosen(best.snapshot, best.iteration, words)
    words += f"; the last are those of iteration {newest.iteration}"
    return Chosen(best.snapshot, best.iteration, words, " (--snapshot last)")


def _last(folder: Path, prefix: str, tell: Callable[[str], None]) -> Chosen:
    newest = latest(prefix, tell)
    if newest is None:
        raise DataError(f"{folder}: no complete snapshot there yet{kept_before(folder)}")
    return Chosen(newest, newest.iteration)


def _at(folder: Path, prefix: str, which: str) -> Chosen:
    if not (which.isascii() and which.isdigit()):
        raise DataError(f"the snapshot of a run is {BEST}, {LAST} or an iteration, not '{which[:40]}'")
    try:
        snapshot = find(f"{prefix}_iter_{int(which)}")
    except SnapshotError as error:
        raise DataError(f"{folder}: no complete snapshot of iteration {int(which)}: {error}") from None
    return Chosen(snapshot, int(which), f"weights of iteration {int(which)}")
