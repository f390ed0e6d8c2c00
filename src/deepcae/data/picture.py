"""One picture file as it is: all its bits, its own channels in the order R, G, B, upright.

| stored as                          | read as                                                                 |
|------------------------------------|-------------------------------------------------------------------------|
| grey of 1 bit, 8 bits              | uint8, one channel; 1 bit is 0 and 255                                  |
| 16 bits, grey or colours           | uint16                                                                  |
| floating point (TIFF)              | float32, one channel                                                    |
| a palette                          | uint8: one channel where all its colours are grey, else three           |
| transparent pixels                 | laid over white, as a browser shows them                                |
| inks (CMYK)                        | R, G, B, without their colour profile                                   |
| turned by the camera (EXIF)        | upright                                                                 |

Anything else is refused by name: several pages or frames, 12, 32 or 64 bits, damaged or truncated files. Caffe's own
way of reading, which keeps the high byte of 16 bits, is in `images`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from .deep import Kind, colors_of_deep, gray_of_deep
from .images import opened
from .pixels import bands_of, colors_of_inks, layers_of, oriented, turn_of
from .stream import Shape

_GREY = ("1", "L", "LA", "F")
_CLEAR = ("LA", "RGBA", "RGBa", "PA")


@dataclass(frozen=True)
class Look:
    """What a picture's header says: the shape (c, h, w) and type that `read_picture` gives, and what it does to it."""

    shape: Shape
    dtype: np.dtype[Any]
    is_clear: bool = False  # has transparency
    is_inks: bool = False
    is_turned: bool = False


def look_at(path: Path) -> Look:
    """The look of a picture file; its pixels are read only where it has a palette. DataError for what is refused."""
    with opened(path, str(path), floats=True) as image:
        kind, turn = _kind(image, path), turn_of(image)
        height, width = image.size[::-1] if turn < 5 else image.size
        return Look(
            (_channels(image, kind), height, width), _dtype(kind), _is_clear(kind), kind.mode == "CMYK", turn > 1
        )


def read_picture(path: Path) -> np.ndarray:
    """The pixels (C, H, W), as the table above says. DataError for what is refused, and for a damaged file."""
    with opened(path, str(path), floats=True) as image:
        kind = _kind(image, path)
        (width, height), channels = image.size, _channels(image, kind)
        made = np.empty((channels, height, width), _dtype(kind))
        for top, parts in bands_of(layers_of(image, kind, exact=True)):
            band = _pixels(parts, kind, channels)
            for plane, values in zip(made, np.moveaxis(band, -1, 0), strict=True):
                plane[top : top + len(values)] = values
        turned = oriented(made, image)
        image.close()
    return np.ascontiguousarray(turned)


def _kind(image: Any, path: Path) -> Kind:
    kind = Kind.of(image)
    if ";16" in kind.raw and not (kind.is_deep_gray or kind.is_deep_color):  # of which pillow gives 8
        raise DataError(f"{path}: has 16 bits of grey and transparency; save it without transparency")
    return kind


def _dtype(kind: Kind) -> np.dtype[Any]:
    if kind.mode == "F":
        return np.dtype(np.float32)
    return np.dtype(np.uint16 if kind.is_deep_gray or kind.is_deep_color else np.uint8)


def _channels(image: Any, kind: Kind) -> int:
    if kind.mode in ("P", "PA"):
        image.load()
        palette = np.frombuffer(bytes(image.getpalette("RGB") or ()), np.uint8).reshape(-1, 3)
        return 1 if (palette == palette[:, :1]).all() else 3
    return 1 if kind.mode in _GREY or kind.is_deep_gray else 3


def _is_clear(kind: Kind) -> bool:
    deep = kind.is_deep_color and kind.raw.startswith(("RGBA", "RGBa"))
    plain = kind.mode in _CLEAR or "transparency" in kind.info
    return deep or (plain and not kind.is_deep_gray and not kind.is_deep_color)


def _pixels(parts: list[Any], kind: Kind, channels: int) -> np.ndarray:
    """A band (h, W, channels)."""
    if kind.mode == "F":
        return np.asarray(parts[0])[..., None]
    if kind.is_deep_gray:
        return gray_of_deep(parts[0], kind)[..., None]
    if kind.is_deep_color:
        colors = colors_of_deep(parts)
        return _over_white(colors, kind) if colors.shape[2] == 4 and _is_clear(kind) else colors[..., :3]
    if kind.mode == "CMYK":
        return colors_of_inks(parts[0], kind)
    if _is_clear(kind):
        return _over_white(np.asarray(parts[0].convert("RGBA")), kind)[..., :channels]
    return np.atleast_3d(np.asarray(parts[0].convert("L" if channels == 1 else "RGB")))


def _over_white(colors: np.ndarray, kind: Kind) -> np.ndarray:
    """Rounded  c·a + top·(1 − a)  of (h, W, 4); where the colours were multiplied by a already, they are not again."""
    top = np.uint64(np.iinfo(colors.dtype).max)
    alpha = colors[..., 3:].astype(np.uint64)
    values = colors[..., :3].astype(np.uint64)
    if kind.raw.startswith("RGBa"):
        made = np.minimum(values + top - alpha, top)
    else:
        made = (values * alpha + top * (top - alpha) + top // np.uint64(2)) // top
    return made.astype(colors.dtype)
