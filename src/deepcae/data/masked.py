"""Images times their masks: values outside the mask become 0, as in BehaveNet's loss."""

from __future__ import annotations

import numpy as np

from ..errors import DataError
from .stored import Stored


class Masked(Stored):
    """image · mask, of the image's type. DataError for masks of another shape, or with values outside 0..1."""

    def __init__(self, images: Stored, masks: Stored) -> None:
        if masks.shape != images.shape:
            raise DataError(f"{masks.origin}: masks have shape {list(masks.shape)}, the images {list(images.shape)}")
        super().__init__(images.origin, images.shape, images.dtype, images.chunk, images.packed + masks.packed)
        self.told, self.chunks, self.notes = images.told, images.chunks, images.notes
        self._images, self._masks = images, masks

    def read(self, start: int, stop: int) -> np.ndarray:
        masks = self._masks.read(start, stop)
        if not ((masks >= 0) & (masks <= 1)).all():
            raise DataError(f"{self._masks.origin}: a mask's values must lie within 0..1, where 0 hides a pixel")
        masked: np.ndarray = (self._images.read(start, stop) * masks).astype(self.dtype)
        return masked

    def close(self) -> None:
        self._images.close()
        self._masks.close()
