"""A recording as a net restores it: in the order, the type, the size and the units of its source.

Patches are cut in the grid that the data were cut in, restored, and blended where they overlap, by the window

    w(y, x) = sin²(π (y + ½) / height) · sin²(π (x + ½) / width)

Pixels that no patch covers stay as they are in the source. Whole numbers are rounded, and kept within their type.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..data.named import Named
from ..data.scaling import Scaling
from ..data.stream import Shape
from ..errors import DataError
from ..prepare.costly import Rewritten
from ..prepare.images import ArrayImages
from ..prepare.options import Options, Size
from ..prepare.patches import cut, places_in
from ..prepare.sources import Source, open_sources
from ..prepare.steps import Steps
from ..prepare.write import Prepared
from ..proto.lookup import STORED
from ..trained.examples import require_fitting
from ..trained.network import Trained
from ..trained.passes import batch_size
from .nwbstack import require_axes
from .origin import data_of, options_of
from .stacks import require_space, write_stack
from .walk import as_shown, passed

SHOWN = 3  # images of a source that its picture shows
Progress = Callable[[int], object]
_CHANGES = ("resize", "grey", "rgb", "pad")  # steps that cannot be undone


@dataclass
class Restored:
    """What happened to a stack: `num_bare` values stay as in the source, `num_clipped` left the range of the type.

    `before`, `after`: a few images (c, h, w), which `rows` names.
    """

    path: Path
    source: str
    shape: Shape
    dtype: str
    num_bare: int = 0
    num_clipped: int = 0
    rows: list[int] = field(default_factory=list)
    before: list[np.ndarray] = field(default_factory=list)
    after: list[np.ndarray] = field(default_factory=list)

    @property
    def clipped(self) -> str:
        """A sentence where values left the range of the type; "" where none did."""
        if not self.num_clipped:
            return ""
        least, most = _ends(np.dtype(self.dtype))
        share = 100 * self.num_clipped / math.prod(self.shape)
        values = f"{self.num_clipped:,} restored values ({share:.2g} %)"
        return f"{values} were clipped to {least}..{most}, the range of {self.dtype}"

    def to_json(self) -> dict[str, Any]:
        facts = {"file": str(self.path), "source": self.source, "shape": list(self.shape), "dtype": self.dtype}
        return {**facts, "bare_values": self.num_bare, "clipped_values": self.num_clipped}


def sources_for(trained: Trained, data: Path | None) -> tuple[list[Source], Options]:
    """The stacks to restore, and how they become what the net reads.

    `data`: a stack itself, or a folder of prepared data, whose sources are opened; None: what the net learned from.
    """
    learned = _prepared(data_of(trained, None))
    told = _prepared(data) if data is not None else learned
    known = told or learned
    options = replace(options_of(known.understood), labels=None) if known is not None else Options()
    if told is not None:
        paths = _paths(told)
    elif data is not None:
        paths = [data]
    else:
        raise DataError(f"{trained.origin}: nothing says which recording it learned from; give DATA, the stack itself")
    for name in _CHANGES:
        if getattr(options, name):
            raise DataError(f"{trained.origin}: learned from images changed by --{name}, which cannot be undone here")
    return open_sources(paths, options), options


def _prepared(data: Path) -> Prepared | None:
    folder = data if data.is_dir() else data.parent
    return Prepared.load(folder) if (folder / STORED).is_file() else None


def _paths(told: Prepared) -> list[Path]:
    """The sources of prepared data. DataError where one is gone."""
    paths = list(dict.fromkeys(Path(source["path"]) for source in told.understood.sources))
    for path in paths:
        if not path.exists():
            raise DataError(f"{path}: which {told.folder / STORED} names, is not there; give DATA, the stack itself")
    return paths


def scaling_of(trained: Trained) -> Scaling:
    """How the net's text scales what it reads. DataError where that cannot be undone."""
    layer = next((each for each in trained.net.sources if trained.images in each.top), None)
    if layer is None:
        return Scaling()
    given = layer.transform_param
    if given.mean_file or given.crop_size or len(given.mean_value) > 1:
        raise DataError(
            f"{trained.origin}: its transform_param has more than one mean_value and scale: not undone here"
        )
    return Scaling(given.mean_value[0] if given.mean_value else 0.0, given.scale)


