"""Single pages of a TIFF: as they lie in the file, or unpacked by pillow."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .stream import Shape

_MODES = {"uint8": ("L", "RGB"), "uint16": ("I;16", "I;16B", "I;16L"), "float32": ("F",)}


@dataclass(frozen=True)
class PlainPages:
    """Pages of one shape that lie one after another from byte `begin` on."""

    path: Path
    shape: Shape
    dtype: np.dtype[Any]
    begin: int

    def read(self, first: int, count: int) -> np.ndarray:
        """Pages `first` and on, (count, *shape)."""
        values = math.prod(self.shape)
        offset = self.begin + first * values * self.dtype.itemsize
        return np.fromfile(self.path, self.dtype, count * values, offset=offset).reshape(count, *self.shape)


def read_by_pillow(path: Path, number: int, shape: Shape, dtype: np.dtype[Any], packing: str) -> np.ndarray:
    """A page of plain grey or colours. DataError where pillow cannot give its numbers as they are."""
    missing = f"{path}: is packed by {packing}, which needs the imagecodecs package: pip install imagecodecs"
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise DataError(missing) from error
    try:
        with warnings.catch_warnings(), Image.open(path, formats=["TIFF"]) as image:
            warnings.simplefilter("ignore")
            image.seek(number)
            if image.mode not in _MODES.get(dtype.name, ()):
                raise DataError(missing)
            found = np.asarray(image)
    except UnidentifiedImageError as error:
        raise DataError(missing) from error
    if found.shape != shape:
        raise DataError(missing)
    return found
