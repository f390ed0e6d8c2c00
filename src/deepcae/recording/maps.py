"""Codes and errors of patches, laid back over the images that the patches are cut from.

A patch's code stands over all of its pixels, its error where it is; where patches overlap, the mean. For image (h, w):

    codes  (K, h, w)   c_k(y, x) = mean of code k over the patches that cover (y, x)
    error  (h, w)      e(y, x)   = mean of ½ Σ_channels (restored - shown)², over the same

NaN where no patch lies. Errors are in the units of what the net is shown (about 0..1).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..atomic import foreign_kept
from ..errors import DataError
from ..prepare.options import Size
from ..trained.examples import Examples
from ..trained.network import Trained
from .origin import Origins, images_in
from .stacks import npy_stack, require_space, write_stack
from .table import write_table
from .timeline import HELD_OUT
from .walk import Made, Progress, walk

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FACTS = ("source", "row", "name", "error")
FLOAT = np.dtype(np.float32)
SHEETS, MOST_SHEETS = 3, 12  # images of a source, and in all, of which a picture is drawn


@dataclass(frozen=True)
class Laid:
    """The maps of one image: `codes` (K, h, w), `error` (h, w), both float32; `shown`, `restored` (c, h, w).

    `source`, `row`: which image; `first`: a row of the data that is a patch of it.
    """

    source: int
    row: int
    first: int
    codes: np.ndarray
    error: np.ndarray
    shown: np.ndarray
    restored: np.ndarray

    @property
    def mean_error(self) -> float:
        """Of the pixels that patches cover."""
        return float(np.nanmean(self.error))

    @property
    def num_bare(self) -> int:
        """Pixels that no patch covers."""
        return int(np.isnan(self.error).sum())

    def gap(self, origins: Origins) -> tuple[int, int] | None:
        """First and last y in no patch between those to learn from and the held-out ones, if these are the lowest."""
        told = origins.understood
        if told is None or told.split["kind"] != "region" or HELD_OUT not in origins.parts or origins.place is None:
            return None
        held = origins.part == origins.parts.index(HELD_OUT)
        below = origins.place[held & (origins.source == self.source) & (origins.row == self.row), 0]
        covered = np.flatnonzero(~np.isnan(self.error).all(axis=1))
        if not below.size or not (above := covered[covered < below.min()]).size:
            return None
        first, last = int(above[-1]) + 1, int(below.min()) - 1
        return (first, last) if first <= last else None


class _Canvas:
    """Sums of what the patches of one image bring, and how many there are of each pixel."""

    def __init__(self, size: Size, num_codes: int, channels: int) -> None:
        self.sums = np.zeros((num_codes + 1 + 2 * channels, *size))
        self.count = np.zeros(size)
        self._codes, self._channels = num_codes, channels

    def add(self, made: Made, at: int, place: np.ndarray) -> None:
        """Patch `at` of a batch, whose upper left pixel is `place`."""
        shown, restored = made.images[at].astype(np.float64), made.restored[at].astype(np.float64)
        (y, x), (height, width) = place.tolist(), shown.shape[1:]
        area = (slice(y, y + height), slice(x, x + width))
        error = 0.5 * np.square(restored - shown).sum(axis=0)
        codes = np.broadcast_to(made.codes[at][:, None, None], (self._codes, height, width))
        self.sums[(slice(None), *area)] += np.concatenate([codes, error[None], shown, restored])
        self.count[area] += 1

    def laid(self, source: int, row: int, first: int) -> Laid:
        with np.errstate(invalid="ignore"):
            means = (self.sums / self.count).astype(np.float32)
        codes, error, shown, restored = np.split(
            means, [self._codes, self._codes + 1, self._codes + 1 + self._channels]
        )
        return Laid(source, row, first, codes, error[0], shown, restored)


def lay(
    trained: Trained, examples: Examples, origins: Origins, order: np.ndarray, progress: Progress | None = None
) -> Iterator[Laid]:
    """The maps of one image after another. `order`: rows of the data, those of an image together."""
    if origins.place is None:
        raise DataError(f"{examples.origin}: holds whole images, no patches; their codes are laid out over time")
    canvas, now = None, (-1, -1, -1)
    sizes: dict[int, Size] = {}
    for made in walk(trained, examples, order, progress):
        if made.images.ndim != 4:
            raise DataError(f"{examples.origin}: its rows have shape {list(made.images.shape[1:])}; maps need images")
        for at, index in enumerate(made.index.tolist()):
            source, row = int(origins.source[index]), int(origins.row[index])
            if (source, row) != now[:2]:
                if canvas is not None:
                    yield canvas.laid(*now)
                if source not in sizes:
                    sizes[source] = origins.image_size(source, (made.images.shape[2], made.images.shape[3]))
                canvas = _Canvas(sizes[source], made.codes.shape[1], made.images.shape[1])
                now = (source, row, index)
            assert canvas is not None
            canvas.add(made, at, origins.place[index])
    if canvas is not None:
        yield canvas.laid(*now)


def write_maps(
    trained: Trained, examples: Examples, origins: Origins, out: Path, every: int = 1, progress: Progress | None = None
) -> dict[str, Any]:
    """The maps of every n-th image of each source as files of `out`; what was written, for programs.

    Of a source: `codes.npy` (images, K, h, w) and `error.npy` (images, h, w), the same as .tif;
    `images.csv` names the images. Pictures show a few, and the one with the largest error.
    """
    order = origins.order
    places, steps = origins.source[order], origins.row[order]
    wanted = np.zeros(len(order), bool)
    for source, rows in images_in(origins):
        wanted |= (places == source) & np.isin(steps, rows[::every])
    order = order[wanted]
    writing = _Writing(trained, origins, out, order, every)
    with foreign_kept(not _is_ours(out / "images.csv")):
        for source in np.unique(origins.source[order]).tolist():
            before = int(np.searchsorted(origins.source[order], source))
            mine = order[origins.source[order] == source]
            tell = None if progress is None else _after(progress, before)
            writing.source(source, lay(trained, examples, origins, mine, tell))
    with foreign_kept():
        writing.table()
        writing.pictures()
    return writing.told()


def _is_ours(table: Path) -> bool:
    """Whether an earlier map lies there, whose stacks, which bear no mark, may be replaced."""
    try:
        with table.open(encoding="utf-8") as file:
            return file.readline().startswith(",".join(FACTS))
    except (OSError, ValueError):
        return False


def _after(progress: Progress, before: int) -> Progress:
    return lambda done: progress(before + done)


class _Writing:
    """Takes the maps of one source after another."""

    def __init__(self, trained: Trained, origins: Origins, out: Path, order: np.ndarray, every: int) -> None:
        self.trained, self.origins, self.out, self.order, self.every = trained, origins, out, order, every
        self.files: list[Path] = []
        self.rows: list[list[Any]] = []
        self.shown: list[Laid] = []
        self.worst: Laid | None = None
        self.num_bare = self.num_pixels = 0
        self.gap: tuple[int, int] | None = None

    def source(self, source: int, images: Iterator[Laid]) -> None:
        origins = self.origins
        rows = np.unique(origins.row[self.order][origins.source[self.order] == source])
        drawn = set(rows[np.linspace(0, len(rows) - 1, min(SHEETS, len(rows))).round().astype(int)].tolist())
        first = next(images)
        num_codes, (height, width) = len(first.codes), first.error.shape
        shapes = {"codes": (len(rows), num_codes, height, width), "error": (len(rows), height, width)}
        total = 4 * sum(map(math.prod, shapes.values())) * 2  # .npy and .tif
        require_space(self.out, total, "--every N lays out each N-th image alone")
        paths = {name: self.out / f"{self._prefix(source)}{name}.npy" for name in shapes}
        with ExitStack() as stack:
            put = {name: stack.enter_context(npy_stack(path, shapes[name], FLOAT)) for name, path in paths.items()}
            for laid in chain([first], images):
                put["codes"](laid.codes)
                put["error"](laid.error)
                self._look(laid, drawn)
        self.files += paths.values()
        for name, path in paths.items():
            stored = np.load(path, mmap_mode="r", allow_pickle=False)
            axes = "TCYX" if name == "codes" else "TYX"
            write_stack(path.with_suffix(".tif"), stored, shapes[name], FLOAT, axes)
            self.files.append(path.with_suffix(".tif"))

    def _look(self, laid: Laid, drawn: set[int]) -> None:
        source, name = self.origins.sources[laid.source], self.origins.name(laid.first)
        means = [float(value) for value in np.nanmean(laid.codes, axis=(1, 2))]
        self.rows.append([source, laid.row, name, laid.mean_error, *means])
        self.num_bare += laid.num_bare
        self.num_pixels += laid.error.size
        self.gap = self.gap or laid.gap(self.origins)
        if laid.row in drawn and len(self.shown) < MOST_SHEETS:
            self.shown.append(laid)
        if self.worst is None or laid.mean_error > self.worst.mean_error:
            self.worst = laid

    def _prefix(self, source: int) -> str:
        return f"{source:03}_" if len(self.origins.sources) > 1 else ""

    def table(self) -> None:
        """images.csv: a line for each image, in the order of the stacks."""
        num_codes = len(self.rows[0]) - len(FACTS)
        header = [*FACTS, *(f"code_{k}" for k in range(1, num_codes + 1))]
        self.files.append(write_table(self.out / "images.csv", header, self.rows))

    def pictures(self) -> None:
        """A sheet for each of a few images."""
        from ..viz import save

        assert self.worst is not None
        for laid in self.shown:
            self.files.append(save(_sheet_of(laid, self._title(laid)), self._sheet(laid)))
        worst = self.out / "largest_error.png"
        title = f"the largest error: {self._title(self.worst)}"
        self.files.append(save(_sheet_of(self.worst, title), worst))

    def _title(self, laid: Laid) -> str:
        source = Path(self.origins.sources[laid.source]).name
        gap = laid.gap(self.origins)
        about = f"; y {gap[0]} to {gap[1]}: gap above the held-out part" if gap else ""
        return f"{source}, image {self.origins.name(laid.first) or laid.row}{about}"

    def _sheet(self, laid: Laid) -> Path:
        return self.out / f"{self._prefix(laid.source)}image_{laid.row:05}.png"

    def told(self) -> dict[str, Any]:
        assert self.worst is not None
        return {
            "images": len(self.rows),
            "files": [str(path) for path in self.files],
            "bare_pixels": self.num_bare,
            "pixels": self.num_pixels,
            **({"gap": list(self.gap)} if self.gap else {}),
            "mean_error": float(np.mean([row[3] for row in self.rows])),
            "largest_error": self.origins.where(self.worst.first) | {"error": self.worst.mean_error},
        }


def _sheet_of(laid: Laid, title: str) -> Figure:
    from ..viz import maps_of_image

    return maps_of_image(laid.shown, laid.restored, laid.error, laid.codes, title)
