"""Restored images on disk: numbers (.h5, .npz) or a sheet to look at (.png)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..atomic import whole_file
from ..errors import DataError

SHEET = 400  # images on a sheet at most
ENDINGS = (".h5", ".npz", ".png")


def save_images(path: Path, images: np.ndarray, labels: np.ndarray | None) -> None:
    """Writes images (N, C, H, W) and their labels; a .png shows the first of them side by side."""
    suffix = path.suffix.lower()
    if suffix not in ENDINGS:
        raise DataError(f"{path}: images are written as {', '.join(ENDINGS)}, not {suffix or 'a file without ending'}")
    arrays = {"data": images} if labels is None else {"data": images, "label": labels}
    with whole_file(path) as temporary:
        if suffix == ".h5":
            _write_h5(temporary, arrays)
        elif suffix == ".npz":
            with temporary.open("wb") as stream:
                np.savez_compressed(stream, **arrays)  # type: ignore[arg-type]
        else:
            _write_png(temporary, images)


def _write_h5(path: Path, arrays: dict[str, np.ndarray]) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file.create_dataset(name, data=array, track_times=False)


def _write_png(path: Path, images: np.ndarray) -> None:
    from matplotlib.image import imsave

    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise DataError(f"images of shape {list(images.shape[1:])} make no .png; write .h5 or .npz")
    imsave(path, sheet(images[:SHEET]), format="png", cmap="gray", vmin=0, vmax=1)


def sheet(images: np.ndarray, gap: int = 2) -> np.ndarray:
    """Images (N, C, H, W) as one picture (rows, columns[, 3]) in 0..1, in reading order, about as wide as high."""
    count, channels, height, width = images.shape
    columns = int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    page = np.ones((rows * (height + gap) - gap, columns * (width + gap) - gap, channels), np.float32)
    for k, image in enumerate(np.clip(images, 0, 1)):
        top, left = (k // columns) * (height + gap), (k % columns) * (width + gap)
        page[top : top + height, left : left + width] = image.transpose(1, 2, 0)
    return page[:, :, 0] if channels == 1 else page
