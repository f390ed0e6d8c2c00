"""HDF5Data: a text file lists HDF5 files, each top is the dataset of its name (Caffe: `hdf5_data_layer.cpp`).

Each dataset is (rows, ...) of floats or integers of any width, and becomes float32; batches run across file ends and
wrap. Differs from Caffe: `transform_param` is applied to the first top (Caffe refuses the field here); files whose
datasets differ in their inner shape are refused (Caffe reads on); links and virtual datasets, which can reach out of
the file, are refused; names in the list are also looked up in the list's own folder; the list may name files of every
format in `contents.FORMATS`, whose numbers are taken as they are stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..proto.lookup import resolve
from .contents import open_rows
from .lists import read_list
from .stream import Stream
from .transform import make_transform


def open_hdf5(layer: Any, phase: int, folders: Sequence[str | Path], seed: int) -> Stream:
    """The source of an HDF5Data layer."""
    param = layer.hdf5_data_param
    if not param.source:
        raise DataError("hdf5_data_param needs a source: the name of a text file that lists HDF5 files")
    rows = open_rows(read_list(resolve(param.source, *folders), *folders), tuple(layer.top))
    transform = None
    if layer.HasField("transform_param"):
        transform = make_transform(layer.transform_param, rows.shapes[rows.tops[0]], phase, folders, seed)
    return Stream(rows, param.batch_size, transform=transform, shuffle=param.shuffle, seed=seed)
