"""Restored images on disk: numbers (.h5, .npz) or a sheet to look at (.png, .svg, .pdf)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ..errors import DataError

NUMBERS, PICTURES = (".h5", ".npz"), (".png", ".svg", ".pdf")


def check_ending(path: Path) -> None:
    """DataError for an ending that names no format of images."""
    if path.suffix.lower() not in NUMBERS + PICTURES:
        known = ", ".join(NUMBERS + PICTURES)
        raise DataError(f"{path}: images are written as {known}, not {path.suffix or 'a file without ending'}")


def save_numbers(path: Path, blocks: Iterable[np.ndarray], total: int, labels: np.ndarray | None) -> tuple[int, ...]:
    """Writes `total` images as `data` and their labels as `label`, block by block; returns the shape of one image."""
    from ..codes import files

    done, shape = 0, ()
    with files.writing(path, total, names=("data", "label")) as write:
        for images in blocks:
            write(images, None if labels is None else labels[done : done + len(images)])
            done, shape = done + len(images), images.shape[1:]
    return shape


def most_shown() -> int:
    """How many images a sheet takes."""
    from ..viz.gallery import SHOWN

    return SHOWN


def save_sheet(path: Path, images: np.ndarray, labels: np.ndarray | None, title: str) -> None:
    """Writes the first of the images (N, ...) side by side, each with its number and label."""
    from ..viz import gallery, save

    save(gallery(images, labels, title), path)
