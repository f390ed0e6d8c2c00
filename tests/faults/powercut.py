"""What a power cut leaves: what was written since the last fsync of a file is gone, and with it, if the file system is
of that kind, each name that was made, changed or removed since the last fsync of its folder.

The shim traces the calls, and keeps by hard links what they take away; here their traces are undone, newest first.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Ended
    from .training import Training


def cut(training: Training, case: Path, at: int, names_too: bool) -> Ended:
    """Runs the training up to its n-th call, where the power fails."""
    trace = case.parent / "trace"
    ended = training.run(case, at=at, failure="kill", trace=trace)
    lines = trace.read_text().splitlines() if trace.exists() else []
    events = [line.split("\t") for line in lines]
    lose_data(case, events)
    if names_too:
        lose_names(events)
    shutil.rmtree(f"{trace}.shadows", ignore_errors=True)
    trace.unlink(missing_ok=True)
    return ended


def lose_data(case: Path, events: list[list[str]]) -> None:
    """Cuts each file to the size that it had when it was last synced."""
    synced: dict[int, int] = {}  # by inode, where something is not synced
    for kind, *rest in events:
        if kind == "C":
            synced[int(rest[0])] = 0
        elif kind == "W":
            inode, size = int(rest[0]), int(rest[1])
            synced[inode] = min(synced.get(inode, size), size)
        elif kind == "S":
            synced.pop(int(rest[0]), None)
    for path in case.parent.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.name != "trace":
            size = synced.get(path.stat().st_ino)
            if size is not None and size < path.stat().st_size:
                os.truncate(path, size)


def lose_names(events: list[list[str]]) -> None:
    """Takes back what happened to names since their folder was synced."""
    waiting: list[list[str]] = []
    for event in events:
        if event[0] == "D":
            waiting = [each for each in waiting if os.path.dirname(_name(each)) != event[1]]
        elif event[0] in ("C", "R", "U"):
            waiting.append(event)
    for kind, *rest in reversed(waiting):
        if kind == "C":
            Path(rest[1]).unlink(missing_ok=True)
        elif kind == "U" and rest[1] != "-":
            os.link(rest[1], rest[0])
        elif kind == "R":
            source, target, kept = rest
            if os.path.exists(target):
                os.rename(target, source)
            if kept != "-":
                os.link(kept, target)


def _name(event: list[str]) -> str:
    return event[2] if event[0] in ("C", "R") else event[1]
