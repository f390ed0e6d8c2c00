"""The bytes that OpenCV makes of a picture's pixels: which channels, which of 16 bits, which gray of red, green, blue.

Gray is made by whoever reads the file, so that each kind has its own: Y of a JPEG; libpng's sum of a PNG, of light
where the file says its gamma; OpenCV's sum of the others. All are equal to those of OpenCV 4.5 and 4.14, bit for bit;
but a BMP of 16 bits a pixel and a PPM of another maximum than 255 and 65535 are scaled to 0..255, as they mean it.
Source: OpenCV's grfmt_*.cpp and utils.cpp, libpng's pngrtran.c, libtiff's tif_getimage.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .deep import deep_colors, deep_gray, raw_mode, read_as
from .light import gray_of_light

if TYPE_CHECKING:
    from PIL.Image import Image

_PNG = (9797, 19234, 3737, 0, 15)  # the weights of R, G, B; a half, and the bits behind the point
_DEEP_PNG = (9797, 19234, 3737, 2**14, 15)
_WEBP = (9798, 19235, 3735, 2**14, 15)
_OTHERS = (4899, 9617, 1868, 2**13, 14)
_ORIENTATION = 274  # EXIF's tag


def stored_pixels(image: Image) -> np.ndarray:
    """uint8 (H, W) of gray, (H, W, 3) of R, G, B, or (H, W, 4) where some may be transparent."""
    gray, colors = deep_gray(image), deep_colors(image)
    if gray is not None:
        return _high(gray)
    if colors is not None:
        return _high(colors) if image.format != "TIFF" else _over_black((colors + np.uint32(128)) // 257, image)
    if image.mode in ("1", "L") or (image.mode == "LA" and image.format == "TIFF"):
        return np.asarray(image.convert("L"))
    if image.mode == "CMYK":
        return _of_inks(image)
    if image.mode == "RGBA" and image.format == "TIFF":
        return _over_black(read_as(image, raw_mode(image).replace("a", "A")), image)
    clear = image.mode in ("LA", "RGBA", "RGBa", "PA") or ("transparency" in image.info and image.format != "WEBP")
    return np.asarray(image.convert("RGBA" if clear else "RGB"))


def gray_pixels(image: Image) -> np.ndarray:
    """uint8 (H, W)."""
    if image.format in ("JPEG", "MPO"):
        image.draft("L", image.size)  # the decoder's own Y
    if image.format == "PNG":
        return _gray_of_png(image)
    pixels = stored_pixels(image)
    return pixels if pixels.ndim == 2 else _weighted(pixels, _WEBP if image.format == "WEBP" else _OTHERS)


def _gray_of_png(image: Image) -> np.ndarray:
    deep = deep_colors(image)
    pixels = stored_pixels(image) if deep is None else deep
    if pixels.ndim == 2:
        return pixels
    made = gray_of_light(pixels[..., :3], image.info)
    if made is None:
        made = _weighted(pixels, _PNG if deep is None else _DEEP_PNG)
    return made if deep is None else _high(made)


def oriented(pixels: np.ndarray, image: Image) -> np.ndarray:
    """(H, W, ...) turned as the camera was held: EXIF's orientation, 1 to 8. Pillow has turned a TIFF already."""
    turn = 1 if image.format == "TIFF" else _orientation(image)
    if turn >= 5:
        pixels = pixels.swapaxes(0, 1)
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _orientation(image: Image) -> int:
    """What EXIF says; 1 (upright) where it says nothing that can be understood, as for OpenCV."""
    from PIL.Image import Exif

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


def _over_black(colors: np.ndarray, image: Image) -> np.ndarray:
    """What libtiff makes of a TIFF's colours: multiplied by their alpha, unless they stand so in the file."""
    if colors.shape[2] == 4 and not raw_mode(image).startswith(("RGBa", "RGBX")):
        alpha = colors[..., 3:].astype(np.uint32)
        colors = np.concatenate([(colors[..., :3] * alpha + 127) // 255, alpha], axis=2)
    return colors.astype(np.uint8)


def _of_inks(image: Image) -> np.ndarray:
    """R, G, B of cyan, magenta, yellow, black. In a JPEG they stand inverted as a rule, and OpenCV takes them so."""
    inverted = raw_mode(image) == "CMYK;I"
    inks = np.asarray(image).astype(np.int32)
    if image.format == "TIFF":
        return ((255 - inks[..., 3:]) * (255 - inks[..., :3]) // 255).astype(np.uint8)
    inks = 255 - inks if inverted else inks
    light, black = inks[..., :3], inks[..., 3:]
    return (black - ((255 - light) * black >> 8)).astype(np.uint8)
