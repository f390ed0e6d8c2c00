"""Pictures with 16 bits a channel. Pillow gives only one byte of each colour, so they are read twice."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

_OTHER_BYTE = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}  # of big, little, native order
_MIN_IS_WHITE, _PHOTOMETRIC = 0, 262


@dataclass(frozen=True)
class Kind:
    """What pillow says of a picture before it is read: of its parts it does not say it."""

    format: str
    mode: str
    raw: str  # how pillow means to read the values: `RGB;16B`
    info: Mapping[Any, Any]
    is_white_first: bool  # 0 is white

    @classmethod
    def of(cls, image: Any) -> Kind:
        """The kind of a picture that is not read yet."""
        white = image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == _MIN_IS_WHITE
        return cls(image.format, image.mode, _raw_mode(image), image.info, white)

    @property
    def is_deep_color(self) -> bool:
        """Whether it has 16 bits for each of R, G, B."""
        return self.raw.startswith(("RGB;16", "RGBA;16", "RGBX;16", "RGBa;16"))

    @property
    def is_deep_gray(self) -> bool:
        """Whether it has 16 bits of gray, whatever pillow calls it."""
        return self.mode.startswith("I")


def _raw_mode(image: Any) -> str:
    codec, _, _, settings = image.tile[0] if image.tile else ("", (), 0, "")
    if codec == "ppm" and settings == ("RGB", 65535):
        return "RGB;16B"
    return str(settings if isinstance(settings, str) else settings[0])


def read_as(image: Any, mode: str) -> Image:
    """The picture, read from its file anew in another of pillow's raw modes."""
    from PIL import Image

    image.fp.seek(0)
    with Image.open(image.fp, formats=[image.format]) as twin:
        twin.tile = [_tile_as(tile, mode) for tile in twin.tile]
        twin.load()
        return twin


def _tile_as(tile: Any, mode: str) -> Any:
    codec, box, offset, settings = tile
    if codec == "ppm":
        codec, settings = "raw", (mode, 0, 1)
    make = getattr(type(tile), "_make", tuple)  # pillow 11 has a type of its own
    return make((codec, box, offset, mode if isinstance(settings, str) else (mode, *settings[1:])))


def deep_layers(image: Any, exact: bool = True) -> list[Image]:
    """The high bytes of a picture with 16 bits for each colour, and where they must be `exact` the low ones."""
    mode = _raw_mode(image)
    order = mode[-1]
    name = mode[:4].replace("a", "A").rstrip(";")  # of colours that were multiplied by their alpha, the products
    bytes_of = [order, _OTHER_BYTE[order]] if exact else [order]
    return [read_as(image, f"{name};16{each}") for each in bytes_of]


def colors_of_deep(layers: Sequence[Image]) -> np.ndarray:
    """uint16 (H, W, 3 or 4), R, G, B and A, of both layers of a picture, or of a part of it."""
    high, low = (np.asarray(layer) for layer in layers)
    return high.astype(np.uint16) << 8 | low


def gray_of_deep(image: Image, kind: Kind) -> np.ndarray:
    """uint16 (H, W) of a picture with 16 bits of gray, or of a part of it."""
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError("its pixels are no numbers from 0 to 65535")
    return 65535 - values.astype(np.uint16) if kind.is_white_first else values.astype(np.uint16)
