"""How images may be mirrored and turned: told from the images, not from what they are called.

Half of the images are learned by PCA, with as many components as so many images can tell. The other half is restored
by it, as it is and turned. Where left and right mean nothing (photographs, tissue), both are restored about equally
well; a mirrored digit, face in profile or field of view is not. Of a texture without up and down a half turn is hardly
told from what it was, even where its mirror image is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from ..codes.principal import Array, Blocks, principal
from ..data.transform import TURNS

MOST, VALUES = 2000, 2**25  # images that are looked at, and values of them
LEAST = 40
COMPONENTS = 32
PER_COMPONENT = 4  # images
ALIKE = 1.1  # at most this much worse; measured in docs/15-design.md
CHOICES = (
    ("mirror", "flip", "transpose"),
    ("mirror", "flip"),
    ("turn", "transpose"),
    ("mirror",),
    ("flip",),
    ("turn",),
    ("transpose",),
)
"""Fields of transform_param; each is done to half of the images, so all that they make together is as likely."""


def symmetries(blocks: Blocks, image: Sequence[int]) -> tuple[str, ...]:
    """The first of `CHOICES` all of whose images look like the others.

    Empty where none does, for rows, for one pixel's width, and for too few images.
    """
    if len(image) != 3 or min(image[1:]) < 2:
        return ()
    seen = _spread(blocks, max(LEAST, min(MOST, VALUES // math.prod(image))))
    if len(seen) < LEAST:
        return ()
    learned, others = seen[::2], seen[1::2]  # neighbours in time are in both halves: only what is alike remains
    found = principal(lambda: iter([learned]), min(COMPONENTS, len(learned) // PER_COMPONENT))
    most, images, known = ALIKE * found.error(others), others.reshape(-1, *image), {}
    for choice in CHOICES:
        if "transpose" in choice and image[1] != image[2]:
            continue
        for way in _together(choice):
            if way not in known:
                known[way] = found.error(_turned(images, way).reshape(len(images), -1)) <= most
            if not known[way]:
                break
        else:
            return choice
    return ()


def _together(choice: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """All that some turns make together, each done or not; but nothing at all."""
    for done in range(1, 2 ** len(choice)):
        yield tuple(name for bit, name in enumerate(choice) if done >> bit & 1)


def _turned(images: Array, way: Sequence[str]) -> Array:
    for name in way:
        images = TURNS[name](images)
    return images


def _spread(blocks: Blocks, most: int) -> Array:
    """Up to `most` images, evenly from all."""
    every = -(-sum(len(block) for block in blocks()) // most)
    picked, start = [], 0
    for block in blocks():
        picked.append(block[start::every].copy())  # a view would hold the whole block
        start = (start - len(block)) % every
    return np.concatenate(picked)
