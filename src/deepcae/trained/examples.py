"""The examples that a trained net is shown: images with their classes, from a file or from its own test data.

| DATA                | holds                                                                     |
|---------------------|---------------------------------------------------------------------------|
| HDF5, a list `.txt` | the dataset of the net's input blob (or `data`), labels if it has any; of |
|                     | any size; scaled as the net's own data layer says                         |
| IDX, `.npy`, `.npz` | images ready to use; bytes become 0..1; whole numbers scaled as the net's   |
| and other pictures  | own data layer says, where it scales                                      |
| nothing             | what the net's own TEST data layer names, each row once                   |

What the labels are, the net's roles say: classes, or, as a Siamese network's `sim`, whether pairs are of one class.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..codes.kinds import Values
from ..data.ahead import Ahead
from ..data.axes import channels_first
from ..data.contents import LABELS, Contents, contents_of
from ..data.lists import read_list
from ..data.meaning import Meaning
from ..data.span import Span, outside
from ..data.stored import Stored
from ..data.stream import Arrays, Rows, Shape
from ..errors import DataError
from ..net.roles import CLASSES, PAIRS
from ..proto.lookup import resolve
from .network import Trained

BATCH = 100
LABEL_ROWS = 2**16  # that are looked at at a time ...
LABEL_BYTES = 2**24  # ... at most
LABELS_PER_ROW = 2**16  # one-hot rows of more classes are none


@dataclass
class Examples:
    """Rows of images and, where there are any, their labels. `origin` says where they come from."""

    rows: Rows
    images: str
    labels: str | None
    origin: str
    labels_alone: Rows | None = None  # where they can be read without the images
    whole: bool = False  # no label can be anything else than one whole number
    labels_are: str = ""  # `net.roles.CLASSES` or `PAIRS`
    judged: bool = False  # the net itself reads the labels as classes
    contents: Contents | None = None  # that the rows are of, where it may hold more arrays
    numbers: np.ndarray | None = None  # of the rows in their source, where they are some of it

    def __len__(self) -> int:
        return self.rows.total

    @property
    def num_source(self) -> int:
        """How many rows the source has that these are all, or some, of."""
        return self.rows.num_source if isinstance(self.rows, _Some) else len(self)

    def batches(self, size: int = BATCH) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
        """(images, labels) of each row once, `size` rows at a time; the last batch may be shorter.

        Files that are slow to read are read one batch ahead, in a thread.
        """
        count = -(-len(self) // size)

        def take(index: int) -> tuple[np.ndarray, np.ndarray | None]:
            return self.take(index * size, min((index + 1) * size, len(self)))

        if self.rows.at_hand(size, False):
            yield from map(take, range(count))
            return
        ahead = Ahead(take, count)
        try:
            yield from map(ahead.batch, range(count))
        finally:
            ahead.close()

    @cached_property
    def label_kind(self) -> LabelKind:
        """What the labels of all rows are: they are read, a block at a time."""
        if self.labels is None or self.whole:
            return LabelKind(one_hot=False, whole=True)
        rows = self.labels_alone or self.rows
        size = max(1, min(LABEL_ROWS, LABEL_BYTES // max(1, 4 * sum(map(math.prod, rows.shapes.values())))))
        starts = range(0, len(self), size)
        blocks = (rows.read(slice(start, min(start + size, len(self)))) for start in starts)
        return LabelKind.of(block[self.labels] for block in blocks)

    def some(self, most: int) -> Examples:
        """At most so many of them, spread evenly over all; nothing is read yet."""
        if len(self) <= most:
            return self
        numbers = np.linspace(0, len(self) - 1, most).round().astype(np.int64)
        alone = None if self.labels_alone is None else _Some(self.labels_alone, numbers)
        told = f"{most:,} of {self.origin}, spread over all {len(self):,}"
        return replace(self, rows=_Some(self.rows, numbers), labels_alone=alone, origin=told, numbers=numbers)

    def take(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray | None]:
        arrays = self.rows.read(slice(start, stop))
        return arrays[self.images], arrays[self.labels] if self.labels is not None else None

    def pick(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        """(images, labels) of any rows, in their order."""
        order = np.unique(rows)
        arrays = self.rows.read(order)
        places = np.searchsorted(order, rows)
        labels = arrays[self.labels][places] if self.labels is not None else None
        return arrays[self.images][places], labels

    @cached_property
    def meaning(self) -> Meaning:
        """What the labels' numbers stand for, where the source says it."""
        return Meaning() if self.contents is None or self.labels is None else self.contents.meaning(self.labels)

    def each(self, labels: np.ndarray) -> np.ndarray:
        """Labels (n, ...) of some rows → one each (n,); words, where the source says what its numbers stand for."""
        return self.meaning.words(self.label_kind.one_each(labels))

    @property
    def classified(self) -> bool:
        """Whether the labels are classes, and not a quantity, or the similarity of pairs.

        What the net itself takes for classes, in a loss or a count of hits, is what it is; of others the values tell.
        """
        return self.labels is not None and self.labels_are == CLASSES and (self.judged or self.label_kind.classes)

    @property
    def measured(self) -> bool:
        """Whether the labels are a quantity, one number for each image."""
        return self.labels is not None and self.labels_are == CLASSES and not self.classified

    @property
    def of_pairs(self) -> bool:
        """Whether a row is a pair of images, of which the code stands for the first alone."""
        return self.labels_are == PAIRS

    def column(self, name: str) -> np.ndarray:
        """Another array of the source, with one number for each image (N,). DataError where there is none such."""
        held = self.contents.names if self.contents is not None else []
        if self.contents is None or name not in held:
            others = ", ".join(each for each in held if each != self.images) or "none"
            raise DataError(f"{self.origin}: has no array '{name}' with a value for each image; it has {others}")
        rows = self.contents.rows([name], memory_limit=0)
        wanted = slice(0, len(self)) if self.numbers is None else self.numbers
        last = len(self) if self.numbers is None else int(self.numbers[-1]) + 1
        if math.prod(rows.shapes[name]) != 1 or rows.total < last:
            shape = [rows.total, *rows.shapes[name]]
            raise DataError(f"{self.origin}: '{name}' has shape {shape}; one number for each image is needed")
        return np.asarray(rows.read(wanted)[name]).reshape(-1)

    def one(self, index: int) -> tuple[np.ndarray, Any]:
        """Image `index` as a batch of one, and its label; None without labels."""
        if not 0 <= index < len(self):
            raise DataError(f"{self.origin}: has no row {index}; rows are 0 to {len(self) - 1}")
        images, labels = self.take(index, index + 1)
        return images, None if labels is None else self.meaning.words(one_each(labels)).item()


