"""Arrays as a source: any arrays by name (`MemorySource`), or the two of a MemoryData layer (`open_memory`)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from .kept import ArrayRows
from .stream import Stream


class MemorySource(Stream):
    """Arrays (n, ...) of equal length by top name, read like any other data set: batches wrap, shuffling is seeded.

    float32 arrays in C order are not copied: what is written into them later is read from then on.
    """

    at_hand = True  # what is written must not come too late for a batch that was read ahead

    def __init__(
        self, arrays: Mapping[str, npt.ArrayLike], batch_size: int, *, shuffle: bool = False, seed: int = 0
    ) -> None:
        values = {top: as_float32(array, f"array {top!r}") for top, array in arrays.items()}
        lengths = {top: len(array) for top, array in values.items()}
        if not lengths or len(set(lengths.values())) > 1 or not min(lengths.values()):
            raise DataError(f"the arrays need the same number of rows, at least 1, but have {lengths or 'none'}")
        super().__init__(ArrayRows(values), batch_size, shuffle=shuffle, seed=seed)


def open_memory(layer: Any, data: npt.ArrayLike, labels: npt.ArrayLike) -> MemorySource:
    """The source of a MemoryData layer: data (n, channels, height, width), n labels; n a multiple of batch_size.

    The labels come as (batch_size, 1, 1, 1), as in Caffe, where the plan says (batch_size).
    """
    param = layer.memory_data_param
    row = (param.channels, param.height, param.width)
    if min(param.batch_size, *row) < 1:
        raise DataError("memory_data_param: batch_size, channels, height and width must all be given and positive")
    if len(layer.top) != 2:
        raise DataError(f"MemoryData makes exactly 2 tops, data and labels, not {len(layer.top)}")
    images, numbers = as_float32(data, "data"), as_float32(labels, "labels")
    if images.shape[1:] != row:
        raise DataError(f"data has shape {list(images.shape)}, but the layer asks for rows of shape {list(row)}")
    if numbers.size != len(images):
        raise DataError(f"{numbers.size} labels were given for {len(images)} rows of data")
    if not len(images) or len(images) % param.batch_size:
        raise DataError(f"{len(images)} rows are not a multiple of batch_size {param.batch_size}")
    return MemorySource({layer.top[0]: images, layer.top[1]: numbers.reshape(-1, 1, 1, 1)}, param.batch_size)


def as_float32(array: npt.ArrayLike, what: str) -> np.ndarray:
    """A float32 array of at least one axis in C order; DataError for what holds no numbers."""
    values = np.asarray(array)
    if values.dtype.kind not in "fiub" or not values.ndim:
        raise DataError(f"{what} has type {values.dtype} and shape {list(values.shape)}; needs rows of numbers")
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as in C
        return np.ascontiguousarray(values, np.float32)
