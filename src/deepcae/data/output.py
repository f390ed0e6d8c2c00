"""What a net's HDF5Output layers write: datasets `data` and `label`, float32, (samples, C, H, W).

Batches follow one another. The file appears whole when it is closed, which also happens when the program ends; before,
a file of that name stays as it was, and so it does where the new one cannot be written to its end. It carries the
layer's name in an attribute, and only a file that carries it is replaced: whatever else a text names is somebody's.
Differs from Caffe: there the file is emptied when the net is made, and a second batch ends the process. Source: Caffe's
hdf5_output_layer.cpp.
"""

from __future__ import annotations

import errno
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Self

import h5py
import numpy as np

from ..atomic import cannot_write, whole_file
from ..errors import DataError
from ..h5disk import Disk
from ..writes import reach
from .h5file import opened

DATASETS = ("data", "label")
MARK = "HDF5Output"  # the attribute of the file that tells which layer wrote it


class Outputs:
    """The files of the HDF5Output layers (LayerParameters) of a net; `write` takes the blobs of each forward pass.

    They lie where a text may write (`writes.reach`) when this is made; DataError at the first batch of another.
    `give_up` takes the sentence about a file that cannot be written and is given up; by default it is a DataError.
    """

    def __init__(self, layers: Sequence[Any]) -> None:
        self.give_up: Callable[[str], None] = _refuse
        self._layers = list(layers)
        self.reach = reach()
        self._files: dict[str, _File] = {}
        self._given_up: set[str] = set()
        weakref.finalize(self, _close_all, self._files, _refuse)

    @property
    def blobs(self) -> tuple[str, ...]:
        """The blobs that are written."""
        return tuple(dict.fromkeys(name for layer in self._layers for name in layer.bottom))

    def require_replaceable(self) -> None:
        """DataError where a file is there already that the layer did not write."""
        for layer in self._layers:
            if why := _taken(layer.hdf5_output_param.file_name, layer.name):
                raise DataError(why)

    def write(self, blobs: Mapping[str, Any]) -> None:
        """Adds a batch: arrays or tensors by name."""
        for layer in self._layers:
            name = layer.hdf5_output_param.file_name
            if name in self._given_up:
                continue
            rows = [_four_axes(blobs[bottom]) for bottom in layer.bottom]
            try:
                if name not in self._files:
                    if why := self.reach.refusal(name):
                        raise DataError(f"HDF5Output: {why}")
                    if why := _taken(name, layer.name):
                        raise DataError(why)
                    self._files[name] = _File(name, layer.name)
                self._files[name].append(rows)
            except OSError as error:
                self._given_up.add(name)
                if name in self._files:
                    self._files.pop(name).abandon()
                self.give_up(_sentence(name, error))

    def close(self) -> None:
        """Ends the files; a later batch begins new ones."""
        self._given_up.clear()
        _close_all(self._files, self.give_up)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


class _File:
    """One file in the making, under a temporary name."""

    def __init__(self, name: str, layer: str) -> None:
        self.name, self.layer = name, layer
        with ExitStack() as opening:
            self._disk = opening.enter_context(Disk(opening.enter_context(whole_file(Path(name)))))
            self._file = opening.enter_context(h5py.File(self._disk, "w"))
            self._file.attrs[MARK] = layer
            self._disk.require_whole()
            self._rest = opening.pop_all()

    def append(self, batch: Sequence[np.ndarray]) -> None:
        """OSError where a part of it could not be written."""
        for dataset, rows in zip(DATASETS, batch, strict=True):
            _append(self._file, dataset, rows, self.name)
        self._disk.require_whole()

    def finish(self) -> None:
        """OSError where the rest cannot be written; then there is no new file."""
        with self._rest:
            self._file.close()
            self._disk.require_whole()
            if why := _taken(self.name, self.layer):  # it has come there meanwhile
                raise FileExistsError(errno.EEXIST, why.removeprefix(f"{self.name}: "), self.name)

    def abandon(self) -> None:
        """Leaves what stood under the name as it was."""
        with suppress(_Abandoned, OSError), self._rest:
            raise _Abandoned


class _Abandoned(Exception):
    """Tells `whole_file` that its file is not wanted."""


def _taken(name: str, layer: str) -> str:
    """Why a file that is there is not replaced; "" where there is none, or that layer's own."""
    path = Path(name)
    if not path.is_file() or _written_by(path) == layer:
        return ""
    return f"{name}: is there already, not from HDF5Output layer '{layer}'; move it away, or name another file"


def _written_by(path: Path) -> str | None:
    """The name of the layer that wrote a file; None for any other file."""
    try:
        with opened(path) as file:
            name = file.attrs.get(MARK)
            return name if isinstance(name, str) else None
    except DataError:
        return None


def _close_all(files: dict[str, _File], give_up: Callable[[str], None]) -> None:
    while files:
        name, file = files.popitem()
        try:
            file.finish()
        except OSError as error:
            give_up(_sentence(name, error))


def _sentence(name: str, error: OSError) -> str:
    return f"{cannot_write(name, error)}; what a file of that name held stays as it was"


def _refuse(sentence: str) -> None:
    raise DataError(sentence)


def _four_axes(blob: Any) -> np.ndarray:
    values = np.asarray(blob.detach().cpu() if hasattr(blob, "detach") else blob, dtype=np.float32)
    return values.reshape(*values.shape, *(1,) * (4 - values.ndim))


def _append(file: h5py.File, name: str, rows: np.ndarray, path: str) -> None:
    if name not in file:
        file.create_dataset(name, data=rows, maxshape=(None, *rows.shape[1:]))
        return
    dataset = file[name]
    if dataset.shape[1:] != rows.shape[1:]:
        raise DataError(f"{path}: rows of '{name}' were {dataset.shape[1:]}, these are {rows.shape[1:]}")
    start = len(dataset)
    dataset.resize(start + len(rows), axis=0)
    dataset[start:] = rows
