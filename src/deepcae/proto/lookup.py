"""Where a file named inside a text is: the working directory first, as in Caffe, then the folder of the text.

Where several of these places have a file of that name, and not the same one, it is told which one is taken. The texts
that deepcae wrote for a fit, and the lists of images that it stored, mean what lies beside them: that comes first.
"""

from __future__ import annotations

import filecmp
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from ..errors import warn

STORED = "images.json"  # beside lists of stored images
FIT, MODEL = "fit.json", "model"  # in the folder of a fit, and the folder of its texts below
_BLOCK, _BLOCKS = 2**20, 64  # bytes and number of the pieces that are compared of large files
_MOST_FILES = 100  # of a folder, whose contents are compared
Tell = Callable[[str], None]

_tell: ContextVar[Tell] = ContextVar("who hears that a name may mean several files", default=warn)


def resolve(name: str, *folders: str | Path, tell: Tell | None = None) -> Path:
    """The first existing one of `name`, `folder/name` for each folder; `name` as it stands where none exists.

    `folders`: that of the text which names it, then others. `tell` (default: a warning, or see `told_to`) hears of a
    further one that differs from the first.
    """
    candidates = [Path(name), *(Path(folder) / name for folder in folders)]
    if folders and _means_neighbours(Path(folders[0])) and os.path.exists(candidates[1]):
        return candidates[1]
    if not name:  # every folder would be a file of that name
        return candidates[0]
    # `os.path` and not `Path`: a name too long for any file is one that does not exist, not an OSError
    found = [path for path in dict.fromkeys(candidates) if os.path.exists(path)]
    for other in found[1:]:
        if _differ(found[0], other):
            (tell or _tell.get())(_sentence(name, found[0], other))
            break
    return found[0] if found else candidates[0]


def beside(name: str, folder: Path) -> Path | None:
    """`folder/name`, if such a file is there; it is told where the working directory has another one."""
    path = folder / name
    if not os.path.isfile(path):
        return None
    here = Path(name)
    if os.path.exists(here) and not _means_neighbours(folder) and _differ(path, here):
        _tell.get()(_sentence(name, path, here))
    return path


@contextmanager
def told_to(tell: Tell) -> Iterator[None]:
    """Inside, `tell` hears what would be warnings; an error of the block has them as its notes, too."""
    heard: dict[str, None] = {}

    def hear(sentence: str) -> None:
        heard[sentence] = None
        tell(sentence)

    token = _tell.set(hear)
    try:
        yield
    except Exception as error:
        for sentence in heard:
            error.add_note(sentence)
        raise
    finally:
        _tell.reset(token)


def once(tell: Tell | None = None, most: int | None = None) -> Tell:
    """Hands each sentence on to `tell` (default: as `resolve`) once, and no more than `most`, for lists of many."""
    heard = set[str]()

    def hear(sentence: str) -> None:
        if sentence not in heard and (most is None or len(heard) < most):
            heard.add(sentence)
            (tell or _tell.get())(sentence)

    return hear


def _means_neighbours(folder: Path) -> bool:
    """Whether a text in this folder is deepcae's own."""
    return os.path.isfile(folder / STORED) or os.path.isfile(folder.parent / FIT)


def _sentence(name: str, taken: Path, other: Path) -> str:
    where = "the working directory" if taken == Path(name) else str(taken.parent)
    return (
        f"'{name}' is taken from {where}, though {other} is there, too, and differs; "
        "if that is meant, name it by its whole path, or rename one"
    )


def _differ(one: Path, other: Path) -> bool:
    """Whether they are different files with different contents; folders, by what lies in them."""
    with suppress(OSError):  # what cannot be read is told by its reader
        if os.path.samefile(one, other):
            return False
        if os.path.isdir(one) and os.path.isdir(other):
            mine, others = _inside(one), _inside(other)
            few = sorted(mine) if len(mine) <= _MOST_FILES else []
            return mine != others or any(_other_bytes(one / each, other / each) for each in few)
        return not (os.path.isfile(one) and os.path.isfile(other)) or _other_bytes(one, other)
    return False


def _inside(folder: Path) -> dict[str, int]:
    """The files below a folder, with their sizes."""
    found = (Path(where, name) for where, _, names in os.walk(folder) for name in names)
    return {os.path.relpath(path, folder): os.path.getsize(path) for path in found if os.path.isfile(path)}


def _other_bytes(one: Path, other: Path) -> bool:
    """Whether two files differ; of large ones, pieces that are spread over them are looked at."""
    size = os.path.getsize(one)
    if size != os.path.getsize(other):
        return True
    if size <= _BLOCK * _BLOCKS:
        return not filecmp.cmp(one, other, shallow=False)
    with open(one, "rb") as mine, open(other, "rb") as others:
        for number in range(_BLOCKS):
            start = number * (size - _BLOCK) // (_BLOCKS - 1)
            mine.seek(start)
            others.seek(start)
            if mine.read(_BLOCK) != others.read(_BLOCK):
                return True
    return False
