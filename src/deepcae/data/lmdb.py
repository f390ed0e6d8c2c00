"""Data: an LMDB of Datum records in key order (Caffe: `data_layer.cpp`, `db_lmdb.cpp`); tops data, and label if named.

A record is uint8 or float (C, H, W), or an encoded image (channels B, G, R). Its transform is `transform_param`'s.
Differs from Caffe: records of different sizes are refused also where a crop would
make them equal; LevelDB, Caffe's default backend, cannot be read.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from ..errors import DataError
from ..inplace import why_no_file
from ..proto.lookup import resolve
from ..proto.schema import Datum
from .images import decode
from .mdb import MdbFile
from .stream import Arrays, Shape, Stream
from .transform import make_transform

LEVELDB = 0


def open_lmdb(layer: Any, phase: int, folders: Sequence[str | Path], seed: int) -> Stream:
    """The source of a Data layer."""
    param, transform = layer.data_param, layer.transform_param
    path = resolve(param.source, *folders)
    if param.backend == LEVELDB:
        if (path / "data.mdb").is_file():
            raise DataError(f"{path}: is an LMDB, but the text means LevelDB (the default backend); say backend: LMDB")
        raise DataError(f"{path}: LevelDB (the default backend) cannot be read; convert to LMDB and say backend: LMDB")
    if transform.force_color and transform.force_gray:
        raise DataError("transform_param: force_color and force_gray cannot both be set")
    color = True if transform.force_color or param.force_encoded_color else False if transform.force_gray else None
    rows = DatumRows(path, tuple(layer.top), color)
    change = make_transform(transform, rows.shapes[rows.tops[0]], phase, folders, seed)
    return Stream(rows, param.batch_size, transform=change, seed=seed)


class DatumRows:
    """The records of one LMDB, in key order."""

    def __init__(self, path: Path, tops: tuple[str, ...], color: bool | None = None) -> None:
        if not 1 <= len(tops) <= 2:
            raise DataError(f"Data makes 1 or 2 tops, data and label, not {len(tops)}")
        self.tops, self._path, self._color = tops, path, color
        self._file = MdbFile(_file_of(path))
        self.total = len(self._file)
        if not self.total:
            raise DataError(f"{path}: holds no record")
        first = self.read(slice(0, 1))
        self.shapes: dict[str, Shape] = {top: array.shape[1:] for top, array in first.items()}

    def at_hand(self, size: int, shuffled: bool) -> bool:
        return False

    def read(self, rows: slice | np.ndarray) -> Arrays:
        numbers = range(rows.start, rows.stop) if isinstance(rows, slice) else rows.tolist()
        labels = np.empty(len(numbers), np.float32)
        data: np.ndarray | None = None
        for at, number in enumerate(numbers):
            image, labels[at] = self._record(number)
            if data is None:
                data = np.empty((len(numbers), *image.shape), np.float32)
            if image.shape != data.shape[1:]:
                raise DataError(
                    f"{self._where(number)}: is of size {list(image.shape)}, others of {list(data.shape[1:])}"
                )
            data[at] = image
        assert data is not None
        return dict(zip(self.tops, (data, labels), strict=False))

    def _record(self, number: int) -> tuple[np.ndarray, int]:
        """A record's pixels (C, H, W), uint8 or float32, and its label."""
        datum = Datum()
        try:
            datum.ParseFromString(self._file.value(number))
        except DecodeError as error:
            raise DataError(f"{self._where(number)}: is no Datum ({error})") from error
        if datum.encoded:
            return decode(datum.data, self._color, self._where(number)), datum.label
        shape = (datum.channels, datum.height, datum.width)
        values = np.frombuffer(datum.data, np.uint8) if datum.data else _floats(datum)
        if min(shape) < 1 or values.size != math.prod(shape):
            raise DataError(f"{self._where(number)}: says it is of size {list(shape)}, but holds {values.size} values")
        return values.reshape(shape), datum.label

    def _where(self, number: int) -> str:
        return f"{self._path}: record {number} (key {self._file.key(number)[:40]!r})"

    def close(self) -> None:
        self._file.close()


def _floats(datum: Any) -> np.ndarray:
    """Its values, without a list of Python's numbers between."""
    return np.fromiter(datum.float_data, np.float32, len(datum.float_data))


def _file_of(path: Path) -> Path:
    """The file of an LMDB, which is a folder as a rule."""
    file = path / "data.mdb" if os.path.isdir(path) else path
    if not os.path.isfile(file):
        if os.path.exists(file):
            raise DataError(f"{file}: {why_no_file(file)}")
        raise DataError(f"{path}: is no LMDB (it has no data.mdb)" if os.path.isdir(path) else f"{path}: no such LMDB")
    return file
