"""Files that lie where a training's snapshots would go, but belong to nobody known: they would be overwritten."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from ..errors import DataError
from .kept import NEXT
from .snapshot import BEST, ENDINGS, MANIFEST, MODEL, STATE, matching

_LONE = re.compile(r".*(_iter_(?P<iteration>\d+)|_best)(\.caffemodel|\.solverstate)(\.h5)?", re.DOTALL)


def unclaimed(prefix: str, last: int, after: int = -1) -> Iterator[Path]:
    """Models without their states and states without their models, that no manifest names, of iterations up to `last`.

    For the holder of the prefix's lock, who has cleaned up: what a killed run left half written is gone by then. Both
    files of an iteration together are a snapshot of Caffe's.
    """
    for path in sorted(matching(prefix, r"(_iter_\d+|_best)(\.caffemodel|\.solverstate)(\.h5)?")):
        match = _LONE.fullmatch(path.name)
        assert match is not None
        stem = prefix + (BEST if match["iteration"] is None else f"_iter_{match['iteration']}")
        if match["iteration"] is not None and not after < int(match["iteration"]) <= last:
            continue
        is_known = any(Path(stem + MANIFEST + end).exists() for end in ("", NEXT)) or _is_whole(stem)
        if not is_known and not is_half_done(stem) and _would_be_lost(path):
            yield path


def require_none(prefix: str, last: int) -> None:
    """DataError where a new run would replace such a file."""
    for path in unclaimed(prefix, last):
        raise DataError(
            f"{path}: is there already, and of no snapshot that is known; the training would replace it: move it away, "
            "or take another --out or snapshot_prefix"
        )


def _would_be_lost(path: Path) -> bool:
    """Of a link, or a file that has another name too, the training takes the name alone."""
    return path.is_file() and not path.is_symlink() and path.stat().st_nlink == 1


def is_half_done(stem: str) -> bool:
    """Whether a kill cut off the writing of a snapshot or its removal: a manifest that does not count is there."""
    folder, name = os.path.split(stem)
    others = re.compile(rf"\.?{re.escape(name)}(\.ok\.json\..*|\.withdrawn\.json)", re.DOTALL)
    return any(others.fullmatch(other) for other in os.listdir(folder or "."))


def _is_whole(stem: str) -> bool:
    return any(Path(stem + MODEL + end).exists() and Path(stem + STATE + end).exists() for end in ENDINGS)
