"""Whether a result on held-out images is surely better: by more than chance, and by more than a little."""

from __future__ import annotations

import numpy as np

WORTH = 0.01  # of the error, that has to be gained
SURE = 1.0  # standard errors of the gain, likewise
GROUPS = 20  # of neighbouring images


def significantly_better(before: np.ndarray, after: np.ndarray, worth: float | None = None) -> bool:
    """Whether errors (n,) of the same images, independent of each other, fell by more than chance and than little.

    `worth`: the share that has to be gained (default: WORTH).
    """
    gain = before - after
    chance = float(gain.std(ddof=1)) / np.sqrt(len(gain)) if len(gain) > 1 else np.inf
    return bool(gain.mean() > max(SURE * chance, (WORTH if worth is None else worth) * before.mean()))


def in_groups(errors: np.ndarray) -> np.ndarray:
    """Means of errors (n,) over groups of neighbours, which may resemble each other: (GROUPS,), or as many as n."""
    return np.array([part.mean() for part in np.array_split(errors, min(GROUPS, len(errors)))])
