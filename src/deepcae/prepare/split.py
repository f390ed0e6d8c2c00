"""Which images are held out for tests. Images close in time or space must not be in both parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..data.folder import HELD_OUT, TO_LEARN
from ..data.heldout import END, MIDDLE, at_random, stretches
from ..errors import DataError
from .options import Options

FEW_FILES = 6  # with fewer, a part of each is held out
PART = 0.15  # of all images, that is held out where nobody says how much
_TENTH = {"t10k"}  # the 10,000 test images of MNIST
_NO_NAMES = frozenset("images idx3 ubyte gz npy npz mat h5 hdf5 hdf".split())  # noqa: SIM905 - words that name no set
FEW_IMAGES = 8  # of which patches are cut: with fewer, a region of each is held out


@dataclass(frozen=True)
class Split:
    """`kind`: as in `Options.split`, decided; `is_test` (n,): of each image; `why` in words."""

    kind: str
    is_test: np.ndarray
    why: str

    @property
    def held(self) -> int:
        """How many images are held out."""
        return int(self.is_test.sum())


def split_images(
    groups: np.ndarray,
    is_series: bool,
    why_series: str,
    options: Options,
    classes: Sequence[str] | None = None,
    in_depth: bool = False,
    enough: int | None = None,
    lines: np.ndarray | None = None,
) -> Split:
    """The split of images whose file is `groups` (n,), numbers that never fall.

    `is_series`: neighbours look alike, `why_series` tells whence that is known; `classes`: that of each file, where
    files have one; `in_depth`: the series goes through a body, whose end is not like the rest of it; `enough`: images
    to test with, of which no more are held out where nobody says how many; `lines` (n,), numbers that never fall:
    images that follow one another, in each of which stretches lie; default: those of a file.
    """
    total, files = len(groups), int(groups[-1]) + 1 if len(groups) else 0
    none = np.zeros(total, bool)
    kind, why = options.split, "as asked"
    if kind == "auto":
        kind, why = _decided(total, files, is_series, why_series, options)
    if kind == "none":
        return Split(kind, none, "nothing is held out")
    if kind == "region":
        return Split(kind, none, f"the lowest {share_of(options):.0%} of each image's height: {why}")
    if options.held_out is None and enough is not None and enough < PART * total:
        options, why = replace(options, held_out=enough / total), f"{why}; so many are enough to test with"
    if total < 2:
        raise DataError(f"there is {total} image; to learn and to test needs two: give more, --patch, or --split none")
    if kind == "random":
        chosen = at_random(total, _count(total, options), options.seed)
        return Split(kind, chosen, f"random images, seed {options.seed}: {why}")
    if kind == "file":
        if files < 2:
            raise DataError("--split file needs two files or more; --split time holds out the last images of one")
        chosen = _files(groups, files, options, classes)
        told = "the last files"
        if classes is not None:
            told = f"random files{' of each class' if len(set(classes)) > 1 else ''}, seed {options.seed}"
        return Split(kind, chosen, f"{told} ({len(np.unique(groups[chosen]))} of {files}): {why}")
    if kind == "blocks":
        lines = groups if lines is None else lines
        each = " of each file" if files > 1 else " of each class" if lines[-1] else ""
        chosen = _blocks(lines, MIDDLE if in_depth else END, options)
        begins = chosen & ~np.insert(chosen[:-1] & (lines[1:] == lines[:-1]), 0, False)
        places = int(np.bincount(lines, begins).max())
        return Split(kind, chosen, f"neighbouring images in {places} place{'s' * (places > 1)}{each}: {why}")
    chosen = _last(groups, files, options)
    each = "the last images of each file" if files > 1 else "the last images"
    return Split(kind, chosen, f"{each}: {why}")


def given_split(is_test: list[np.ndarray | None], items: np.ndarray, options: Options) -> Split | None:
    """The split that folders `train` and `test` are, where all sources have one and no other is asked for.

    `is_test`: of each source, its rows; `items` (n, 2): source and row of each image.
    """
    if options.split != "auto" or any(each is None for each in is_test):
        return None
    starts = np.cumsum([0, *(len(each) for each in is_test if each is not None)])
    rows = np.concatenate([each for each in is_test if each is not None])
    return Split("folders", rows[starts[items[:, 0]] + items[:, 1]], "by its folders, train and test (or val)")


def named_split(names: Sequence[str], items: np.ndarray, options: Options) -> Split | None:
    """The split that files `train` and `test` are, where the name of each source says which it is.

    `names`: of the files of the sources, empty where a name says nothing; `items` (n, 2): source and row of each image.
    """
    parts = [part_of(name) for name in names]
    words = sorted({part.word for part in parts if part is not None}, key=lambda word: (word not in TO_LEARN, word))
    held = np.array([part is not None and part.word not in TO_LEARN for part in parts])
    if options.split != "auto" or None in parts or held.all() or not held.any():
        return None
    return Split("file", held[items[:, 0]], f"by the names of the files, {' and '.join(words)}")


@dataclass(frozen=True)
class Part:
    """What a file's name says: `of` which set, in lower case, it is the part `word`: `train`, `test`, `t10k`, ..."""

    of: str
    word: str


