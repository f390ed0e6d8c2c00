"""What a net's data layers read: one stream each, and the number of batches that were taken from it.

A blob that a script reshaped or wrote keeps what it has where Caffe's layer leaves it alone: Input's always, constant
ones of DummyData after they were filled once, at set-up. DummyData draws random ones in the shape that stands, and
HDF5Data fills as many rows as there are; the other layers give their blobs their own shape again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..data.dummy import DummySource
from ..data.memory import open_memory
from ..data.source import Source, open_source
from ..errors import DataError
from ..layers.source import HDF5Data, MemoryData

if TYPE_CHECKING:
    import numpy as np

    from ..layers.base import Shape
    from ..net.net import Net
    from ..net.step import Step


class Sources:
    """The streams of a net's data layers. DataError for data that cannot be read; MemoryData layers wait for theirs."""

    def __init__(self, net: Net, seed: int) -> None:
        self._streams: dict[str, Source] = {}
        self._positions: dict[str, int] = {}
        for step in net.plan.sources:
            if step.kind.fed_by_caller:
                continue
            self._positions[step.name] = 0
            if not issubclass(step.kind, MemoryData):
                try:
                    self._streams[step.name] = open_source(step.node.param, net.phase, net.folders, seed)
                except DataError as error:
                    raise DataError(f"{step.node.label}: {error}") from error

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """Batch `index` of every layer, by blob name."""
        return {top: values for stream in self._streams.values() for top, values in stream.batch(index).items()}

    def read(self, step: Step, shapes: Mapping[str, Shape]) -> Mapping[str, np.ndarray]:
        """The layer's next batch, for blobs of these shapes. DataError for a MemoryData layer without arrays."""
        if step.name not in self._streams:
            raise DataError(f"{step.node.label}: has no data yet; give them with net.set_input_arrays(data, labels)")
        stream, position = self._streams[step.name], self._positions[step.name]
        self._positions[step.name] += 1
        if isinstance(stream, DummySource):
            return stream.drawn(position, shapes)
        batch = stream.batch(position)
        return (
            {top: _rows_for(shapes[top], batch[top], step) for top in step.tops}
            if issubclass(step.kind, HDF5Data)
            else batch
        )

    def constant(self) -> dict[str, np.ndarray]:
        """The blobs that DummyData layers fill once, by name."""
        dummies = [stream for stream in self._streams.values() if isinstance(stream, DummySource)]
        return {top: values for source in dummies for top, values in source.constant.items()}

    def set_arrays(self, step: Step, data: np.ndarray, labels: np.ndarray) -> None:
        """What a MemoryData layer reads from now on, from its first row."""
        self._streams[step.name] = open_memory(step.node.param, data, labels)
        self._positions[step.name] = 0

    @property
    def position(self) -> int:
        """How many batches were taken: of several layers' numbers the greatest."""
        return max(self._positions.values(), default=0)

    @position.setter
    def position(self, batches: int) -> None:
        self._positions = dict.fromkeys(self._positions, batches)


def _rows_for(shape: Shape, rows: np.ndarray, step: Step) -> np.ndarray:
    """As many of the rows as a blob of this shape has. DataError where it has more, or rows of another size."""
    if not shape or shape[0] > len(rows) or math.prod(shape[1:]) != math.prod(rows.shape[1:]):
        raise DataError(
            f"{step.node.label}: a top was reshaped to {list(shape)}; "
            f"it can take up to {len(rows)} rows of shape {list(rows.shape[1:])}, in any form"
        )
    return rows[: shape[0]].reshape(shape)
