"""Where the files that a text names for writing may lie: below the working directory or the run's folder.

A text that somebody else wrote must not reach further: `snapshot_prefix: "/home/me/.x"` or an HDF5Output's `file_name:
"../../thesis.h5"` is refused, wherever links lead, unless the caller allows it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

FLAG = "--allow-writes-elsewhere"
PathLike = str | os.PathLike[str]


@dataclass(frozen=True)
class Reach:
    """How far texts may write: anywhere, or below the working directory and `folders`."""

    elsewhere: bool = False
    folders: tuple[PathLike, ...] = ()

    def stray(self, path: PathLike) -> str:
        """Where a file leads, if that is outside the working directory and `folders`, in words; "" where it is inside.

        Links on the way are followed; one in the file's own place is not, as writing replaces it.
        """
        parent, name = os.path.split(os.path.abspath(path))
        real = os.path.join(os.path.realpath(parent), name)
        if any(_holds(folder, real) for folder in (Path(), *self.folders)):
            return ""
        places = "the working directory and the run's folder" if self.folders else "the working directory"
        leads = "is" if os.path.abspath(path) == real else f"leads to '{real}',"
        return f"'{os.fspath(path)}' {leads} outside {places}"

    def refusal(self, path: PathLike) -> str:
        """Why a text may not write `path`, with what to do; "" where it may."""
        where = "" if self.elsewhere else self.stray(path)
        return where and f"{where}; if you trust the text, give {FLAG} (in Python allow_writes_elsewhere=True)"


def _holds(folder: PathLike, real: str) -> bool:
    root = os.path.realpath(folder)
    return real != root and os.path.commonpath([real, root]) == root


_reach: ContextVar[Reach] = ContextVar("how far texts may write", default=Reach())  # noqa: B039 - it is frozen


def reach(*folders: PathLike) -> Reach:
    """How far texts may write here and now, `folders` included."""
    now = _reach.get()
    return Reach(now.elsewhere, (*now.folders, *folders))


@contextmanager
def writes_elsewhere(allowed: bool, *folders: PathLike) -> Iterator[None]:
    """Whether texts that are carried out here may write anywhere, or in `folders`; what was allowed outside stays."""
    now = reach(*folders)
    token = _reach.set(Reach(allowed or now.elsewhere, now.folders))
    try:
        yield
    finally:
        _reach.reset(token)
