"""One look for every picture: readable in print at column width, and without colour vision.

Sizes are inches and points of the printed page: `COLUMN` is one column of a two-column paper, `PAGE` its full width, so
that a figure is put into a text unscaled.
"""

from __future__ import annotations

import io
import math
import os
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..atomic import MARK, whole_file
from ..errors import DataError, in_one_line, shortened

COLUMN, PAGE = 3.45, 7.1  # inches
MOST_PIXELS, WIDEST = 1e8, 60_000.0  # of a .png; pixels in all, and along one side
LONGEST = 160  # letters of a line
INK, SOFT, GRID = "#1c2430", "#5d6875", "#e3e7ec"

# Ten colours found by search: at least 0.1 apart in OKLab for normal, protan, deutan and tritan sight (a test pins
# it), none too pale for white paper; in an order that keeps digits that look alike (4 7 9, 3 5 8) far apart.
CLASS_COLORS = (
    "#6271F0",
    "#F47C55",
    "#8037B0",
    "#F4BF17",
    "#326F09",
    "#4F2E0D",
    "#BA4A79",
    "#26BCA2",
    "#B990EF",
    "#8D145E",
)
CLASS_MARKERS = ("o", "s", "^", "v", "D", "P", "X", "<", ">", "p")
TRAIN_COLOR, TEST_COLOR = "#6271F0", "#D1552B"
GREYS, SIGNED = "gray", "RdBu_r"  # values of blobs; weights around zero
LAND = "#d5dce4"  # between tiles: neither black nor white, so that both keep their edges

_SETTINGS: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same letters, and so the same bytes, everywhere
    "font.size": 7,
    "text.color": INK,
    "axes.titlesize": 8,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 5,
    "axes.titlecolor": INK,
    "axes.labelsize": 7,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": "#b8c0ca",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.color": "#b8c0ca",
    "ytick.color": "#b8c0ca",
    "xtick.labelcolor": SOFT,
    "ytick.labelcolor": SOFT,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "image.interpolation": "nearest",
    "image.composite_image": False,  # small pictures stay sharp in .svg and .pdf
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "deepcae",  # ids in the file do not change from run to run
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
    "path.simplify": True,
    "text.parse_math": False,  # a blob may be named a$b$
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw inside this block: matplotlib's own settings are as before when it ends."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield


def figure(width: float, height: float) -> Figure:
    """An empty page, in inches; margins are made to fit what is drawn. No window and no global state."""
    return Figure(figsize=(width, height), layout="constrained")


def sheet(width: float, height: float) -> Figure:
    """An empty page whose axes are put at exact places with `axes_at`, so that images line up."""
    return Figure(figsize=(width, height), layout=None)


