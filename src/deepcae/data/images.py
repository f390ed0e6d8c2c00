"""Pictures as Caffe reads them: channels B, G, R, values 0..255, rows from top to bottom (OpenCV's `imread`)."""

from __future__ import annotations

import io
import logging
import os
import warnings
from pathlib import Path

import numpy as np

from ..errors import DataError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # none that starts another program, as EPS does
PIXELS = 2**24  # of a picture of any file size ...
PIXELS_PER_BYTE = 64  # ... and more for each byte: a larger claim is an attack, or damage

logging.getLogger("PIL").addHandler(logging.NullHandler())  # the DataError says it


def decode(content: bytes | Path, color: bool | None, what: str) -> np.ndarray:
    """An image file's pixels, uint8 (C, H, W). `color`: True three channels, False one, None as stored."""
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise DataError(f"{what}: reading images needs the pillow package: pip install pillow") from error
    if isinstance(content, Path) and not os.path.isfile(content):
        raise DataError(f"{what}: no such file")
    size = len(content) if isinstance(content, bytes) else content.stat().st_size
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd but readable files
            with Image.open(io.BytesIO(content) if isinstance(content, bytes) else content, formats=FORMATS) as image:
                if image.width * image.height > PIXELS + PIXELS_PER_BYTE * size:
                    raise ValueError(f"{image.width} x {image.height} pixels in {size} bytes")
                gray = color is False or (color is None and image.mode in ("1", "L"))
                pixels = np.asarray(image.convert("L" if gray else "RGB"))
    except Exception as error:  # pillow's decoders raise whatever they stumble over
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{what}: is no readable image ({reason})") from error
    if gray:
        return pixels[None]
    return np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1))


def resize(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, pixel centres at half integers, edges repeated: (..., H, W) → float32 (..., height, width)."""
    out = np.asarray(images, np.float32)
    for axis, size in ((-2, height), (-1, width)):
        old = out.shape[axis]
        at = np.clip((np.arange(size) + 0.5) * old / size - 0.5, 0, old - 1)
        low = at.astype(np.int64)
        high = np.minimum(low + 1, old - 1)
        part = (at - low).astype(np.float32)
        if axis == -2:
            part = part[:, None]
        out = np.take(out, low, axis) * (1 - part) + np.take(out, high, axis) * part
    return out
