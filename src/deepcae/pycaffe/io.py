"""Images in, blobs and Datums both ways, and what stands between a picture and a net's input: the Transformer.

An image is (H, W, K) float32 in [0, 1], RGB; a net's input is (K, H, W), often BGR in 0..255 less a mean.
Source: Caffe's python/caffe/io.py; the arithmetic of resizing is that of the scikit-image which it used.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..data.deep import Kind, colors_of_deep, deep_layers, gray_of_deep
from ..data.images import opened
from ..data.pixels import oriented
from ..errors import DataError
from .proto import caffe_pb2
from .resize import resize_image
from .transformer import Transformer

__all__ = [
    "Transformer", "array_to_blobproto", "array_to_datum", "arraylist_to_blobprotovector_str", "blobproto_to_array",
    "blobprotovector_str_to_arraylist", "datum_to_array", "load_image", "oversample", "resize_image",
]  # fmt: skip

_LEGACY = ("num", "channels", "height", "width")
_HELD = 40  # bytes of memory that a pixel takes while it is read
_GRAY = np.array([0.2125, 0.7154, 0.0721], np.float64)  # the luminance that scikit-image takes of R, G, B


# Blobs and Datums


def blobproto_to_array(blob: Any, return_diff: bool = False) -> np.ndarray:
    """A BlobProto's data (or diff), in its shape; the four legacy dimensions win where any is given.

    ValueError if the values do not fill the shape; a message without any shape holds one value.
    """
    values = np.array(blob.diff if return_diff else blob.data)
    legacy = any(blob.HasField(name) for name in _LEGACY)
    shape = tuple(getattr(blob, name) for name in _LEGACY) if legacy else tuple(blob.shape.dim)
    return _filled(values, shape, "BlobProto")


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> Any:
    """A BlobProto with the array's shape and values; `diff`, of the same shape, goes beside them."""
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(arr.shape)
    blob.data.extend(np.asarray(arr, np.float64).ravel())
    if diff is not None:
        blob.diff.extend(np.asarray(diff, np.float64).ravel())
    return blob


def arraylist_to_blobprotovector_str(arraylist: Iterable[np.ndarray]) -> bytes:
    """The bytes of a BlobProtoVector that holds the arrays."""
    vector = caffe_pb2.BlobProtoVector()
    vector.blobs.extend(array_to_blobproto(array) for array in arraylist)
    content: bytes = vector.SerializeToString()
    return content


def blobprotovector_str_to_arraylist(content: bytes) -> list[np.ndarray]:
    """The arrays in the bytes of a BlobProtoVector."""
    vector = caffe_pb2.BlobProtoVector.FromString(content)
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: np.ndarray, label: int | None = None) -> Any:
    """A Datum of a (C, H, W) array: uint8 as bytes, anything else as floats. ValueError for other than three axes."""
    if arr.ndim != 3:
        raise ValueError(f"array_to_datum: an array of 3 axes (C, H, W) is needed; its shape is {arr.shape}")
    datum = caffe_pb2.Datum(channels=arr.shape[0], height=arr.shape[1], width=arr.shape[2])
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(np.asarray(arr, np.float64).ravel())
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: Any) -> np.ndarray:
    """A Datum's (C, H, W) array: uint8 of its bytes, else float64 of its floats. The label stays behind.

    ValueError for an encoded image (a JPEG's bytes are no pixels) and where the values do not fill the shape.
    """
    if datum.encoded:
        raise ValueError("datum_to_array: this Datum holds an encoded image; decode its data with an image library")
    values = np.frombuffer(datum.data, np.uint8).copy() if datum.data else np.array(datum.float_data, np.float64)
    return _filled(values, (datum.channels, datum.height, datum.width), "Datum")


def _filled(values: np.ndarray, shape: tuple[int, ...], what: str) -> np.ndarray:
    try:
        return values.reshape(shape)
    except ValueError:
        raise ValueError(f"this {what} holds {values.size} values, which do not fill its shape {shape}") from None


# Images


def load_image(filename: str | Path, color: bool = True) -> np.ndarray:
    """An image file as float32 in [0, 1]: (H, W, 3) in RGB, or (H, W, 1) where `color` is False.

    A gray image is repeated for three channels; an alpha channel is dropped. Floating-point pixels stay as they are.
    OSError for what is no image, or several in one file. Differs from Caffe: turned as the camera was held (EXIF), as
    the data layers read it.
    """
    path = Path(filename)
    if not path.exists():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    try:
        with opened(path, str(path), floats=True, held=_HELD) as image:
            pixels = _unit(image)
            pixels = np.moveaxis(oriented(np.moveaxis(np.atleast_3d(pixels), 2, 0), image), 0, 2)
    except DataError as error:
        raise OSError(str(error)) from error
    if pixels.shape[2] == 1:
        return np.repeat(pixels, 3 if color else 1, axis=2)
    if color:
        return np.ascontiguousarray(pixels)
    return (pixels @ _GRAY).astype(np.float32)[:, :, None]


def _unit(image: Any) -> np.ndarray:
    """Pillow's picture as (H, W) or (H, W, 3) float32; integers are divided by the most that their type can hold."""
    if image.mode == "F":
        return np.asarray(image)
    kind = Kind.of(image)
    if kind.is_deep_gray:
        return gray_of_deep(image, kind) / np.float32(65535)
    if kind.is_deep_color:
        return colors_of_deep(deep_layers(image))[..., :3].astype(np.float32) / np.float32(65535)
    gray = image.mode in ("1", "L", "LA")
    return np.asarray(image.convert("L" if gray else "RGB"), np.float32) / np.float32(255)


def oversample(images: Sequence[np.ndarray] | np.ndarray, crop_dims: ArrayLike) -> np.ndarray:
    """(N, H, W, K) images → (10 N, h, w, K) float32: of each the four corners and the centre, then these mirrored.

    Corner order: top left, top right, bottom left, bottom right. ValueError for a crop larger than the image.
    """
    height, width, channels = np.shape(images[0])
    h, w = (int(size) for size in np.asarray(crop_dims))
    if not (0 < h <= height and 0 < w <= width):
        raise ValueError(f"oversample: crops of {h} x {w} do not fit into images of {height} x {width}")
    bottom, right = height - h, width - w
    corners = [(0, 0), (0, right), (bottom, 0), (bottom, right), (bottom // 2, right // 2)]
    crops = np.empty((len(images), 2, len(corners), h, w, channels), np.float32)
    for image, places in zip(images, crops, strict=True):
        for place, (top, left) in enumerate(corners):
            places[0, place] = image[top : top + h, left : left + w]
        places[1] = places[0, :, :, ::-1]
    return crops.reshape(-1, h, w, channels)
