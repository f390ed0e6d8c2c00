"""What is done to each image before it is stored: channels, grey, resize, crop, pad. Types stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.stream import Shape
from ..errors import DataError
from .options import Options, Size

_LUMINANCE = (0.299, 0.587, 0.114)  # of R, G, B: ITU-R BT.601


class Steps:
    """`apply(images)` for (k, c, h, w), and `shape_of` one of them."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def changes(self, shape: Shape) -> bool:
        """Whether images of this shape do not stay as they are."""
        given = self._options
        chosen = given.channels is not None and given.channels != tuple(range(shape[0]))
        return chosen or given.nan is not None or self.shape_of(shape) != tuple(shape)

    def shape_of(self, shape: Shape, what: str = "an image") -> Shape:
        """The shape (c, h, w) that an image gets. DataError where a step does not fit; `what` names the image."""
        given = self._options
        if len(shape) == 1:
            if any((given.channels, given.grey, given.rgb, given.resize, given.crop, given.pad, given.patch)):
                raise DataError(f"{what}: has flat rows of {shape[0]} values, which are no images; give --axes")
            return shape
        channels, size = shape[0], (shape[1], shape[2])
        if given.channels is not None:
            if max(given.channels) >= channels:
                raise DataError(f"{what}: has {channels} channel(s), 0 to {channels - 1}, not {max(given.channels)}")
            channels = len(given.channels)
        if (given.grey or given.rgb) and channels not in (1, 3):
            raise DataError(f"{what}: has {channels} channels, not R, G and B; choose one by --channels")
        channels = 1 if given.grey else 3 if given.rgb else channels
        size = given.resize or size
        size = _within(given.crop, size, what) or size
        size = _around(given.pad, size, what) or size
        _within(given.patch, size, what, "patch")
        return (channels, *size)

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Images (n, c, h, w) as the options change them, in their order; what is no image stays."""
        given = self._options
        if given.nan is not None and images.dtype.kind == "f":
            images = np.where(np.isfinite(images), images, images.dtype.type(given.nan))
        if images.ndim != 4:
            return images
        if given.channels is not None:
            images = images[:, list(given.channels)]
        if given.grey and images.shape[1] == 3:
            images = _grey(images)
        elif given.rgb and images.shape[1] == 1:
            images = np.repeat(images, 3, axis=1)
        if given.resize:
            images = resized(images, given.resize)
        if given.crop:
            top, left = (images.shape[2] - given.crop[0]) // 2, (images.shape[3] - given.crop[1]) // 2
            images = images[:, :, top : top + given.crop[0], left : left + given.crop[1]]
        if given.pad:
            rows, columns = (
                (more // 2, more - more // 2)
                for more in (given.pad[0] - images.shape[2], given.pad[1] - images.shape[3])
            )
            images = np.pad(images, ((0, 0), (0, 0), rows, columns))
        return images


def _within(size: Size | None, image: Size, what: str, name: str = "crop") -> Size | None:
    if size and (size[0] > image[0] or size[1] > image[1]):
        raise DataError(f"{what}: has {image[0]}x{image[1]} pixels, less than {name} {size[0]}x{size[1]}")
    return size


def _around(size: Size | None, image: Size, what: str) -> Size | None:
    if size and (size[0] < image[0] or size[1] < image[1]):
        raise DataError(f"{what}: has {image[0]}x{image[1]} pixels, more than pad {size[0]}x{size[1]}")
    return size


def _grey(images: np.ndarray) -> np.ndarray:
    """(k, 1, h, w) of (k, 3, h, w), rounded where numbers are whole."""
    made = np.tensordot(np.asarray(_LUMINANCE, np.float64), images.astype(np.float64), (0, 1))[:, None]
    return _as(made, images.dtype)


def resized(images: np.ndarray, size: Size) -> np.ndarray:
    """(k, c, *size): pillow's bilinear, which averages where it makes smaller, in float32."""
    from PIL import Image

    if images.shape[2:] == size:
        return images
    made = np.empty((*images.shape[:2], *size), images.dtype)
    for image, target in zip(images, made, strict=True):
        for plane, place in zip(image, target, strict=True):
            small = Image.fromarray(plane.astype(np.float32)).resize((size[1], size[0]), Image.Resampling.BILINEAR)
            place[...] = _as(np.asarray(small), images.dtype)
    return made


def _as(values: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    return values.astype(dtype)