def part_of(name: str) -> Part | None:
    """`emnist-letters-test-images-idx3-ubyte.gz` is the part `test` of `emnist-letters`. None where no word tells."""
    words = [word for word in re.split(r"[-_. ]+", name.casefold()) if word not in _NO_NAMES]
    found = [word for word in words if word in TO_LEARN | HELD_OUT | _TENTH]
    return Part("-".join(word for word in words if word != found[0]), found[0]) if len(found) == 1 else None


def share_of(options: Options) -> float:
    """The part that is held out, of images or of each one's height."""
    return PART if options.held_out is None else options.held_out


def _decided(total: int, files: int, is_series: bool, why: str, options: Options) -> tuple[str, str]:
    if options.patch and total < FEW_IMAGES:
        return "region", f"there are only {total} images" if total > 1 else "there is only one"
    if not is_series:
        return "random", why
    if files >= FEW_FILES:
        return "file", f"{why}, and there are several files"
    return "blocks", why


def _count(total: int, options: Options) -> int:
    """How many of `total` are held out: one at least, and never all."""
    return min(max(1, round(total * share_of(options))), total - 1)


def _last(groups: np.ndarray, files: int, options: Options) -> np.ndarray:
    chosen = np.zeros(len(groups), bool)
    for file in range(files):
        begin, end = np.searchsorted(groups, [file, file + 1])
        if end - begin > 1:
            chosen[end - _count(int(end - begin), options) : end] = True
    if not chosen.any():  # each file holds one
        chosen[len(groups) - _count(len(groups), options) :] = True
    return chosen


def _blocks(lines: np.ndarray, place: float, options: Options) -> np.ndarray:
    """Stretches of each line that has two images."""
    chosen = np.zeros(len(lines), bool)
    ends = np.flatnonzero(np.diff(lines, append=-1)) + 1
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        if end - begin > 1:
            chosen[begin:end] = stretches(end - begin, _count(int(end - begin), options), place) >= 0
    return chosen if chosen.any() else _last(lines, len(ends), options)


def _files(groups: np.ndarray, files: int, options: Options, classes: Sequence[str] | None) -> np.ndarray:
    """Whole files, from the end, or of each class in turn by chance, until they hold the part that is wanted.

    Never all; of a class, where files have one, at most half of the files.
    """
    order = np.arange(files)[::-1]
    if classes is not None:
        order = _in_turn(np.random.default_rng([options.seed % 2**64, 0xF11E]).permutation(files), classes)
    sizes, wanted = np.bincount(groups, minlength=files), _count(len(groups), options)
    count = 1 + int(np.searchsorted(np.cumsum(sizes[order]), wanted))
    return np.isin(groups, order[: min(count, files - 1)])


def _in_turn(files: np.ndarray, classes: Sequence[str]) -> np.ndarray:
    """The files so that the classes take turns; of each only half, the rest behind all."""
    seen, sizes = Counter[str](), Counter(classes)
    turns: list[tuple[bool, float, int]] = []
    for file in files.tolist():
        of = classes[file]
        seen[of] += 1
        is_rest = seen[of] > sizes[of] // 2
        turns.append((is_rest, seen[of] / sizes[of] if is_rest else seen[of], len(turns)))
    return files[[place for _, _, place in sorted(turns)]]


def rows_of_region(height: int, patch: int, options: Options) -> tuple[slice, slice]:
    """The rows of pixels in which training patches lie, and those of test patches: the lowest ones."""
    held = max(patch, round(height * share_of(options)))
    if height - held < patch:
        raise DataError(
            f"an image of height {height} cannot be parted into patches of height {patch} to train and to test with; "
            "give more images, smaller patches, or --split none"
        )
    return slice(0, height - held), slice(height - held, height)
