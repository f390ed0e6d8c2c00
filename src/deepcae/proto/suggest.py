"""The valid name that an author probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

_LEAST = 3  # letters that a part of a name must have to count as one
_LONGEST = 100  # letters of a word that is looked at
_MOST = 2000  # names that are looked at: a network has fewer, and likeness is slow to tell


def closest(word: str, names: Iterable[str]) -> str | None:
    """A name that begins with `word`, else the name most like it, else one that contains it or is contained in it.

    Letter case does not count. None where nothing is near.
    """
    if len(word) > _LONGEST:
        return None
    folded: dict[str, str] = {}
    for name in islice(names, _MOST):
        folded.setdefault(name.lower(), name)
    part = word.lower()
    long_enough = [name for name in folded if min(len(name), len(part)) > _LEAST]
    begun = [name for name in long_enough if name.startswith(part)]
    near = begun or get_close_matches(part, folded, n=1, cutoff=0.6)
    near = near or sorted((name for name in long_enough if part in name or name in part), key=len)
    return folded[near[0]] if near else None
