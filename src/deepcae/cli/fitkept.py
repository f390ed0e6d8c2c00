"""What `fit` keeps beside its results: fit.json (what was asked, how long it trains, what was made) and steps.sh."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import MARK, foreign_kept, whole_file
from ..data.folder import shortlist
from ..errors import DataError
from ..inplace import json_of
from ..proto.lookup import FIT, MODEL, STORED
from .screen import say

if TYPE_CHECKING:
    from ..prepare import Understood

STEPS = "steps.sh"
DATA = "data"
IMAGES = tuple(f"{DATA}/{name}" for name in ("train.h5", "test.h5", "train.txt", "test.txt", "all.txt", STORED))
TEXTS = tuple(f"{MODEL}/{name}" for name in ("net.prototxt", "solver.prototxt", "start.caffemodel"))
ALWAYS = (*IMAGES, *TEXTS)
MOST_STAMPS = 2000  # files whose times are kept
HEAD = f"# {MARK}: what `deepcae fit` did, step by step. Change a text in model/, and go on from there.\n"


@contextmanager
def alone(out: Path) -> Iterator[None]:
    """Inside, no other fit works in the folder `out`; nor does a training, when it begins. TrainingError otherwise."""
    from ..solver.lock import Lock

    out.mkdir(parents=True, exist_ok=True)
    lock = Lock(str(out / "fit"))
    try:
        if note := lock.acquire():
            say(note)
        for other in out.glob("*.lock"):
            if other != lock.path:
                Lock(str(other.with_suffix(""))).require_free()
        yield
    finally:
        lock.release()
        with suppress(OSError):  # nothing has come of it
            out.rmdir()


class Kept:
    """Of the fit in `folder`. `afresh`: what an earlier one kept there is given up."""

    def __init__(self, folder: Path, afresh: bool) -> None:
        self.folder, self._steps = folder, HEAD
        try:
            before = _read(folder / FIT)
        except DataError:
            if not afresh:
                raise
            before = {}
        self._told = {} if afresh else before
        self._own = {name for names in before.get("made", {}).values() for name in names}

    @property
    def options(self) -> Any:
        """None where no fit has been."""
        return self._told.get("wishes")

    @property
    def stamps(self) -> dict[str, list[int]]:
        """Of the files that were stored, see `stamps_of`."""
        found = self._told.get("stamps", {})
        return dict(found) if isinstance(found, dict) else {}

    @property
    def design(self) -> dict[str, Any]:
        """`linear`: whether a linear way stays beside the network, None where a race of `race` iterations told; `pca`:
        the error of PCA on the held-out images, where the network does not begin as PCA."""
        found = self._told.get("design", {})
        return dict(found) if isinstance(found, dict) else {}

    @property
    def lengths(self) -> list[dict[str, Any]]:
        """How long it trains: the options of the first call and of each that asked for more, with what became of them.

        `minutes` and `set` as asked; `course`, solver text laid over the designed one; `begins`, the iteration.
        """
        found = self._told.get("lengths", [])
        return list(found) if isinstance(found, list) else []

    def put(self, **told: Any) -> None:
        """Keeps these beside what is kept, and writes the file anew."""
        self._told |= told
        self._write(FIT, json.dumps({"about": MARK, **self._told}, indent=1) + "\n")

    def own(self, *names: str) -> bool:
        """Notes files that a step is about to write, unless they are somebody's; whether all of them are the fit's."""
        own = [name for name in _noted(self.folder, self._told) if os.path.lexists(self.folder / name)]
        new = [name for name in names if name not in own and not os.path.lexists(self.folder / name)]
        if new:
            self.put(files=[*own, *new])
        return {*names} <= {*own, *new}

    def put_texts(self) -> None:
        """Notes what the texts are like that were written now."""
        there = [name for name in TEXTS if (self.folder / name).is_file()]
        self.put(texts={name: digest_of(self.folder / name) for name in there})

    def written_since(self, paths: Iterable[Path]) -> list[str]:
        """What to tell of images that were written to since they were stored."""
        known, now = self.stamps, stamps_of(paths)
        changed = [name for name in {**known, **now} if known.get(name) != now.get(name)] if known else []
        if not changed:
            return []
        told = f"warning: written to since they were stored, which is not looked at: {shortlist(changed)}"
        return [told, "         (--overwrite stores them anew, and trains anew)"]

    def makes(self, name: str, since: float, make: Callable[[], Iterable[Path]]) -> bool:
        """Has the files of a step made, unless all that it made before are there and no older than `since`, seconds of
        the system's clock; whether they were made now."""
        made = self._told.get("made", {})
        before = [self.folder / each for each in made.get(name, [])]
        if before and all(path.exists() and path.stat().st_mtime >= since for path in before):
            return False
        with foreign_kept(name not in self._own):  # what a fit made here is nobody else's
            now = [str(path.relative_to(self.folder)) for path in make()]
        self.put(made={**made, name: now})
        return True

    def step(self, *words: str) -> None:
        """Notes the command that does a step; a single word is a remark."""
        self._steps += (f"# {words[0]}" if len(words) == 1 else shlex.join(["deepcae", *words])) + "\n"
        path = self.folder / STEPS
        if not (path.is_file() and path.read_bytes().startswith(self._steps.encode())):  # of a fit that was done before
            self._write(STEPS, self._steps)

    def training(self, solver: Path, seed: int, where: Sequence[str]) -> None:
        """Notes the commands of the training, and of each that went on with it. `where`: to compute."""
        ends = 0
        for number, length in enumerate(self.lengths):
            if number and length["begins"] != ends:
                self.step(f"stopped at iteration {length['begins']}, and gone on with by")
            words = [word for text in (*length["set"], *length["course"]) for word in ("--set", text)]
            on = ["--snapshot", "latest"] if number else []
            self.step(
                "train", "--solver", str(solver), *words, "--seed", str(seed), "--out", str(self.folder), *on, *where
            )
            ends = length["ends"]

    def _write(self, name: str, text: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with whole_file(self.folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")


def files_of(folder: Path) -> list[str]:
    """What the fit in a folder wrote there, but for its training; of a folder below that is a link, the link."""
    try:
        told = _read(folder / FIT)
    except DataError:
        told = {"about": MARK}
    made = [name for names in told.get("made", {}).values() for name in names]
    names = [_by_link(folder, Path(name)) for name in (*_noted(folder, told), *made, FIT, STEPS) if _is_inside(name)]
    return [name for name in dict.fromkeys(names) if os.path.lexists(folder / name)]


def edited(folder: Path) -> list[str]:
    """The texts of the fit in a folder that are not as it wrote them; all, where its record does not tell."""
    try:
        known = _read(folder / FIT).get("texts", {})
    except DataError:
        known = {}
    return [name for name in TEXTS if (folder / name).is_file() and known.get(name) != digest_of(folder / name)]


def digest_of(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def options_in(folder: Path) -> Any:
    """What the fit in a folder was asked for; None where there is none, or its record is damaged."""
    with suppress(DataError):
        return _read(folder / FIT).get("wishes")
    return None


def _noted(folder: Path, told: dict[str, Any]) -> list[str]:
    """The files of its first steps; records of earlier versions list none: then those that are always written."""
    found = told.get("files", [name for name in ALWAYS if told and (folder / name).is_file()])
    return list(found)


def _is_inside(name: str) -> bool:
    return bool(name) and not os.path.isabs(name) and ".." not in Path(name).parts and "\0" not in name


def _by_link(folder: Path, name: Path) -> str:
    """`name`, or the folder in it that is a link."""
    links = [parent for parent in reversed(name.parents) if parent.parts and (folder / parent).is_symlink()]
    return str(links[0] if links else name)


def require_unchanged(data: Path, before: Understood, now: Understood) -> None:
    """DataError where the images are no longer those that were stored in the folder `data`."""
    for what in ("count", "rows", "shape", "dtype"):
        if (was := getattr(before, what)) != (found := getattr(now, what)):
            raise DataError(
                f"{data}: the images changed since they were stored: {what} was {was}, and is {found}; "
                "take another -o, or --overwrite"
            )


def stamps_of(paths: Iterable[Path], most: int = MOST_STAMPS) -> dict[str, list[int]]:
    """File → its size, and when it was written to, in nanoseconds; of many the first `most` by name.

    A file is called by the last name of its path in `paths`, and by what follows.
    """
    found: dict[str, list[int]] = {}
    for path in paths:
        for each in sorted(path.rglob("*"))[:most] if path.is_dir() else [path]:
            if len(found) < most and each.is_file():
                stat = each.stat()
                found[str(each.relative_to(path.parent))] = [stat.st_size, stat.st_mtime_ns]
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json_of(path)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: is damaged ({reason}); take another -o, or --overwrite") from None
    wrong = "all of it" if not isinstance(found, dict) else ", ".join(_wrong(found))
    if wrong:
        raise DataError(f"{path}: is damaged (of the wrong type: {wrong}); take another -o, or --overwrite")
    return dict(found)


def _wrong(told: dict[str, Any]) -> Iterator[str]:
    """The fields that cannot be used."""
    for name, is_right in _FIELDS.items():
        if name in told and not is_right(told[name]):
            yield name


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return _is_number(value) and isinstance(value, int) and value >= 0


def _is_design(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.get("linear", True) in (None, True, False)
        and (value.get("linear", True) is not None or _is_count(value.get("race")))
        and _are_words(value.get("set", []))
        and all(value.get(name) is None or _is_number(value[name]) for name in ("pca", "mean"))
    )


def _is_length(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    texts, counts = (value.get(name) for name in ("set", "course")), (value.get(name) for name in ("begins", "ends"))
    return all(map(_are_words, texts)) and all(map(_is_count, counts))


_FIELDS: dict[str, Callable[[Any], bool]] = {
    "wishes": lambda value: isinstance(value, dict) and _are_words(value.get("set", [])),
    "stamps": lambda value: isinstance(value, dict),
    "design": _is_design,
    "lengths": lambda value: isinstance(value, list) and all(map(_is_length, value)),
    "made": lambda value: isinstance(value, dict) and all(map(_are_words, value.values())),
    "files": _are_words,
    "texts": lambda value: isinstance(value, dict),
}
