"""Where the small pictures of a sheet stand."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure


def boxes(page: Figure) -> np.ndarray:
    """(n, 4): left, top, width and height of each picture, or ground of curves, in inches, in the order of drawing."""
    (axes,) = page.axes
    if axes.images:
        ends = np.array([image.get_extent() for image in axes.images])  # left, right, bottom, top
        return np.stack([ends[:, 0], ends[:, 3], ends[:, 1] - ends[:, 0], ends[:, 2] - ends[:, 3]], axis=1)
    return np.array([patch.get_bbox().bounds for patch in axes.patches]).reshape(-1, 4)
