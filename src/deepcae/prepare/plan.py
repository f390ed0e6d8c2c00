"""The images to be prepared, in order, and the rows that they become: whole images, or patches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..data.readcost import COSTLY, row_bytes
from ..data.stored import Stored
from ..data.stream import Shape
from ..errors import DataError
from .images import ArrayImages
from .options import Options
from .patches import cut, places_in
from .sources import Source
from .split import Split, rows_of_region
from .steps import Steps

PARTS = ("train", "test")
_PLAIN = ("HDF5", ".npy")  # files whose rows are read where they lie
BLOCK = 16 * 2**20  # bytes of rows that are made at a time


class Plan:
    """`items` (n, 2): source and row of each image; `split` says of which part each is."""

    def __init__(
        self, sources: Sequence[Source], items: np.ndarray, split: Split, options: Options, shape: Shape, dtype: Any
    ) -> None:
        self.sources, self.items, self.split, self.options = sources, items, split, options
        self.steps = Steps(options)
        self.image, self.dtype = shape, np.dtype(dtype)
        self.row: Shape = (shape[0], *options.patch) if options.patch else shape

    def part(self, name: str) -> Planned:
        """The rows of `train` or `test`."""
        is_test = name == "test"
        chosen = np.arange(len(self.items))
        if self.split.kind != "region":
            chosen = np.flatnonzero(self.split.is_test == is_test)
        elif self.options.patch is None:
            raise DataError("split 'region' is for patches: give patch")
        return Planned(self, name, chosen)

    def image_size(self, item: int) -> Shape:
        """(c, h, w) of an image after the steps."""
        source, row = self.items[item].tolist()
        return self.steps.shape_of(self.sources[source].images.size(row))

    def places(self, item: int, part: str) -> np.ndarray:
        """Where the patches of an image lie that belong to a part."""
        _, height, width = self.image_size(item)
        rows = None
        if self.split.kind == "region":
            assert self.options.patch is not None
            rows = rows_of_region(height, self.options.patch[0], self.options)[part == "test"]
        return places_in((height, width), self.options, item, rows)


def stands_as_it_is(plan: Plan, is_labelled: bool, lacks_some: bool) -> bool:
    """Whether the sources are files that a list can name: each whole on one side, and read at no cost as it is."""
    given = plan.options
    if plan.split.kind not in ("none", "file") or given.patch or given.every > 1 or lacks_some or given.labels:
        return False
    for source in plan.sources:
        array, path = source.array, str(source.path.resolve())
        plain = source.kind in _PLAIN and source.dataset == "data" and array is not None and _is_cheap(array)
        laid = isinstance(source.images, ArrayImages) and source.images.array is array
        if not plain or not laid or source.cost or source.classes or path.split() != [path]:
            return False
        if plan.steps.changes(source.images.size(0)):
            return False
    return not is_labelled or all(source.labels is not None for source in plan.sources)


def _is_cheap(array: Stored) -> bool:
    """Whether its rows may be read in random order."""
    return not array.packed and array.alone <= COSTLY * row_bytes(array)


class Planned(Stored):
    """Rows of one part: they are read, and changed, when they are asked for. `items`: the images, in order."""

    def __init__(self, plan: Plan, name: str, items: np.ndarray) -> None:
        self.plan, self.name, self.items = plan, name, items
        if plan.options.patch:
            counts = self._counts()
            self.ends = np.cumsum(counts) if len(counts) else np.zeros(0, np.int64)
        else:
            self.ends = np.arange(1, len(items) + 1)
        total = int(self.ends[-1]) if len(items) else 0
        origin = str(plan.sources[0].path) if len(plan.sources) == 1 else "the images"
        super().__init__(origin, (total, *plan.row), plan.dtype)

    def _counts(self) -> np.ndarray:
        plan = self.plan
        alike = all(source.images.is_uniform for source in plan.sources if source.images.total)
        sizes = {source.images.size(0) for source in plan.sources if source.images.total}
        if plan.options.count is not None or (alike and len(sizes) == 1):
            each = len(plan.places(int(self.items[0]), self.name)) if len(self.items) else 0
            return np.full(len(self.items), each)
        return np.array([len(plan.places(int(item), self.name)) for item in self.items])

    def read(self, start: int, stop: int) -> np.ndarray:
        made = np.empty((stop - start, *self.shape[1:]), self.dtype)
        at = 0
        for rows in self._pieces(start, stop):
            with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, and is told
                made[at : at + len(rows)] = rows
            at += len(rows)
        return made

    def where(self, start: int, stop: int) -> np.ndarray:
        """(k, 4): the source, its row, and y and x of the upper left pixel, of rows start … stop-1."""
        if not self.plan.options.patch:
            items = self.plan.items[self.items[start:stop]]
            return np.concatenate([items, np.zeros((len(items), 2), np.int64)], axis=1)
        found = []
        for item, first, last in self._spans(start, stop):
            places = self.plan.places(item, self.name)[first:last]
            found.append(np.concatenate([np.repeat(self.plan.items[item][None], len(places), 0), places], axis=1))
        return np.concatenate(found) if found else np.empty((0, 4), np.int64)

    def images_of(self, start: int, stop: int) -> np.ndarray:
        """The number of the image that each row comes from."""
        return np.asarray(self.items[np.searchsorted(self.ends, np.arange(start, stop), side="right")])

    def _spans(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """(image, first patch, last patch + 1) of each image that the rows touch."""
        at = start
        while at < stop:
            number = int(np.searchsorted(self.ends, at, side="right"))
            begin = int(self.ends[number - 1]) if number else 0
            end = min(stop, int(self.ends[number]))
            yield int(self.items[number]), at - begin, end - begin
            at = end

    def _pieces(self, start: int, stop: int) -> Iterator[np.ndarray]:
        plan = self.plan
        if not plan.options.patch:
            for source, rows in _runs(plan.items[self.items[start:stop]], plan.sources):
                yield plan.steps.apply(_read(plan.sources[source], rows))
            return
        for item, first, last in self._spans(start, stop):
            source, row = plan.items[item].tolist()
            image = plan.steps.apply(_read(plan.sources[source], np.array([row])))[0]
            yield cut(image, plan.places(item, self.name)[first:last], plan.options.patch)


def _read(source: Source, rows: np.ndarray) -> np.ndarray:
    return source.images.read(rows)


def _runs(items: np.ndarray, sources: Sequence[Source]) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of one source that are read at once: where its images differ in size, one by one."""
    for source in np.unique(items[:, 0]).tolist():
        rows = items[items[:, 0] == source, 1]
        if sources[source].images.is_uniform:
            yield source, rows
        else:
            yield from ((source, rows[at : at + 1]) for at in range(len(rows)))