class Denoiser:
    """Restores the images of sources, one source after another."""

    def __init__(self, trained: Trained, options: Options) -> None:
        self.trained, self.options, self.scaling = trained, options, scaling_of(trained)
        self._steps, self._size = Steps(options), batch_size(trained)

    def write(self, source: Source, out: Path, progress: Progress | None = None) -> Restored:
        """The stack `out` of a source; what happened to it."""
        images = source.images
        if not images.is_uniform:
            raise DataError(f"{source.title}: its images differ in size, and a stack has one; give those of one size")
        if out.exists() and source.path.exists() and out.samefile(source.path):
            raise DataError(f"{out}: is the recording itself, which would be gone; give another --out")
        if source.cost is not None and isinstance(images, ArrayImages) and isinstance(images.array, Named):
            require_space(out.parent, source.cost.total)
            source.images, source.cost = ArrayImages(Rewritten(images.array, out.parent)), None
        dtype, layout = images.dtype.newbyteorder("="), Layout.of(source)
        if out.suffix.lower() == ".nwb":
            require_axes(out, layout.shape)
        require_space(out.parent, math.prod(layout.shape) * dtype.itemsize)
        told = Restored(out, source.title, layout.shape, str(dtype))
        rows = self._rows(source, told, progress)
        write_stack(out, map(layout.given, rows), layout.shape, dtype, layout.axes, source.told.seconds)
        return told

    def _rows(self, source: Source, told: Restored, progress: Progress | None) -> Iterator[np.ndarray]:
        total = source.images.total
        drawn = set(np.linspace(0, total - 1, min(SHOWN, total)).round().astype(int).tolist())
        for start in range(0, total, self._size):
            rows = np.arange(start, min(total, start + self._size))
            stored = source.images.read(rows)
            for row, before, after in zip(rows.tolist(), stored, self._restored(stored, source, told), strict=True):
                if row in drawn:
                    told.rows.append(row)
                    told.before.append(before)
                    told.after.append(after)
                yield after
            if progress is not None:
                progress(int(rows[-1]) + 1)

    def _restored(self, stored: np.ndarray, source: Source, told: Restored) -> Iterator[np.ndarray]:
        """Images (k, c, h, w) or (k, d) of the source, as the net restores them, one by one."""
        prepared = self._steps.apply(stored)
        if self.options.patch is None:
            whole = self._pass(prepared, source.title).astype(np.float64)
            made = ((image, np.ones(image.shape[-2:] if image.ndim == 3 else image.shape, bool)) for image in whole)
        else:
            made = (self._blended(image, source.title) for image in prepared)
        for raw, (values, covered) in zip(stored, made, strict=True):
            after = raw.copy()
            area = self._area(raw.shape)
            place = after[area]
            mask = np.broadcast_to(covered, place.shape)
            place[mask] = _as_stored(values[mask], raw.dtype, told)
            after[area] = place
            told.num_bare += after.size - int(mask.sum())
            yield after

    def _area(self, shape: Shape) -> Any:
        """The part of an image that was prepared: its channels and its crop."""
        if len(shape) != 3:
            return slice(None)
        channels = list(self.options.channels or range(shape[0]))
        height, width = self.options.crop or shape[1:]
        top, left = (shape[1] - height) // 2, (shape[2] - width) // 2
        return np.ix_(channels, range(top, top + height), range(left, left + width))

    def _blended(self, image: np.ndarray, origin: str) -> tuple[np.ndarray, np.ndarray]:
        """(c, h, w) restored, and where (h, w) patches cover it."""
        assert self.options.patch is not None
        height, width = self.options.patch
        grid = replace(self.options, count=None, stride=self.options.stride or self.options.patch)
        if self.options.count is not None:  # they were drawn by chance
            grid = replace(grid, stride=(max(1, height // 2), max(1, width // 2)))
        places = places_in((image.shape[1], image.shape[2]), grid, 0)
        window, sums, weight = window_of((height, width)), np.zeros(image.shape), np.zeros(image.shape[1:])
        for start in range(0, len(places), self._size):
            some = places[start : start + self._size]
            for (y, x), patch in zip(some.tolist(), self._pass(cut(image, some, (height, width)), origin), strict=True):
                sums[:, y : y + height, x : x + width] += window * patch
                weight[y : y + height, x : x + width] += window
        covered = weight > 0
        return np.divide(sums, weight, out=sums, where=covered), covered

    def _pass(self, rows: np.ndarray, origin: str) -> np.ndarray:
        require_fitting(self.trained, rows.shape[1:], origin, resizes=False)
        shown = self.scaling.shown(rows)
        blob = self.trained.restored
        made = passed(self.trained, shown, [blob], self._size, origin)[blob]
        return self.scaling.undone(as_shown(self.trained, made, shown))


def window_of(size: Size) -> np.ndarray:
    """(height, width), more than 0 everywhere."""
    down, across = (np.sin(np.pi * (np.arange(side) + 0.5) / side) ** 2 for side in size)
    return np.asarray(np.outer(down, across))


def _as_stored(values: np.ndarray, dtype: np.dtype[Any], told: Restored) -> np.ndarray:
    if dtype.kind not in "iub":
        return values.astype(dtype)
    least, most = _ends(dtype)
    whole = np.rint(values)
    told.num_clipped += int(((whole < least) | (whole > most)).sum())
    return np.clip(whole, least, most).astype(dtype)


def _ends(dtype: np.dtype[Any]) -> tuple[int, int]:
    """The least and the greatest value of a type of whole numbers."""
    return (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))


@dataclass(frozen=True)
class Layout:
    """How a stack lies: as its source does. `axes`: a letter each; `is_last`: channels stand last."""

    shape: Shape
    axes: str
    is_last: bool

    @classmethod
    def of(cls, source: Source) -> Layout:
        """Axes as ImageJ names them: the steps of the source, then CYX, YX, or YXS for colours that lie last."""
        steps, image = source.told.steps, source.images.size(0)
        if math.prod(size for _, size in steps) != source.images.total or not steps:
            steps = (("i", source.images.total),)
        counted, letters = tuple(size for _, size in steps), "".join(name for name, _ in steps).upper()
        if len(image) != 3:
            return cls((*counted, *image), letters + "X", False)
        channels, height, width = image
        if channels == 1:
            return cls((*counted, height, width), letters + "YX", False)
        if channels == 3 and _is_last(source):
            return cls((*counted, height, width, channels), letters + "YXS", True)
        return cls((*counted, channels, height, width), letters + "CYX", False)

    def given(self, image: np.ndarray) -> np.ndarray:
        """An image (c, h, w) as the stack holds it."""
        if self.is_last:
            return np.moveaxis(image, 0, -1)
        return image[0] if image.ndim == 3 and len(image) == 1 else image


def _is_last(source: Source) -> bool:
    """Whether the source's channels stand last, as those of pictures do."""
    if not isinstance(source.images, ArrayImages):
        return True
    array, stored = source.images.array, source.array
    if isinstance(array, Named):
        return "s" in array.axes and array.axes.endswith("s")
    return stored is not None and stored.shape[1:] != array.shape[1:] and stored.shape[-1] == array.shape[1]
