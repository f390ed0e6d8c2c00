"""Pictures with 16 bits a channel: pillow shows one byte of each colour alone, so that they are read twice."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}  # of big, little, native order
_MIN_IS_WHITE, _PHOTOMETRIC = 0, 262


def raw_mode(image: Any) -> str:
    """How pillow means to read the values, before they are read: `RGB;16B`."""
    codec, _, _, settings = image.tile[0] if image.tile else ("", (), 0, "")
    if codec == "ppm" and settings == ("RGB", 65535):
        return "RGB;16B"
    return str(settings if isinstance(settings, str) else settings[0])


def read_as(image: Any, mode: str) -> np.ndarray:
    """The picture's values, read from its file anew in another of pillow's raw modes."""
    from PIL import Image

    image.fp.seek(0)
    with Image.open(image.fp, formats=[image.format]) as twin:
        twin.tile = [_tile_as(tile, mode) for tile in twin.tile]
        return np.asarray(twin)


def _tile_as(tile: Any, mode: str) -> Any:
    codec, box, offset, settings = tile
    if codec == "ppm":
        codec, settings = "raw", (mode, 0, 1)
    make = getattr(type(tile), "_make", tuple)  # pillow 11 has a type of its own
    return make((codec, box, offset, mode if isinstance(settings, str) else (mode, *settings[1:])))


def deep_colors(image: Image) -> np.ndarray | None:
    """uint16 (H, W, 3 or 4), R, G, B and A, of a picture with 16 bits for each; None for others."""
    mode = raw_mode(image)
    if not mode.startswith(("RGB;16", "RGBA;16", "RGBX;16", "RGBa;16")):
        return None
    order = mode[-1]
    name = mode[:4].replace("a", "A").rstrip(";")  # of colours that were multiplied by their alpha, the products
    high, low = read_as(image, f"{name};16{order}"), read_as(image, f"{name};16{_OTHER_BYTE[order]}")
    return high.astype(np.uint16) << 8 | low


def deep_gray(image: Any) -> np.ndarray | None:
    """uint16 (H, W) of a picture with 16 bits of gray, whatever pillow calls it; None for others."""
    if not image.mode.startswith("I"):
        return None
    white = image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == _MIN_IS_WHITE
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are no numbers from 0 to 65535")
    return 65535 - values.astype(np.uint16) if white else values.astype(np.uint16)
