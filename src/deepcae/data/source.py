"""Where a net's data blobs come from: one source per data layer, all read by one batch number.

A source is a pure function of the batch number: `batch(i)` is batch i of the endless stream, whatever was read before.
The position of a run is therefore one integer per net, and resuming is exact. numpy and h5py are loaded by the
storages, not here: `deepcae check` asks for shapes only.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from ..errors import DataError

if TYPE_CHECKING:
    import numpy as np

    from .span import Span

Shape = tuple[int, ...]
Folders = Sequence[str | Path]

_READ_BY = {"HDF5Data": "hdf5_data_param", "Data": "data_param", "ImageData": "image_data_param"}  # of files
FEW, FEW_VALUES = 16, 2**24  # rows that `ranges` looks at, and their values at most
FED_BY_CALLER = ("Input",)  # their blobs are arguments of the net, not read from anywhere


class Source(Protocol):
    """What a data layer reads from."""

    tops: tuple[str, ...]
    shapes: dict[str, Shape]  # of a whole batch

    @property
    def at_hand(self) -> bool:
        """Whether a batch costs next to nothing, so that reading ahead gains nothing."""

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """Batch `index` (from 0): one float32 array in C order for each top. May be a view: don't write into it."""

    def close(self) -> None:
        """Lets go of open files; the source is not used afterwards."""


def open_source(layer: Any, phase: int, folders: Folders, seed: int) -> Source:
    """The source of a data layer (a LayerParameter). Files are looked up in the working directory, then in `folders`.

    `seed` governs shuffling, random crops, mirroring and random fillers. Raises DataError.
    """
    return _opener(layer)(layer, phase, folders, seed)


def shapes(layer: Any, phase: int, folders: Folders) -> list[Shape] | None:
    """The tops' shapes of a data layer; None where the file it names is missing, DataError where that is wrong."""
    from ..proto.lookup import resolve

    name = _source_name(layer)
    if name is not None and not os.path.exists(resolve(name, *folders)):
        return None
    source = open_source(layer, phase, folders, seed=0)
    try:
        return [source.shapes[top] for top in layer.top]
    finally:
        source.close()


def ranges(layer: Any, phase: int, folders: Folders) -> dict[str, Span]:
    """In which ranges the first rows of a data layer's file lie as the net is shown them, by blob; DataError.

    Nothing is said of rows that are too large to be looked at in passing.
    """
    from .span import Span

    few = type(layer)()
    few.CopyFrom(layer)
    settings = getattr(few, _READ_BY[layer.type])
    settings.batch_size = min(settings.batch_size, FEW)
    source = open_source(few, phase, folders, seed=0)
    try:
        spans: dict[str, Span] = {}
        if all(math.prod(shape) <= FEW_VALUES for shape in source.shapes.values()):
            for top, array in source.batch(0).items():
                spans[top] = Span()
                spans[top].take(array)
        return spans
    finally:
        source.close()


def cost_note(layer: Any, phase: int, folders: Folders) -> str:
    """What is to be said of an HDF5Data layer whose rows cost far more than they are, and what to do; or ""."""
    from ..proto.lookup import resolve

    if layer.type != "HDF5Data" or not os.path.exists(listed := resolve(layer.hdf5_data_param.source, *folders)):
        return ""
    source: Any = open_source(layer, phase, folders, seed=0)
    try:
        why = source.rows.cost_note(layer.hdf5_data_param.batch_size, layer.hdf5_data_param.shuffle)
    finally:
        source.close()
    return f"{why}: `deepcae data any {os.path.normpath(listed)} -o NEW.h5` rewrites it once" if why else ""


def _source_name(layer: Any) -> str | None:
    """The file that the layer's text names, None for layers that read no file."""
    field = _READ_BY.get(layer.type)
    return getattr(layer, field).source if field else None


def _opener(layer: Any) -> Callable[[Any, int, Folders, int], Source]:
    """The storage's function for the layer's type, imported only now."""
    if layer.type == "HDF5Data":
        from .hdf5 import open_hdf5

        return open_hdf5
    if layer.type == "DummyData":
        from .dummy import DummySource

        return DummySource
    if layer.type == "Data":
        from .lmdb import open_lmdb

        return open_lmdb
    if layer.type == "ImageData":
        from .imagedata import open_images

        return open_images
    if layer.type == "MemoryData":
        raise DataError("MemoryData reads the arrays that a program gives it, and none were given")
    raise DataError(f"{layer.type!r} is no data layer; known: HDF5Data, DummyData, Data, ImageData, MemoryData, Input")


class Feed:
    """All sources of a net. `batch(i)` joins their tops: the blobs that the net's i-th forward pass is fed with.

    `arrays` gives MemoryData layers theirs: layer name → (data, labels). Input layers are left to the caller.
    """

    def __init__(
        self,
        layers: Sequence[Any],
        phase: int,
        folders: Folders = (),
        seed: int = 0,
        arrays: Mapping[str, tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> None:
        self.sources: list[Source] = []
        arrays = arrays or {}
        for layer in layers:
            if layer.type in FED_BY_CALLER:
                continue
            try:
                if layer.type == "MemoryData" and layer.name in arrays:
                    from .memory import open_memory

                    self.sources.append(open_memory(layer, *arrays[layer.name]))
                else:
                    self.sources.append(open_source(layer, phase, folders, seed))
            except DataError as error:
                self.close()
                raise DataError(f"layer {layer.name!r} ({layer.type}): {error}") from error
        self.tops = tuple(top for source in self.sources for top in source.tops)
        self.shapes = {top: shape for source in self.sources for top, shape in source.shapes.items()}

    @property
    def at_hand(self) -> bool:
        """Whether every source's batches cost next to nothing."""
        return all(source.at_hand for source in self.sources)

    def batch(self, index: int) -> dict[str, np.ndarray]:
        """Batch `index` of every source, by blob name."""
        return {top: array for source in self.sources for top, array in source.batch(index).items()}

    def close(self) -> None:
        for source in self.sources:
            source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()
