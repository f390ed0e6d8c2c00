"""The fit whose place another one takes: kept aside, whole, until the new training has its first snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..atomic import free_beside, remove_leftovers, whole_file
from ..errors import DataError
from .fitkept import ALWAYS, edited, files_of, options_in
from .screen import say

if TYPE_CHECKING:
    from ..solver.replaced import Replaced
    from .fitoptions import FitOptions

LOCK = "fit"  # with .lock: who holds it works in the folder


@contextmanager
def making_way(out: Path) -> Iterator[None]:
    """Inside, what was in the folder is kept aside; it is back if the block raises before a training has begun.

    For the holder of the folder's lock.
    """
    from ..solver.earlier import make_way, tidy

    tidy(out, str(out / LOCK))  # before it is looked what is there
    changed = edited(out)
    replaced = make_way(out, str(out / LOCK), "", True, files_of(out))
    try:
        if replaced is not None and replaced.is_ours:
            _keep_edited(replaced, changed)
        elif replaced is not None:  # of a call that was killed
            for name in _written(out):
                (out / name).unlink(missing_ok=True)
        yield
    except BaseException:
        if replaced is not None and replaced.folder.is_dir() and not _has_begun(out):
            with suppress(OSError):  # what is not back now is put back by the next command
                _put_back(replaced, out)
                say(f"{out}: what was there before is back")
        raise


def come_back(out: Path, options: FitOptions) -> None:
    """Puts back the fit that is asked for, if it was kept aside, and nothing has taken its place.

    DataError where another fit or run is kept there. For the holder of the folder's lock.
    """
    from ..solver.earlier import Earlier, tidy
    from ..solver.replaced import Replaced

    tidy(out, str(out / LOCK))
    for replaced in reversed([*Replaced.found(out)]):
        if Earlier(out, str(out / LOCK)).newest() is not None:
            return
        here, before = options_in(out), options_in(replaced.folder)
        if here is not None and not options.other(here):
            return
        if before is None or options.other(before):
            raise DataError(f"{out}: what was to be lost {replaced.where}; take another -o, or lose it (--overwrite)")
        _put_back(replaced, out)
        say(f"{out}: the fit that was to take the place of this one was killed; what was there before is back")


def part_with(out: Path) -> None:
    """Removes what was kept aside: the fit in its place is trained."""
    from ..solver.replaced import Replaced

    for replaced in Replaced.found(out):
        with suppress(OSError):  # it is tried again
            replaced.remove()


def _has_begun(out: Path) -> bool:
    from ..solver.about import METRICS

    records = out / METRICS
    return records.is_file() and records.stat().st_size > 0


def _keep_edited(replaced: Replaced, names: list[str]) -> None:
    """Copies of texts that somebody worked on, beside where they were."""
    kept = []
    for name in names:
        path = free_beside(replaced.folder.parent / name)
        with whole_file(path) as temporary:
            temporary.write_bytes((replaced.folder / name).read_bytes())
        kept.append(str(path))
    if kept:
        say(f"what stood there before is kept: {' and '.join(kept)}")


def _put_back(replaced: Replaced, out: Path) -> None:
    names = _written(out)
    replaced.put_back(names)
    for folder in {(out / name).parent for name in (*names, *ALWAYS)}:
        remove_leftovers(folder)


def _written(out: Path) -> list[str]:
    """By a fit that has no snapshot yet."""
    from ..solver.earlier import recorded_files

    return [*files_of(out), *(name for name in recorded_files(out) if (out / name).is_file())]
