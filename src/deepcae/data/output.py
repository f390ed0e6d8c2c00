"""What a net's HDF5Output layers write: datasets `data` and `label`, float32, (samples, C, H, W).

Batches follow one another. The file appears whole when it is closed, which also happens when the program ends; before,
a file of that name stays as it was. Differs from Caffe: there the file is emptied when the net is made, and a second
batch ends the process. Source: Caffe hdf5_output_layer.cpp.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np

from ..atomic import whole_file
from ..errors import DataError
from ..writes import reach

DATASETS = ("data", "label")


class Outputs:
    """The files of the HDF5Output layers (LayerParameters) of a net; `write` takes the blobs of each forward pass.

    They lie where a text may write (`writes.reach`) when this is made; DataError at the first batch of another.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self._layers = list(layers)
        self.reach = reach()
        self._files: dict[str, h5py.File] = {}
        self._open = ExitStack()
        weakref.finalize(self, self._open.close)

    @property
    def blobs(self) -> tuple[str, ...]:
        """The blobs that are written."""
        return tuple(dict.fromkeys(name for layer in self._layers for name in layer.bottom))

    def write(self, blobs: Mapping[str, Any]) -> None:
        """Adds a batch: arrays or tensors by name. DataError names a file that cannot be written."""
        for layer in self._layers:
            name = layer.hdf5_output_param.file_name
            try:
                if name not in self._files:
                    self._files[name] = self._create(name)
                for dataset, bottom in zip(DATASETS, layer.bottom, strict=True):
                    _append(self._files[name], dataset, _four_axes(blobs[bottom]))
            except OSError as error:
                raise DataError(f"{name}: cannot be written: {error.strerror or error}") from error

    def _create(self, name: str) -> h5py.File:
        if why := self.reach.refusal(name):
            raise DataError(f"HDF5Output: {why}")
        temporary = self._open.enter_context(whole_file(Path(name)))
        return self._open.enter_context(h5py.File(temporary, "w"))

    def close(self) -> None:
        """Ends the files; a later batch begins new ones."""
        self._files.clear()
        self._open.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _four_axes(blob: Any) -> np.ndarray:
    values = np.asarray(blob.detach().cpu() if hasattr(blob, "detach") else blob, dtype=np.float32)
    return values.reshape(*values.shape, *(1,) * (4 - values.ndim))


def _append(file: h5py.File, name: str, rows: np.ndarray) -> None:
    if name not in file:
        file.create_dataset(name, data=rows, maxshape=(None, *rows.shape[1:]))
        return
    dataset = file[name]
    if dataset.shape[1:] != rows.shape[1:]:
        raise DataError(f"{file.filename}: rows of '{name}' were {dataset.shape[1:]}, these are {rows.shape[1:]}")
    start = len(dataset)
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows
