"""Small versions of images for pictures of many, reduced block by block, so that any number fits into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from ..trained import passes
from ..trained.examples import Examples
from ..viz.reduced import SMALL, reduced
from .material import Material

BLOCK = 16 * 2**20  # bytes of whole images that are held at a time


@dataclass(frozen=True)
class Small:
    """`stack` (n, ...): the images, no side longer than asked; `given`: the shape of one before that."""

    stack: np.ndarray
    given: tuple[int, ...]


def picked(material: Material, examples: Examples, rows: np.ndarray, most: int = SMALL) -> Small:
    """The images of some rows of the examples."""
    one, _ = examples.pick(rows[:1])
    size = max(1, BLOCK // max(1, one.nbytes))
    blocks = (examples.pick(rows[start : start + size])[0] for start in range(0, len(rows), size))
    return _small(material, blocks, most)


def decoded(material: Material, codes: np.ndarray, most: int = SMALL) -> Small:
    """What the decoder makes of codes (n, K)."""
    assert material.restored is not None
    trained = material.trained
    blocks = passes.decoded_blocks(trained, codes.astype(np.float32), trained.code, material.restored)
    return _small(material, blocks, most)


def _small(material: Material, blocks: Iterable[np.ndarray], most: int) -> Small:
    given: list[tuple[int, ...]] = []

    def parts() -> Iterator[np.ndarray]:
        for block in blocks:
            images = material.trained.as_images(block)
            given.append(images.shape[1:])
            yield reduced(images, most)

    stack = np.concatenate(list(parts()))
    return Small(stack, given[0])
