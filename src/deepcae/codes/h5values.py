"""Arrays of an HDF5 file of codes, read so that a hostile file costs no more than it may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..bounds import require_room, require_stored
from ..errors import DataError


def is_fixed(dtype: np.dtype) -> bool:
    """Values of variable length are never read: in a hostile file they lead HDF5's library anywhere, or in circles."""
    return dtype.kind in "fiubS"


def dataset_of(file: h5py.File, path: Path, name: str) -> h5py.Dataset:
    """The dataset of numbers, or of words of a fixed length. DataError for anything else."""
    if not isinstance(
        file.get(name, getlink=True), h5py.HardLink
    ):  # an external link would read any file of this machine
        raise DataError(f"{path}: '{name}' is a link to elsewhere; expected a dataset of this file")
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset):
        raise DataError(f"{path}: '{name}' is a group; expected a dataset")
    if dataset.is_virtual or dataset.external:
        raise DataError(f"{path}: '{name}' keeps its values in other files, which is refused")
    if not is_fixed(dataset.dtype):
        raise DataError(f"{path}: '{name}' is of type {dataset.dtype}; expected numbers, or words of a fixed length")
    try:
        require_stored(dataset)
    except ValueError as error:
        raise DataError(f"{path}: '{name}' {error}") from None
    return dataset


def labels_of(dataset: Any, codes: Any, path: Path) -> Any:
    """The labels, if they are as many as the codes."""
    if codes.shape and dataset.size != codes.shape[0]:
        raise DataError(f"{path}: {dataset.size} labels for {codes.shape[0]} codes")
    if isinstance(dataset, np.ndarray):
        return dataset
    word = 100 + 6 * dataset.dtype.itemsize if dataset.dtype.kind == "S" else dataset.dtype.itemsize
    require_room(dataset.size * word, path.stat().st_size)  # words are made of bytes
    return dataset[()]
