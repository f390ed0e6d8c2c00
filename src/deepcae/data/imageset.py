"""A list of images as a database of records: Caffe's `convert_imageset`.

A line is `file label`, split at its last blank; `root` is put before the file's name as it stands. The key of record n
is `%08d_file`. Pixels are B, G, R (one channel with `gray`), uint8 (C, H, W), or with `encoded` an image file's bytes.
Differs from Caffe: a line without label and an image that cannot be read are errors (it stops reading the list, and
leaves the image out); the shuffle has a seed; the database appears whole or not at all.
Source: Caffe's convert_imageset.cpp, io.cpp (ReadImageToDatum).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..inplace import read_file
from ..proto.schema import Datum
from .images import decode
from .listed import ListedImages
from .records import new_lmdb, pixels_datum
from .resize import resize
from .stream import permutation

Progress = Callable[[int, int], object]
"""Is told how many images are done, of how many."""

_ENCODERS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "bmp": "BMP", "tif": "TIFF", "tiff": "TIFF", "webp": "WEBP"}
_QUALITY = 95  # of JPEG, OpenCV's


@dataclass(frozen=True)
class Settings:
    """How images become records; `height` and `width` (0: as they are) are given both or not at all."""

    gray: bool = False
    height: int = 0
    width: int = 0
    check_size: bool = False
    encoded: bool = False
    encode_type: str = ""

    def __post_init__(self) -> None:
        if bool(self.height) != bool(self.width):
            raise DataError("resize_height and resize_width are given both or not at all")
        if self.encode_type and self.encode_type.lower() not in _ENCODERS:
            raise DataError(f"encode_type is one of {', '.join(_ENCODERS)}, not '{self.encode_type}'")


def convert_imageset(
    root: str,
    list_file: str | Path,
    database: str | Path,
    settings: Settings | None = None,
    *,
    shuffle: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> int:
    """Writes the LMDB `database` from the images of a list; how many there are. DataError names the line to blame."""
    settings = settings or Settings()
    listed = ListedImages(Path(list_file))
    order = permutation(seed, 0, len(listed)) if shuffle else range(len(listed))
    first: tuple[int, ...] | None = None
    with new_lmdb(database) as writer:
        for done, index in enumerate(order):
            where, name, label = listed.place(index), listed.name(index), listed.labels[index]
            pixels = _pixels(root + name, where, settings)
            first = pixels.shape if first is None else first
            if settings.check_size and pixels.shape != first:
                raise DataError(f"{where}: {name} is of size {list(pixels.shape)}, the first image of {list(first)}")
            writer.put(f"{done:08d}_{name}", _datum(root + name, pixels, label, settings))
            if progress is not None:
                progress(done + 1, len(listed))
    return len(listed)


def _pixels(file: str, where: str, settings: Settings) -> np.ndarray:
    """uint8 (C, H, W), resized if asked for."""
    pixels = decode(Path(file), not settings.gray, f"{where}: {file}")
    return resize(pixels, settings.height, settings.width) if settings.height else pixels


def _datum(file: str, pixels: np.ndarray, label: int, settings: Settings) -> Any:
    ending = Path(file).suffix.lower().lstrip(".")
    kind = settings.encode_type.lower() or (ending if settings.encoded else "")
    if not kind:
        if settings.encoded:
            raise DataError(f"{file}: has no ending that says how to encode it; give encode_type")
        return pixels_datum(pixels, label)
    as_it_is = ending == kind and not settings.height and not settings.gray
    content = read_file(file) if as_it_is else _encode(pixels, kind, file)
    return Datum(data=content, label=label, encoded=True)


def _encode(pixels: np.ndarray, kind: str, file: str) -> bytes:
    """An image file's bytes from channels B, G, R or one."""
    from PIL import Image

    if kind not in _ENCODERS:
        raise DataError(
            f"{file}: images cannot be encoded as '{kind}'; give encode_type, one of {', '.join(_ENCODERS)}"
        )
    image = Image.fromarray(pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels[::-1].transpose(1, 2, 0)))
    stream = io.BytesIO()
    image.save(stream, _ENCODERS[kind], **({"quality": _QUALITY} if _ENCODERS[kind] == "JPEG" else {}))
    return stream.getvalue()
