"""What a net's data layers read: one stream each, and the number of batches that were taken from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..data.memory import open_memory
from ..data.source import Source, open_source
from ..errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from ..net.net import Net
    from ..net.step import Step


class Sources:
    """The streams of a net's data layers. DataError for data that cannot be read; MemoryData layers wait for theirs."""

    def __init__(self, net: Net, seed: int) -> None:
        self._streams: dict[str, Source] = {}
        self._positions: dict[str, int] = {}
        for step in net.plan.sources:
            if step.type == "Input":
                continue
            self._positions[step.name] = 0
            if step.type != "MemoryData":
                try:
                    self._streams[step.name] = open_source(step.node.param, net.phase, net.folders, seed)
                except DataError as error:
                    raise DataError(f"{step.node.label}: {error}") from error

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """Batch `index` of every layer, by blob name."""
        return {top: values for stream in self._streams.values() for top, values in stream.batch(index).items()}

    def read(self, step: Step) -> Mapping[str, np.ndarray]:
        """The layer's next batch. DataError for a MemoryData layer without arrays."""
        if step.name not in self._streams:
            raise DataError(f"{step.node.label}: has no data yet; give them with net.set_input_arrays(data, labels)")
        batch = self._streams[step.name].batch(self._positions[step.name])
        self._positions[step.name] += 1
        return batch

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
