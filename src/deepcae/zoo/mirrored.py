"""Whether images may be mirrored, left and right: told from the images, not from what they are called.

Half of the images are learned by PCA, with as many components as so many images can tell. The other half is restored
by it, as it is and mirrored. Where left and right mean nothing (photographs, tissue), both are restored about equally
well; a mirrored digit, face in profile or field of view is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..codes.principal import Array, Blocks, principal

MOST, VALUES = 2000, 2**25  # images that are looked at, and values of them
LEAST = 40
COMPONENTS = 32
PER_COMPONENT = 4  # images
ALIKE = 1.1  # at most this much worse; measured in docs/15-design.md


def looks_alike(blocks: Blocks, image: Sequence[int]) -> bool:
    """Whether mirrored images look like the others. False for rows, for one pixel's width, and for too few images."""
    if len(image) != 3 or min(image[1:]) < 2:
        return False
    seen = _spread(blocks, max(LEAST, min(MOST, VALUES // math.prod(image))))
    if len(seen) < LEAST:
        return False
    learned, others = seen[::2], seen[1::2]  # neighbours in time are in both halves: only what is alike remains
    found = principal(lambda: iter([learned]), min(COMPONENTS, len(learned) // PER_COMPONENT))
    turned = others.reshape(-1, *image)[..., ::-1].reshape(len(others), -1)
    return found.error(turned) <= ALIKE * found.error(others)


def _spread(blocks: Blocks, most: int) -> Array:
    """Up to `most` images, evenly from all."""
    every = -(-sum(len(block) for block in blocks()) // most)
    picked, start = [], 0
    for block in blocks():
        picked.append(block[start::every].copy())  # a view would hold the whole block
        start = (start - len(block)) % every
    return np.concatenate(picked)
