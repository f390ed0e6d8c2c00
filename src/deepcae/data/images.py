"""Picture files as Caffe reads them, with OpenCV: uint8, channels B, G, R, rows from top to bottom.

What would be read in part, or as something else, is refused: more than one page or frame, floating-point pixels, more
bits than 16 or a number that fills no byte.
Source: Caffe's io.cpp (ReadImageToCVMat, DecodeDatumToCVMat), OpenCV's loadsave.cpp.
"""

from __future__ import annotations

import io
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import DataError
from ..inplace import open_to_read, why_no_file
from .pixels import gray_pixels, oriented, stored_pixels

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # none that starts another program, as EPS does
PIXELS = 2**24  # of a picture of any file size ...
PIXELS_PER_BYTE = 64  # ... and more for each byte: a larger claim is an attack, or damage
BITS = (1, 2, 4, 8, 16)  # a channel
_TIFF_BITS, _TIFF_SUBFILE, _TIFF_SAMPLES, _TIFF_PLANAR = 258, 254, 339, 284  # tags
_OR = "or its values as HDF5"
_TIFF_FLOAT, _TIFF_PART = (3, 6), 1 | 4  # sample formats; a reduced copy or a mask of another page

logging.getLogger("PIL").addHandler(logging.NullHandler())  # the DataError says it


def decode(content: bytes | Path, color: bool | None, what: str) -> np.ndarray:
    """An image file's pixels, uint8 (C, H, W). `what` names it in a DataError.

    `color` True: B, G, R; False: gray alone; None: as stored, that is 1, 3, or with transparency 4 channels, and
    without the turn that a camera wrote beside the pixels (EXIF), as OpenCV's IMREAD_UNCHANGED. Of 16 bits the high
    byte counts. Differs from OpenCV: that also for None, where Caffe ends.
    """
    with opened(content, what) as image:
        pixels = gray_pixels(image) if color is False else stored_pixels(image)
        if color is not None:
            pixels = oriented(pixels, image)
    if pixels.ndim == 2:
        return np.repeat(pixels[None], 3 if color else 1, axis=0)
    if color or pixels.shape[2] == 3:
        return np.ascontiguousarray(pixels[..., 2::-1].transpose(2, 0, 1))
    return np.ascontiguousarray(pixels[..., [2, 1, 0, 3]].transpose(2, 0, 1))


@contextmanager
def opened(content: bytes | Path, what: str, *, floats: bool = False) -> Iterator[Image]:
    """A picture of one page, of whole numbers or where wanted `floats`, not read yet. DataError for anything else.

    What goes wrong while it is open is the file's fault, too.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise DataError(f"{what}: reading images needs the pillow package: pip install pillow") from error
    if isinstance(content, Path) and (why := why_no_file(content)):
        raise DataError(f"{what}: {why}")
    try:
        stream: BinaryIO = io.BytesIO(content) if isinstance(content, bytes) else open_to_read(content)
        with warnings.catch_warnings(), stream as file:
            warnings.simplefilter("ignore")  # of odd but readable files
            _check_tiff(file, what, floats)
            with Image.open(file, formats=FORMATS) as image:
                _check(image, file.seek(0, os.SEEK_END), what, floats)
                yield image
    except DataError:
        raise
    except UnidentifiedImageError as error:
        raise DataError(f"{what}: is no readable image ({_unknown(content)})") from error
    except Exception as error:  # pillow's decoders raise whatever they stumble over
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{what}: is no readable image ({reason})") from error


def _unknown(content: bytes | Path) -> str:
    empty = not (content if isinstance(content, bytes) else content.stat().st_size)
    return "it is empty" if empty else f"it is damaged, or none of {', '.join(FORMATS)}"


def _check(image: Image, size: int, what: str, floats: bool) -> None:
    """Refuses a picture whose pixels would be lost, or too many for a file of `size` bytes."""
    if image.width * image.height > PIXELS + PIXELS_PER_BYTE * size:
        raise ValueError(f"{image.width} x {image.height} pixels in {size} bytes")
    if image.mode == "F" and not floats:
        raise DataError(_floats(what))
    if _has_more(image):
        raise DataError(
            f"{what}: holds more than one picture (pages or frames), and only the first would be read; "
            "save each one in a file of its own"
        )


def _has_more(image: Any) -> bool:
    """Whether there are other pages or frames. A camera's JPEG may carry copies of its picture: these are none."""
    if image.format in ("JPEG", "MPO"):
        return False
    if image.format != "TIFF":
        return bool(getattr(image, "is_animated", False))
    try:
        for page in count(1):
            image.seek(page)
            if not image.tag_v2.get(_TIFF_SUBFILE, 0) & _TIFF_PART:
                return True
    except EOFError:
        image.seek(0)
    return False


def _check_tiff(file: BinaryIO, what: str, floats: bool) -> None:
    """Refuses a TIFF whose numbers do not become bytes, by its tags: pillow knows only some of them."""
    from PIL.TiffImagePlugin import PREFIXES, ImageFileDirectory_v2

    head = file.read(8)
    if head[:4] in PREFIXES:
        tags = ImageFileDirectory_v2(head + (file.read(8) if 43 in head[2:4] else b""))
        file.seek(tags.next)
        tags.load(file)
        bits = max(np.ravel(tags.get(_TIFF_BITS, 1)).tolist())
        if {*np.ravel(tags.get(_TIFF_SAMPLES, 1)).tolist()} & {*_TIFF_FLOAT}:
            if not floats:
                raise DataError(_floats(what))
        elif bits not in BITS:
            allowed = ", ".join(map(str, BITS))
            raise DataError(f"{what}: its pixels have {bits} bits, not {allowed}; save it with 8 or 16 bits, {_OR}")
        elif bits == 16 and tags.get(_TIFF_PLANAR, 1) == 2:
            raise DataError(
                f"{what}: has planes of 16 bits for each colour; save it with the colours of a pixel together"
            )
    file.seek(0)


def _floats(what: str) -> str:
    return f"{what}: its pixels are floating-point numbers; save it with 8 or 16 bits, {_OR}"
