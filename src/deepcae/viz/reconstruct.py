"""What comes back: originals above, restored images below."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.figure import Figure

from ..errors import DataError
from .style import GREYS, INK, PAGE, axes_at, bare, class_names, images, number, say, sheet, styled

WIDEST = 1.1  # inches of one image
HEAD, EDGE, GAP, CAPTION = 0.36, 0.2, 0.045, 0.21  # inches: title, words at the left, between images, under a pair


def reconstructions(
    originals: np.ndarray,
    restored: np.ndarray,
    labels: np.ndarray | None = None,
    title: str = "Originals and reconstructions",
    *,
    columns: int = 10,
    width: float = PAGE,
) -> Figure:
    """originals, restored (N, H, W) or (N, C, H, W) → pairs of rows; error of a pair: ½ Σ (restored - original)².

    All images share one grey scale, from the smallest to the largest original value.
    """
    before, after = images(originals, "originals"), images(restored, "restored images")
    if before.shape != after.shape:
        raise DataError(f"originals have shape {before.shape}, restored images {after.shape}")
    if not len(before):
        raise DataError("there are no images to show")
    errors = 0.5 * ((after - before) ** 2).reshape(len(before), -1).sum(axis=1)
    words = [number(float(error)) for error in errors]
    about = "½·squared error"
    if labels is not None:
        _, classes, names = class_names(labels)
        words = [f"{names[of]} · {word}" for of, word in zip(classes, words, strict=True)]
        about = "class · ½·squared error"
    columns = min(columns, len(before))
    rows = math.ceil(len(before) / columns)
    across = min((width - EDGE) / columns - GAP, WIDEST)
    high = across * before.shape[1] / before.shape[2]
    band = 2 * high + GAP + CAPTION
    with styled():
        page = sheet(width, HEAD + rows * band)
        say(page, 0.02, 0.12, title, fontsize=8, fontweight="bold", color=INK)
        say(page, 0.02, 0.27, f"below each pair: {about}; mean of these {len(before)}: {number(float(errors.mean()))}")
        for row in range(rows):
            for name, middle in (("original", high / 2), ("restored", 1.5 * high + GAP)):
                say(page, EDGE / 2, HEAD + row * band + middle, name, ha="center", rotation=90)
        for index, word in enumerate(words):
            left, top = EDGE + index % columns * (across + GAP), HEAD + index // columns * band
            _image(page, left, top, across, high, before[index], before)
            _image(page, left, top + high + GAP, across, high, after[index], before)
            say(page, left + across / 2, top + band - CAPTION * 0.62, word, ha="center")
    return page


def _image(
    page: Figure, left: float, top: float, width: float, height: float, image: np.ndarray, scale: np.ndarray
) -> None:
    """One image, black and white at the smallest and largest value of `scale`."""
    axes = axes_at(page, left, top, width, height)
    bare(axes)
    low, high = float(scale.min()), float(scale.max())
    high = high if high > low else low + 1
    shown = np.clip((image - low) / (high - low), 0, 1)
    axes.imshow(shown, cmap=GREYS, vmin=0, vmax=1, aspect="auto")
