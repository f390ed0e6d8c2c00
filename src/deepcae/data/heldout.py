"""How many held-out images are enough to test with, where nobody says how many and there are very many.

A training looks at about 2·10⁹ values at most (`zoo.schedule`), and is tested ten times or more; so `VALUES` for each
test keep all tests together at half of what is learned from, or less, whatever the size of the data.
"""

from __future__ import annotations

VALUES, MOST, LEAST = 10**8, 50_000, 100


def enough(size: int) -> int:
    """Images of `size` values."""
    return min(MOST, max(LEAST, VALUES // max(1, size)))
