"""The bytes that OpenCV makes of a picture's pixels: which channels, which of 16 bits, which gray of red, green, blue.

Gray is made by whoever reads the file, so that each kind has its own: Y of a JPEG; libpng's sum of a PNG, of light
where the file says its gamma; OpenCV's sum of the others. All are equal to those of OpenCV 4.5 and 4.14, bit for bit;
but a BMP of 16 bits a pixel and a PPM of another maximum than 255 and 65535 are scaled to 0..255, as they mean it.
Source: OpenCV's grfmt_*.cpp and utils.cpp, libpng's pngrtran.c, libtiff's tif_getimage.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from .deep import Kind, colors_of_deep, deep_layers, gray_of_deep, read_as
from .light import gray_of_light

if TYPE_CHECKING:
    from PIL.Image import Image

_PNG = (9797, 19234, 3737, 0, 15)  # the weights of R, G, B; a half, and the bits behind the point
_DEEP_PNG = (9797, 19234, 3737, 2**14, 15)
_WEBP = (9798, 19235, 3735, 2**14, 15)
_OTHERS = (4899, 9617, 1868, 2**13, 14)
_ORIENTATION = 274  # EXIF's tag
_BAND = 2**18  # pixels that are converted at a time


def stored_pixels(image: Image) -> Iterator[tuple[int, np.ndarray]]:
    """Bands of rows, each with the number of its first: uint8 (h, W) of gray, (h, W, 3) of R, G, B, or (h, W, 4) where
    some may be transparent."""
    kind = Kind.of(image)
    layers = layers_of(image, kind, exact=kind.format == "TIFF")
    for top, parts in bands_of(layers):
        yield top, _stored(parts, kind)


def gray_pixels(image: Image) -> Iterator[tuple[int, np.ndarray]]:
    """Bands of rows, as `stored_pixels`: uint8 (h, W)."""
    if image.format in ("JPEG", "MPO"):
        image.draft("L", image.size)  # the decoder's own Y
    kind = Kind.of(image)
    weights = _WEBP if kind.format == "WEBP" else _OTHERS
    for top, parts in bands_of(layers_of(image, kind, exact=True)):
        if kind.format == "PNG":
            yield top, _gray_of_png(parts, kind)
        else:
            pixels = _stored(parts, kind)
            yield top, pixels if pixels.ndim == 2 else _weighted(pixels, weights)


def layers_of(image: Image, kind: Kind, exact: bool) -> list[Image]:
    """What the bands are cut from: the picture, or twins of it; `exact`: of 16 bits the low byte counts, too."""
    if kind.is_deep_color:
        return deep_layers(image, exact)
    if kind.mode == "RGBA" and kind.format == "TIFF":
        return [read_as(image, kind.raw.replace("a", "A"))]
    return [image]


def bands_of(layers: list[Image]) -> Iterator[tuple[int, list[Image]]]:
    """The first row of each band, and the band of each layer."""
    width, height = layers[0].size
    rows = max(1, _BAND // width)
    for top in range(0, height, rows):
        yield top, [layer.crop((0, top, width, min(height, top + rows))) for layer in layers]


def _stored(parts: list[Image], kind: Kind) -> np.ndarray:
    if kind.is_deep_gray:
        return _high(gray_of_deep(parts[0], kind))
    if kind.is_deep_color:
        if kind.format == "TIFF":
            return _over_black((colors_of_deep(parts) + np.uint32(128)) // 257, kind)
        return np.asarray(parts[0])
    image = parts[0]
    if kind.mode in ("1", "L") or (kind.mode == "LA" and kind.format == "TIFF"):
        return np.asarray(image.convert("L"))
    if kind.mode == "CMYK":
        return colors_of_inks(image, kind)
    if kind.mode == "RGBA" and kind.format == "TIFF":
        return _over_black(np.asarray(image), kind)
    clear = kind.mode in ("LA", "RGBA", "RGBa", "PA") or ("transparency" in kind.info and kind.format != "WEBP")
    return np.asarray(image.convert("RGBA" if clear else "RGB"))


def _gray_of_png(parts: list[Image], kind: Kind) -> np.ndarray:
    deep = kind.is_deep_color
    pixels = colors_of_deep(parts) if deep else _stored(parts, kind)
    if pixels.ndim == 2:
        return pixels
    made = gray_of_light(pixels[..., :3], kind.info)
    if made is None:
        made = _weighted(pixels, _DEEP_PNG if deep else _PNG)
    return _high(made) if deep else made


def oriented(planes: np.ndarray, image: Image) -> np.ndarray:
    """(..., H, W) turned as the camera was held: EXIF's orientation, 1 to 8. Pillow has turned a TIFF already."""
    turn = turn_of(image)
    if turn >= 5:
        planes = planes.swapaxes(-1, -2)
    if turn in (3, 4, 7, 8):
        planes = planes[..., ::-1, :]
    if turn in (2, 3, 6, 7):
        planes = planes[..., ::-1]
    return planes


def turn_of(image: Image) -> int:
    """What EXIF says; 1 (upright) where it says nothing that can be understood, as for OpenCV."""
    from PIL.Image import Exif

    if image.format == "TIFF":
        return 1
    exif = Exif()
    try:
        exif.load(image.info.get("exif", b""))
        found = exif.get(_ORIENTATION, 1)
    except Exception:  # pillow's reader raises whatever it stumbles over
        return 1
    return found if found in range(1, 9) else 1


def _high(values: np.ndarray) -> np.ndarray:
    return (values >> 8).astype(np.uint8)


def _weighted(colors: np.ndarray, weights: tuple[int, ...]) -> np.ndarray:
    red, green, blue, half, bits = weights
    values = colors.astype(np.uint32)
    made = (red * values[..., 0] + green * values[..., 1] + blue * values[..., 2] + half) >> bits
    return made.astype(colors.dtype)


def _over_black(colors: np.ndarray, kind: Kind) -> np.ndarray:
    """What libtiff makes of a TIFF's colours: multiplied by their alpha, unless they stand so in the file."""
    if colors.shape[2] == 4 and not kind.raw.startswith(("RGBa", "RGBX")):
        alpha = colors[..., 3:].astype(np.uint32)
        colors = np.concatenate([(colors[..., :3] * alpha + 127) // 255, alpha], axis=2)
    return colors.astype(np.uint8)


def colors_of_inks(image: Image, kind: Kind) -> np.ndarray:
    """R, G, B of cyan, magenta, yellow, black. In a JPEG they stand inverted as a rule, and OpenCV takes them so."""
    inverted = kind.raw == "CMYK;I"
    inks = np.asarray(image).astype(np.int32)
    if kind.format == "TIFF":
        return ((255 - inks[..., 3:]) * (255 - inks[..., :3]) // 255).astype(np.uint8)
    inks = 255 - inks if inverted else inks
    light, black = inks[..., :3], inks[..., 3:]
    return (black - ((255 - light) * black >> 8)).astype(np.uint8)