class _Some:
    """The `Rows` of some `numbers`, rising, of others."""

    def __init__(self, rows: Rows, numbers: np.ndarray) -> None:
        self.tops, self.shapes, self.total = rows.tops, rows.shapes, len(numbers)
        self._rows, self._numbers, self.num_source = rows, numbers, rows.total

    def at_hand(self, size: int, shuffled: bool) -> bool:
        return self._rows.at_hand(size, True)

    def read(self, rows: slice | np.ndarray) -> Arrays:
        return self._rows.read(self._numbers[rows])

    def close(self) -> None:
        self._rows.close()


@dataclass(frozen=True)
class LabelKind:
    """How labels (N, ...) become one each: of one-hot rows the class, of other columns the first; integers if whole.

    `classes`: whether their values are those of classes, see `codes.kinds`.
    """

    one_hot: bool
    whole: bool
    classes: bool = True

    @classmethod
    def of(cls, blocks: Iterable[np.ndarray]) -> LabelKind:
        """That of all rows: what holds for each of them."""
        one_hot = whole = True
        values = Values()
        for labels in blocks:
            rows = labels.reshape(len(labels), -1)
            one_hot &= rows.shape[1] > 2 and bool(np.isin(rows, (0, 1)).all() and (rows.sum(axis=1) == 1).all())
            whole &= np.array_equal(rows[:, 0], np.round(rows[:, 0]))
            values.take(rows[:, 0])
        return cls(one_hot, whole, one_hot or values.are_classes)

    def one_each(self, labels: np.ndarray) -> np.ndarray:
        """(N, ...) → (N,)."""
        rows = labels.reshape(len(labels), -1)
        flat = rows.argmax(axis=1) if self.one_hot else rows[:, 0]
        return flat.astype(np.int64) if self.whole else flat


def one_each(labels: np.ndarray) -> np.ndarray:
    """Labels (N, ...) → (N,), whole numbers where they are; of one-hot rows the class, of other columns the first."""
    return LabelKind.of([labels]).one_each(labels)


def open_examples(trained: Trained, source: Path | None) -> Examples:
    """The examples in `source`, or those of the net's own TEST data, scaled as its data layer scales them."""
    return _own(trained) if source is None else _held(trained, contents_of(source, trained.folders))


def _held(trained: Trained, contents: Contents) -> Examples:
    """Those of a source that nobody has opened yet."""
    images, labels = contents.images(trained.images), contents.labels(trained.labels)
    rows = _shown(trained, contents, images, [images] if labels is None else [images, labels])
    require_fitting(trained, rows.shapes[images], contents.origin)
    if labels is None:
        return Examples(rows, images, None, contents.origin, contents=contents)
    if math.prod(rows.shapes[labels]) > max(LABELS_PER_ROW, math.prod(rows.shapes[images])):
        raise DataError(f"{contents.origin}: rows of its labels '{labels}' have shape {list(rows.shapes[labels])}")
    alone = contents.rows([labels], memory_limit=0)
    meaning, judged = _meaning(trained, labels), trained.roles.labels_judged and labels == trained.roles.labels
    return Examples(rows, images, labels, contents.origin, alone, False, meaning, judged, contents)


