"""What comes back: originals above, restored images below."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..errors import DataError
from .style import GREYS, PAGE, SOFT, axes_at, bare, heading, images, number, sheet, styled


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
    columns = min(columns, len(before))
    rows = math.ceil(len(before) / columns)
    across, down = _canvas(before, columns, rows)
    scale = (width - 0.06) / across  # inches per image pixel
    about = "½·squared error" if labels is None else "class · ½·squared error"
    with styled():
        page = sheet(width, down * scale + 0.36)
        axes = axes_at(page, 0.03, 0.34, across * scale, down * scale)
        bare(axes)
        heading(axes, title, f"below each pair: {about}; mean of these {len(before)}: {number(float(errors.mean()))}")
        _pairs(axes, before, after, errors, labels, columns)
        axes.set_xlim(-_edge(before), across - _edge(before))
        axes.set_ylim(down, 0)
    return page


def _edge(stack: np.ndarray) -> float:
    return stack.shape[2] * 0.22  # room for the words at the left


def _gap(stack: np.ndarray) -> float:
    return stack.shape[2] * 0.06


def _caption(stack: np.ndarray) -> float:
    return stack.shape[1] * 0.34


def _canvas(stack: np.ndarray, columns: int, rows: int) -> tuple[float, float]:
    """(width, height) in image pixels of all pairs with their captions."""
    across = _edge(stack) + columns * (stack.shape[2] + _gap(stack)) - _gap(stack)
    return across, rows * (2 * stack.shape[1] + _gap(stack) + _caption(stack))


def _pairs(axes: Any, before: np.ndarray, after: np.ndarray, errors: np.ndarray, labels: Any, columns: int) -> None:
    """All images on one canvas, in image coordinates: exact spacing, whatever the count."""
    height, width = before.shape[1:3]
    gap, caption = _gap(before), _caption(before)
    band = 2 * height + gap + caption
    rows = math.ceil(len(before) / columns)
    low, high = float(before.min()), float(before.max())
    if high <= low:
        high = low + 1.0
    for index in range(len(before)):
        left, top = index % columns * (width + gap), index // columns * band
        for image, y in ((before[index], top), (after[index], top + height + gap)):
            extent = (left, left + width, y + height, y)
            axes.imshow(
                np.clip(image, low, high) if image.ndim == 2 else _rgb(image, low, high),
                cmap=GREYS,
                vmin=low,
                vmax=high,
                extent=extent,
            )
        words = (
            number(errors[index])
            if labels is None
            else f"{np.asarray(labels).reshape(-1)[index]} · {number(errors[index])}"
        )
        axes.text(
            left + width / 2,
            top + 2 * height + gap + caption * 0.42,
            words,
            ha="center",
            va="center",
            fontsize=6.5,
            color=SOFT,
        )
    for row in range(rows):
        for name, y in (("original", height / 2), ("restored", height * 1.5 + gap)):
            axes.text(-gap, row * band + y, name, rotation=90, ha="right", va="center", fontsize=6.5, color=SOFT)


def _rgb(image: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((image - low) / (high - low), 0, 1)
