"""Resizing of pictures, byte for byte as OpenCV's INTER_LINEAR, which Caffe uses: bilinear, without smoothing.

    f = (i + 1/2)·n_in/n_out − 1/2;   s = ⌊f⌋;   y = (1 − (f − s))·x[s] + (f − s)·x[s + 1]

with weights in 2,048ths, first along each row; beyond the outermost pixels' centres these go on. Source: OpenCV's
resize.cpp (HResizeLinear, VResizeLinear).
"""

from __future__ import annotations

import numpy as np

_ONE = 2048


def resize(pictures: np.ndarray, height: int, width: int) -> np.ndarray:
    """uint8 (..., H, W) → (..., height, width)."""
    old_height, old_width = pictures.shape[-2:]
    if (old_height, old_width) == (height, width):
        return pictures
    left, part = _places(old_width, width)
    part = np.where((left < 0) | (left >= old_width - 1), np.float32(0), part)
    left = np.clip(left, 0, old_width - 1)
    right = np.minimum(left + 1, old_width - 1)
    first, second = _weights(part)
    values = pictures.astype(np.int32)
    rows = values[..., left] * first + values[..., right] * second
    above, part = _places(old_height, height)
    first, second = (weights[:, None] for weights in _weights(part))
    upper, lower = (np.take(rows, np.clip(above + step, 0, old_height - 1), -2) >> 4 for step in (0, 1))
    return (((first * upper >> 16) + (second * lower >> 16) + 2) >> 2).astype(np.uint8)


def _places(old: int, new: int) -> tuple[np.ndarray, np.ndarray]:
    """For each new pixel: the old one before it, and how far it lies behind that."""
    at = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    before = np.floor(at)
    return before.astype(np.int64), at - before


def _weights(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of the one before and the one behind, in 2,048ths."""
    first, second = (np.rint(weight * np.float32(_ONE)).astype(np.int32) for weight in (np.float32(1) - part, part))
    return first, second
