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
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..errors import DataError, first_line
from ..inplace import failure_of, open_to_read, system_error, why_no_file
from .deep import Kind
from .pixels import gray_pixels, oriented, stored_pixels
from .tiff import check_tiff, floating, more_than_one

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # none that starts another program, as EPS does
PICTURE_ROOM = 236 * 2**20  # bytes that a picture may take beside twice its file; 20 MiB are for what is done with it

logging.getLogger("PIL").addHandler(logging.NullHandler())  # the DataError says it


def decode(content: bytes | Path, color: bool | None, what: str) -> np.ndarray:
    """An image file's pixels, uint8 (C, H, W). `what` names it in a DataError.

    `color` True: B, G, R; False: gray alone; None: as stored, that is 1, 3, or with transparency 4 channels, and
    without the turn that a camera wrote beside the pixels (EXIF), as OpenCV's IMREAD_UNCHANGED. Of 16 bits the high
    byte counts. Differs from OpenCV: that also for None, where Caffe ends.
    """
    with opened(content, what) as image:
        width, height = image.size
        made: np.ndarray | None = None
        for top, band in gray_pixels(image) if color is False else stored_pixels(image):
            planes = _planes(band, color)
            if made is None:
                made = np.empty((len(planes), height, width), np.uint8)
            for whole, plane in zip(made, planes, strict=True):
                whole[top : top + len(plane)] = plane
        assert made is not None
        turned = made if color is None else oriented(made, image)
        image.close()  # before the copy
    return np.ascontiguousarray(turned)


def _planes(band: np.ndarray, color: bool | None) -> list[np.ndarray]:
    """The channels of rows in OpenCV's order."""
    if band.ndim == 2:
        return [band] * (3 if color else 1)
    channels = (2, 1, 0, 3)[: band.shape[2]] if color is None else (2, 1, 0)
    return [band[..., channel] for channel in channels]


@contextmanager
def opened(content: bytes | Path, what: str, *, floats: bool = False, held: int | None = None) -> Iterator[Image]:
    """A picture of one page, of whole numbers or where wanted `floats`, not read yet. DataError for anything else.

    What goes wrong while it is open is the file's fault, too. `held`: bytes of memory that a pixel takes, where it is
    not read by `stored_pixels` or `gray_pixels`.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ModuleNotFoundError as error:
        raise DataError(f"{what}: reading images needs the pillow package: pip install pillow") from error
    if isinstance(content, Path) and (why := why_no_file(content)):
        raise DataError(f"{what}: {why}")
    stream: BinaryIO | None = None
    try:
        stream = io.BytesIO(content) if isinstance(content, bytes) else open_to_read(content)
        with warnings.catch_warnings(), stream as file:
            warnings.simplefilter("ignore")  # of odd but readable files
            check_tiff(file, what, floats)
            with Image.open(file, formats=FORMATS) as image:
                _check(image, file.seek(0, os.SEEK_END), what, floats, held)
                yield image
            if failure := failure_of(stream):  # pillow may have gone on without what could not be read
                raise failure
    except DataError:
        raise
    except Exception as error:  # pillow's decoders raise whatever they stumble over
        reason = system_error(failure_of(stream)) or system_error(error)
        if reason:
            raise DataError(f"{what}: cannot be read: {reason}") from error
        if isinstance(error, UnidentifiedImageError):
            raise DataError(f"{what}: is no readable image ({_unknown(content)})") from error
        reason = first_line(error)
        raise DataError(f"{what}: is no readable image ({reason})") from error


def _unknown(content: bytes | Path) -> str:
    empty = not (content if isinstance(content, bytes) else content.stat().st_size)
    return "it is empty" if empty else f"it is damaged, or none of {', '.join(FORMATS)}"


def _check(image: Image, size: int, what: str, floats: bool, held: int | None) -> None:
    """Refuses a picture whose pixels would be lost, or too many for a file of `size` bytes."""
    each = _held(image) if held is None else held
    held = image.width * image.height * each
    if held > 2 * size + PICTURE_ROOM:
        most = (2 * size + PICTURE_ROOM) // each / 1e6
        raise DataError(
            f"{what}: its {image.width} x {image.height} pixels would take {held / 2**20:,.0f} MiB of memory; "
            f"at most {most:.0f} million are read of a file of {size} bytes: make it smaller"
        )
    if image.mode == "F" and not floats:
        raise DataError(floating(what))
    if image.format not in ("JPEG", "MPO", "TIFF") and getattr(image, "is_animated", False):
        raise DataError(more_than_one(what))  # a camera's JPEG may carry copies of its picture


def _held(image: Image) -> int:
    """Bytes of memory that a pixel takes while it is read, at most: measured."""
    if image.format == "WEBP":
        return 20
    if image.format in ("JPEG", "MPO") and image.mode != "CMYK":
        return 14 if image.info.get("progressive") else 7  # its coefficients are kept until all of them are there
    if image.mode in ("1", "L"):
        return 6
    return 13 if image.format == "TIFF" or image.mode == "CMYK" or Kind.of(image).is_deep_color else 8
