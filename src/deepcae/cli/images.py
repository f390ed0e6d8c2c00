"""Restored images on disk: numbers (.h5, .npz) or a sheet to look at (.png, .svg, .pdf)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..atomic import whole_file
from ..errors import DataError

NUMBERS, PICTURES = (".h5", ".npz"), (".png", ".svg", ".pdf")


def check_ending(path: Path) -> None:
    """DataError for an ending that names no format of images."""
    if path.suffix.lower() not in NUMBERS + PICTURES:
        known = ", ".join(NUMBERS + PICTURES)
        raise DataError(f"{path}: images are written as {known}, not {path.suffix or 'a file without ending'}")


def save_numbers(path: Path, images: np.ndarray, labels: np.ndarray | None) -> None:
    """Writes images (N, ...) as `data` and their labels as `label`, in the format that the ending names."""
    arrays = {"data": images} if labels is None else {"data": images, "label": labels}
    with whole_file(path) as temporary:
        if path.suffix.lower() == ".h5":
            _write_h5(temporary, arrays)
        else:
            with temporary.open("wb") as stream:
                np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]


def save_sheet(path: Path, images: np.ndarray, labels: np.ndarray | None, title: str) -> None:
    """Writes the first of the images (N, C, H, W) side by side, each with its number and label."""
    from ..viz import gallery, save

    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise DataError(f"images of shape {list(images.shape[1:])} make no {path.suffix}; write .h5 or .npz")
    save(gallery(images, labels, title), path)


def _write_h5(path: Path, arrays: dict[str, np.ndarray]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            words = array.dtype.kind == "U"  # which HDF5 knows as its own strings only
            file.create_dataset(name, data=array.astype(h5py.string_dtype()) if words else array, track_times=False)