def axes_at(page: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes of width x height, in inches, their corner `left` and `top` inches from the page's upper left corner."""
    return page.add_axes(rectangle(page, left, top, width, height))


def rectangle(page: Figure, left: float, top: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Inches from the upper left corner → left, bottom, width, height as parts of the page, which matplotlib wants."""
    across, down = page.get_size_inches()
    return left / across, 1 - (top + height) / down, width / across, height / down


def heading(axes: Axes, title: str, subtitle: str = "", room: float | None = None) -> None:
    """A bold title with a quiet line of facts under it, in `room` inches; default: the width of the axes."""
    room = room or axes.get_position().width * axes.get_figure(root=True).get_figwidth()  # type: ignore[union-attr]
    words, size = fitted(title, room, 8, "bold")
    axes.set_title(words, fontsize=size, pad=14.8 if subtitle else 4)
    if subtitle:
        words, size = fitted(subtitle, room, 6.5)
        place: Any = {"xy": (0, 1), "xycoords": "axes fraction", "xytext": (0, 4), "textcoords": "offset points"}
        axes.annotate(words, fontsize=size, color=SOFT, **place)


def say(page: Figure, left: float, top: float, words: str, **style: Any) -> None:
    """Words at a place in inches from the upper left corner."""
    across, down = page.get_size_inches()
    settings: Any = {"va": "center", "fontsize": 6.5, "color": SOFT, **style}
    page.text(left / across, 1 - top / down, legible(words), **settings)


def page_title(page: Figure, title: str) -> None:
    """A bold line at the upper left corner of a sheet."""
    width, height = page.get_size_inches()
    words, size = fitted(title, width - 0.12, 9, "bold")
    page.suptitle(words, x=0.06 / width, y=1 - 0.06 / height, ha="left", fontsize=size, fontweight="bold")


def fitted(words: str, room: float, size: float, weight: str = "normal") -> tuple[str, float]:
    """The words and their size (points) that fit into `room` inches: smaller down to 70 %, then cut in the middle."""
    words = legible(words)
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", weight=weight, size=1000)

    def width(text: str) -> float:
        across, _, _ = text_to_path.get_text_width_height_descent(text, font, ismath=False)
        return float(across) / 1000 * size / 70  # hinting widens letters

    needed = width(words) if words.strip() else 0.0
    if needed <= room:
        return words, size
    if 0.7 * needed <= room:
        return words, size * room / needed

    def cut(kept: int) -> str:
        return f"{words[: (kept + 1) // 2]}…{words[len(words) - kept // 2 :]}"

    kept = bisect_left(range(len(words)), True, lo=3, key=lambda kept: 0.7 * width(cut(kept)) > room) - 1
    return cut(kept), 0.7 * size


def legible(words: str) -> str:
    """What can stand in a picture: in one line, and no longer than anybody reads."""
    return shortened(in_one_line(words), LONGEST)


def class_color(index: int) -> str:
    return CLASS_COLORS[index % len(CLASS_COLORS)]


def class_marker(index: int) -> str:
    """The marker also tells the colours' second round apart: class 10 has the colour of 0 and another marker."""
    return CLASS_MARKERS[(index + index // len(CLASS_COLORS)) % len(CLASS_MARKERS)]


def greys() -> Any:
    """The scale of grey levels; what is no number has the colour of the ground."""
    return matplotlib.colormaps[GREYS].with_extremes(bad=LAND)


def counting(axis: Any) -> None:
    """The ticks of an axis that counts: whole numbers."""
    axis.get_major_locator().set_params(integer=True)


def bare(axes: Axes) -> None:
    """A picture needs no ticks."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def columns_to_fit(count: int, tile_aspect: float, box_aspect: float) -> int:
    """Columns for which `count` tiles (aspect: width / height) in a box of the given aspect are largest.

    A number that fills every row is taken where its tiles are nearly as large (four fifths).
    """

    def tile_width(columns: int) -> float:
        rows = math.ceil(count / columns)
        return min(1 / columns, tile_aspect / (rows * box_aspect))

    def best(choices: list[int]) -> int:
        return max(choices, key=lambda columns: (round(tile_width(columns), 9), columns))

    any_number = best(list(range(1, count + 1)))
    full_rows = best([columns for columns in range(1, count + 1) if count % columns == 0])
    return full_rows if tile_width(full_rows) >= 0.8 * tile_width(any_number) else any_number


def thickened(maps: np.ndarray) -> np.ndarray:
    """maps (T, H, W); those of one long line, which nobody could see, an eighth as thick as they are long."""
    _, height, width = maps.shape
    down = max(1, width // 8) if height == 1 else 1
    across = max(1, height // 8) if width == 1 else 1
    return maps.repeat(down, axis=1).repeat(across, axis=2)


def mosaic(maps: np.ndarray, columns: int, gap: int = 1) -> np.ndarray:
    """maps (T, H, W) → one picture, row by row; NaN, drawn as background, between the tiles.

    Small maps are enlarged first, to about 28 pixels, so that the gap is about the same part of every tile.
    """
    factor = max(1, round(28 / max(maps.shape[1:])))
    maps = maps.repeat(factor, axis=1).repeat(factor, axis=2)
    count, height, width = maps.shape
    rows = math.ceil(count / columns)
    page = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap), np.nan)
    for index, one in enumerate(maps):
        top, left = index // columns * (height + gap), index % columns * (width + gap)
        page[top : top + height, left : left + width] = one
    return page


def number(value: float) -> str:
    """Three digits that matter: 0.0123, 1.23, 123, 1.2e+05."""
    if value == 0 or not math.isfinite(value):
        return f"{value:.3g}"
    if 0.001 <= abs(value) < 1e5:
        decimals = min(max(2 - math.floor(math.log10(abs(value))), 0), 4)
        return f"{value:.{decimals}f}"
    return f"{value:.1e}"


_STAMPS: dict[str, dict[str, str | None]] = {
    "png": {"Software": MARK},
    "svg": {"Date": None, "Creator": MARK},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": MARK, "Producer": None},
}


def save(picture: Figure, path: str | os.PathLike[str], dpi: int = 300) -> Path:
    """Write a .png, .svg or .pdf, without dates or versions inside: equal data give equal bytes."""
    target = Path(path)
    kind = target.suffix.lower().lstrip(".")
    if kind not in _STAMPS:
        raise DataError(f"{target}: pictures are written as .png, .svg or .pdf, not '{target.suffix}'")
    try:
        with whole_file(target) as temporary:
            temporary.write_bytes(drawn(picture, kind, dpi))
    except OSError as error:
        raise DataError(f"{target}: cannot be written: {error.strerror or error}") from error
    return target


def drawn(picture: Figure, kind: str = "png", dpi: int = 300) -> bytes:
    """What `save` would write to a file. (matplotlib does not survive a file that fails.)"""
    stream = io.BytesIO()
    write(picture, stream, kind, dpi)
    return stream.getvalue()


def write(picture: Figure, stream: IO[bytes], kind: str = "png", dpi: int = 300) -> None:
    """Write to an open stream what `save` would write to a file. A .png of a huge page is coarser than `dpi`."""
    width, height = picture.get_size_inches()
    fine = min(dpi, (MOST_PIXELS / (width * height)) ** 0.5, WIDEST / max(width, height))
    with styled():
        picture.savefig(stream, format=kind, dpi=fine if kind == "png" else dpi, metadata=_STAMPS[kind])


def class_names(labels: Sequence[Any] | np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """labels (N,) → distinct labels, the number of each example's class (N,), and words for a legend."""
    names, numbers = np.unique(np.asarray(labels).reshape(-1), return_inverse=True)
    words = [
        str(int(name)) if isinstance(name.item(), float) and name.item().is_integer() else str(name) for name in names
    ]
    return names, numbers, words
