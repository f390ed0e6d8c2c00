"""The mean of a database's records: Caffe's `compute_image_mean`.

mean[c, h, w] = Σ_n x_n[c, h, w] / N, written as a BlobProto of (1, C, H, W) in the old four fields. Differs from
Caffe: sums are float64; its float32 sums lose units from 65,793 images on.
Source: Caffe's compute_image_mean.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..proto.binary import write_message
from ..proto.schema import BlobProto
from .lmdb import DatumRows

ROWS, BYTES = 256, 2**24  # read at a time, at most


def compute_image_mean(database: str | Path, progress: Callable[[int, int], object] | None = None) -> np.ndarray:
    """(C, H, W) float32. DataError names a record of another size than the first one's."""
    rows = DatumRows(Path(database), ("data",))
    shape = rows.shapes["data"]
    total = np.zeros(shape, np.float64)
    size = max(1, min(ROWS, BYTES // (4 * math.prod(shape))))
    for start in range(0, rows.total, size):
        stop = min(start + size, rows.total)
        with_first = np.unique([0, *range(start, stop)])  # all are held against the first record's size
        images = rows.read(with_first)["data"]
        total += images[len(with_first) - (stop - start) :].sum(axis=0, dtype=np.float64)
        if progress is not None:
            progress(stop, rows.total)
    return (total / rows.total).astype(np.float32)


def write_mean(path: str | Path, mean: np.ndarray) -> None:
    """A .binaryproto as Caffe's tool writes it."""
    channels, height, width = mean.shape
    blob = BlobProto(num=1, channels=channels, height=height, width=width, data=mean.reshape(-1).tolist())
    write_message(path, blob)
