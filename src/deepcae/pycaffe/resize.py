"""Caffe's resizing of images, bit by bit as old scripts saw it: no smoothing before a reduction, dark at the border."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["resize_image"]


def resize_image(im: np.ndarray, new_dims: ArrayLike, interp_order: int = 1) -> np.ndarray:
    """(H, W, K) → (h, w, K) float32, interpolated with splines of order 0 (nearest), 1 (bilinear) … 5.

    K = 1 or 3: y[i] = x at (i + 1/2)·H/h − 1/2, of values scaled to [0, 1]; beyond the outermost pixels' centres a
    picture fades to its least value (scikit-image's resize with mode "constant"). A constant image stays constant.
    Other K: the corners' pixels stay where they are, y[i] = x at i·(H − 1)/(h − 1) (scipy's zoom).
    ValueError for an array of other than three axes, or dimensions that are no two positive numbers.
    """
    from scipy.ndimage import zoom

    height, width = _sizes(im, new_dims)
    if im.shape[2] not in (1, 3):
        return zoom(im, (height / im.shape[0], width / im.shape[1], 1), order=interp_order).astype(np.float32)
    low, high = float(im.min()), float(im.max())
    if not high > low:
        return np.full((height, width, im.shape[2]), low, np.float32)
    unit = (im - low) / (high - low)
    factors = (height / im.shape[0], width / im.shape[1], 1)
    resized = zoom(unit, factors, order=interp_order, mode="grid-constant", cval=0, grid_mode=True)
    return (np.clip(resized, 0, 1) * (high - low) + low).astype(np.float32)


def _sizes(im: np.ndarray, new_dims: ArrayLike) -> tuple[int, int]:
    if im.ndim != 3 or 0 in im.shape:
        raise ValueError(f"resize_image: an image of 3 axes (H, W, K) is needed; its shape is {im.shape}")
    sizes = [int(size) for size in np.ravel(new_dims)]
    if len(sizes) != 2 or min(sizes) < 1:
        raise ValueError(f"resize_image: the new dimensions are (height, width), both at least 1; {sizes} is given")
    return sizes[0], sizes[1]
