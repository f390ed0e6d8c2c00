"""`caffe.Blob`: a net's blob as arrays that alias its memory.

    net.blobs["data"].data[...] = images          # what the next forward pass reads
    net.params["conv1"][0].data.flat = weights    # what it computes with

An array stays valid when its blob is gone or has outgrown it; it then shows the values of that time.
"""

from __future__ import annotations

import math

import numpy as np

from ..layers.base import Shape
from ..layers.limits import require_blob
from ..layers.python import ArrayBlob
from ..net import storage


class Blob(ArrayBlob):
    """A blob of a net: `data` and `diff` are float32 views of its memory. `fixed`: a parameter, whose size stays."""

    def __init__(self, kept: storage.Blob, fixed: bool = False) -> None:
        self._kept, self._fixed = kept, fixed

    @property
    def data(self) -> np.ndarray:
        return self._kept.data_memory.array(self._kept.shape)

    @property
    def diff(self) -> np.ndarray:
        return self._kept.diff_memory.array(self._kept.shape)

    @property
    def shape(self) -> Shape:
        return self._kept.shape

    def reshape(self, *shape: int) -> None:
        """Another shape; the net follows with `net.reshape()` or the next forward pass. ValueError for a bad one."""
        wanted = tuple(int(dim) for dim in shape)
        require_blob(wanted)
        if self._fixed and math.prod(wanted) != self.count:
            raise ValueError(f"a learned blob keeps its {self.count} values; {list(wanted)} has {math.prod(wanted)}")
        if not self._fixed:
            self._kept.reshape(wanted)

    def __repr__(self) -> str:
        return f"<Blob {list(self.shape)}>"
