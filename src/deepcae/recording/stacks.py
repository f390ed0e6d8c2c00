"""Stacks of images on disk, written image by image: `.npy`, TIFF (tifffile), HDF5 (`data`), NWB (`nwbstack`)."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import whole_file
from ..data.stream import Shape
from ..errors import DataError
from ..h5disk import new_h5
from .nwbstack import write_nwb_stack

ENDINGS = (".tif", ".tiff", ".npy", ".h5", ".hdf5", ".nwb")
TIFFS = (".tif", ".tiff")
CLASSIC = 2**32 - 2**25  # bytes up to which a TIFF file is one of the classic kind
Put = Callable[[np.ndarray], None]


def require_kind(path: Path) -> None:
    """DataError where a stack cannot be written under this name."""
    if path.suffix.lower() not in ENDINGS:
        given = path.suffix or "a name without ending"
        raise DataError(f"{path}: stacks are written as {', '.join(ENDINGS)}, not {given}")


def require_space(folder: Path, needed: int, hint: str = "") -> None:
    """DataError where the disk has less room: before anything is written."""
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if (free := shutil.disk_usage(place).free) < needed:
        told = f"{folder}: {needed / 1e9:.1f} GB are needed there, {free / 1e9:.1f} GB are free"
        raise DataError(f"{told}; {hint}" if hint else told)


@contextmanager
def npy_stack(path: Path, shape: Shape, dtype: np.dtype[Any]) -> Iterator[Put]:
    """Takes the images of an array of `shape` one after another; the file appears whole."""
    with whole_file(path) as temporary:
        with temporary.open("r+b") as file:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(file, header)
            taken = 0

            def put(image: np.ndarray) -> None:
                nonlocal taken
                file.write(np.ascontiguousarray(image, dtype).tobytes())
                taken += image.size

            yield put
        if taken != math.prod(shape):
            raise ValueError(f"{taken} of {math.prod(shape)} values were written")


def write_stack(
    path: Path, images: Iterable[np.ndarray], shape: Shape, dtype: np.dtype[Any], axes: str,
    seconds: np.ndarray | None = None,
) -> None:  # fmt: skip
    """Images, one after another, as an array of `shape`, whose axes have the names `axes` (TIFF keeps them).

    `shape` has the steps of the recording first; an image has the other axes. `seconds`: of each image, for NWB.
    """
    kind = path.suffix.lower()
    if kind == ".nwb":
        write_nwb_stack(path, images, shape, dtype, seconds)
        return
    if kind in TIFFS:
        _tiff(path, images, shape, dtype, axes)
        return
    if kind == ".npy":
        with npy_stack(path, shape, dtype) as put:
            for image in images:
                put(image)
        return
    with whole_file(path) as temporary, new_h5(temporary) as (file, require_whole):
        data = file.create_dataset("data", shape, dtype, track_times=False)
        data.attrs["axes"] = axes
        for row, image in enumerate(images):
            steps = shape[: len(shape) - image.ndim]
            data[np.unravel_index(row, steps)] = image
            require_whole()


def _tiff(path: Path, images: Iterable[np.ndarray], shape: Shape, dtype: np.dtype[Any], axes: str) -> None:
    """Pages of one plane each, or of one picture in colour; BigTIFF from 4 GB on."""
    import tifffile

    colour = axes[-1] == "S"
    pages = (plane for image in images for plane in (image[None] if colour else image.reshape(-1, *shape[-2:])))
    big = math.prod(shape) * dtype.itemsize > CLASSIC
    with whole_file(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=big) as file:
        file.write(
            pages, shape=shape, dtype=dtype, metadata={"axes": axes}, software="deepcae", datetime=False,
            photometric="rgb" if colour else "minisblack",
        )  # fmt: skip