def _shown(trained: Trained, contents: Contents, images: str, names: list[str]) -> Rows:
    """The rows with the images as the net wants them: channels first, scaled by its data layer or ready as they are.

    Numbers of data files are what the data layer reads. Of formats of pictures, bytes are grey levels of 0..1 and other
    numbers ready to use, but where the net's own layer scales or takes off a mean: then whole numbers are what it
    reads, and fractions what comes nearer to what the run has learned from.
    """
    image, param = tuple((trained.net.plan.shapes[trained.images] or ())[1:]), _transform_of(trained)

    def laid(array: Stored) -> Stored:
        return channels_first(array, image, param is not None and param.crop_size > 0)

    if not contents.of_pictures:
        return _scaled(trained, contents.rows(names, as_shown=True, laid=laid), images)
    stored = contents.rows(names, laid=laid)
    if param is None or not (param.scale != 1 or param.mean_value or param.mean_file):
        return contents.rows(names, as_shown=True, laid=laid)
    scaled = _scaled(trained, stored, images)
    if stored.dtypes[images].kind in "ui" or _nearer(trained, scaled, stored, images):
        return scaled
    return contents.rows(names, as_shown=True, laid=laid)


def _transform_of(trained: Trained) -> Any:
    """The `transform_param` of the net's own data layer, if it has one."""
    layer = next((each for each in trained.net.sources if trained.images in each.top), None)
    return layer.transform_param if layer is not None and layer.HasField("transform_param") else None


def _nearer(trained: Trained, first: Rows, second: Rows, images: str) -> bool:
    """Whether a few rows of `first` lie in the range that the run learned from, and those of `second` do not."""
    known = trained.range_check.learned.data.get(trained.images)
    if known is None:
        return False
    strange = []
    for rows in (first, second):
        seen = Span()
        seen.take(rows.read(slice(0, min(BATCH, rows.total)))[images])
        strange.append(bool(outside(seen, known)))
    return strange == [False, True]


def _meaning(trained: Trained, labels: str | None) -> str:
    """What the net says of its labels; others are found by a name that means classes."""
    return trained.roles.labels_are if labels == trained.roles.labels else CLASSES if labels in LABELS else ""


def require_fitting(trained: Trained, row: Shape, source: str, resizes: bool = True) -> None:
    """DataError where the net has no place for rows of this shape; `resizes`: whether images of its size would do."""
    entry, none = trained.fed(np.empty((0, *row), np.float32), source)
    if (planned := trained.net.plan.shapes[entry]) is not None and none.shape[1:] != planned[1:]:
        told = f"{source}: blob '{entry}' of net '{trained.net.name}' has shape (N, {', '.join(map(str, planned[1:]))})"
        told += f"; given are rows of shape {list(row)}"
        if resizes and len(row) == 3 and (len(planned), planned[1]) == (4, row[0]):
            told += f"; `deepcae data any {source} --resize {planned[2]}x{planned[3]} -o DIR` makes images of this size"
        raise DataError(told)


def training_examples(trained: Trained) -> Examples:
    """The examples that a run's net learned from, each row once, scaled as its test net scales what it reads."""
    assert trained.run is not None  # nets of files name no training
    reader = Trained(trained.run.net("TRAIN"), trained.origin, trained.folders, trained.named)
    return _own(trained, reader, "training")


def _own(trained: Trained, reader: Trained | None = None, named: str = "test") -> Examples:
    """What the net's data layer names, or that of `reader`, another net of the same run; scaled for `trained`."""
    from ..data.source import open_source

    reader, origin = reader or trained, f"the {named} data of {trained.origin}"
    for layer in reader.net.sources:
        if reader.images in layer.top:
            if layer.type == "HDF5Data":  # labels may stand in the files though the net does not read them
                listed = resolve(layer.hdf5_data_param.source, *trained.folders)
                contents = Contents(str(listed), read_list(listed, *trained.folders))
                return replace(_held(trained, contents), origin=origin)
            stream: Any = open_source(layer, trained.net.phase, trained.folders, 0)
            if not hasattr(stream, "rows"):
                break
            labels = next((name for name in (reader.labels, *LABELS) if name in layer.top), None)
            rows = _scaled(trained, stream.rows, reader.images)
            return Examples(rows, reader.images, labels, origin, whole=True, labels_are=_meaning(reader, labels))
    raise DataError(f"{trained.origin}: its net names no data file; give DATA")


def _scaled(trained: Trained, rows: Rows, images: str) -> Rows:
    """The rows through the `transform_param` of the net's own data layer, if it has one."""
    param = _transform_of(trained)
    if param is None:
        return rows
    from ..data.transform import make_transform

    apply = make_transform(param, rows.shapes[images], trained.net.phase, trained.folders, 0)
    return rows if apply is None else _Transformed(rows, images, apply)


class _Transformed:
    """Rows whose images are scaled on the way."""

    def __init__(self, rows: Rows, images: str, apply: Any) -> None:
        self.tops, self.total = rows.tops, rows.total
        self.shapes = {**rows.shapes, images: apply.shape_of(rows.shapes[images])}
        self.at_hand = rows.at_hand
        self._rows, self._images, self._apply = rows, images, apply

    def read(self, rows: slice | np.ndarray) -> dict[str, np.ndarray]:
        arrays = dict(self._rows.read(rows))
        start = rows.start if isinstance(rows, slice) else int(rows[0])
        return {**arrays, self._images: self._apply(arrays[self._images], start)}

    def close(self) -> None:
        self._rows.close()
