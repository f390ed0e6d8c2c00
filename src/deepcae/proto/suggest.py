"""The valid name that an author probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, names: Iterable[str]) -> str | None:
    """The name most like `word` (letter case aside), or one that contains it; None where nothing is near."""
    folded = {name.lower(): name for name in sorted(names, reverse=True)}
    if near := get_close_matches(word.lower(), folded, n=1, cutoff=0.6):
        return folded[near[0]]
    part = word.lower()
    holders = sorted(
        (name for name in folded if len(part) > 3 and (part in name or (len(name) > 3 and name in part))), key=len
    )
    return folded[holders[0]] if holders else None
