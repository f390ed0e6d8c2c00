"""Learned kernels as tiles: positive weights red, negative ones blue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from ..errors import DataError
from .reduced import reduced, size_note
from .style import (
    PAGE,
    SIGNED,
    axes_at,
    bare,
    columns_to_fit,
    fitted,
    heading,
    mosaic,
    number,
    page_title,
    say,
    sheet,
    styled,
    thickened,
)

GAP = 3  # pixels between tiles of about 28: a narrower one is lost among kernels that look like noise
SEAM = "#b4bac2"  # between tiles: darker than weights around 0, and without a sign
NOISE = 0.5  # of the weights that are as they were drawn, from which on it is told
SMALL = 12  # pixels of a kernel's longer side, from which on it may show an image
LARGE = 256  # pixels of a kernel's longer side
TILES = 96  # of one layer; more could not be seen on paper
HEAD = 0.36  # inches above a panel, for its two lines
MARGIN = 0.6  # inches beside a panel, for its colour scale


def filters(
    weights: Mapping[str, np.ndarray], title: str = "", *, as_drawn: Mapping[str, float] | None = None,
    limit: int = TILES, width: float = PAGE,
) -> Figure:  # fmt: skip
    """weights: layer name → (O, I, kH, kW) as Caffe stores them → one panel per layer, a tile per kernel.

    Kernels of one axis (O, I, k) are stripes, of those of three (O, I, kD, kH, kW) each slice is a tile.
    A layer's colours are symmetric around 0 up to the largest magnitude among the kernels shown. Deconvolution stores
    its bottom's channels first, so there O counts the bottom's maps and I the top's. `as_drawn`: layer → the part of
    its weights that is still what chance gave them; from `NOISE` on the panel says so. Large kernels are `reduced`.
    """
    if not weights:
        raise DataError("there are no filters to draw")
    for name, blob in weights.items():
        if np.ndim(blob) not in (3, 4, 5) or not np.size(blob):
            raise DataError(f"filters of '{name}' have shape {np.shape(blob)}; expected (O, I, kH, kW)")
    drawn = as_drawn or {}
    panels = [_Panel(name, np.asarray(blob), limit, drawn.get(name, 0.0)) for name, blob in weights.items()]
    columns = min(2, len(panels))
    cell = width / columns
    bands = [panels[start : start + columns] for start in range(0, len(panels), columns)]
    heights = [HEAD + max(panel.height(cell - MARGIN) for panel in band) + 0.12 for band in bands]
    note = _note(panels)
    top = (0.3 if title else 0.0) + (0.2 if note else 0.0)
    with styled():
        page = sheet(width, top + sum(heights))
        if title:
            page_title(page, title)
        if note:
            words, size = fitted(note, width - 0.12, 6.5)
            say(page, 0.06, top - 0.08, words, fontsize=size)
        for band, height in zip(bands, heights, strict=True):
            for place, panel in enumerate(band):
                panel.draw(page, place * cell + 0.06, top + HEAD, cell - MARGIN)
            top += height
    return page


def _note(panels: Sequence[_Panel]) -> str:
    """Why some panels look like noise; "" where none need do."""
    told = []
    if any(panel.as_drawn >= NOISE for panel in panels):
        told.append("as drawn at random: given by chance before learning, so it looks like noise")
    if any(panel.is_inner for panel in panels):
        told.append("kernels that read maps, not images, seldom look like anything")
    return "; ".join(told)


class _Panel:
    """One layer's tiles: how they are laid out, and the drawing of them."""

    def __init__(self, name: str, blob: np.ndarray, limit: int, as_drawn: float) -> None:
        self.shape, self.as_drawn = blob.shape, as_drawn
        outputs, inputs = blob.shape[:2]
        kernels = thickened(blob.reshape(-1, *(blob.shape[-2:] if blob.ndim > 3 else (1, blob.shape[2]))))
        height, width = kernels.shape[1:]
        self.name, self.num_kernels, self.fewer = name, len(kernels), ""
        self.is_inner = blob.ndim == 4 and inputs not in (1, 3) and max(height, width) < SMALL
        if height == width == 1 and blob.ndim == 4:  # maps mixed: a matrix, a row per input, its cells are tiles
            matrix = blob.reshape(outputs, inputs).T
            cells = matrix.size <= limit
            self.tiles = matrix.reshape(-1, 1, 1) if cells else matrix[None]
            columns = outputs if cells else 1
        else:
            self.tiles = reduced(kernels[:limit], LARGE)
            self.fewer = size_note((height, width), self.tiles.shape) if blob.ndim > 3 else ""
            columns = columns_to_fit(len(self.tiles), width / height, 1.5)
        self.shown = self.tiles.size if height == width == 1 else len(self.tiles)
        self.picture = mosaic(self.tiles, columns, GAP)

    def height(self, room: float) -> float:
        """Inches, at a width of at most `room`; never taller than wide panels of aspect 1.5 are."""
        rows, columns = self.picture.shape
        return min(room * rows / columns, room / 1.5)

    def draw(self, page: Figure, left: float, top: float, room: float) -> None:
        height = self.height(room)
        width = height * self.picture.shape[1] / self.picture.shape[0]
        axes = axes_at(page, left, top, width, height)
        bare(axes)
        axes.set_facecolor(SEAM)  # seen between the tiles
        reach = float(np.abs(self.tiles).max()) or 1.0
        picture = axes.imshow(self.picture, cmap=SIGNED, vmin=-reach, vmax=reach, aspect="auto")
        shown, count = self.shown, self.num_kernels
        what = "slice" if len(self.shape) == 5 else "kernel"
        part = f"first {shown} of {count} {what}s" if shown < count else f"{count} {what}{'s' if count > 1 else ''}"
        noise = f"{100 * self.as_drawn:.0f} % as drawn at random" if self.as_drawn >= NOISE else ""
        facts = ["x".join(map(str, self.shape)), part, self.fewer, noise]
        heading(axes, self.name, " · ".join(filter(None, facts)), room + MARGIN - 0.1)
        strip = axes_at(page, left + width + 0.06, top + height / 2 - min(height, 1.1) / 2, 0.07, min(height, 1.1))
        bar = page.colorbar(picture, cax=strip, ticks=[-reach, 0, reach])
        strip.set_yticklabels([f"−{number(reach)}", "0", number(reach)], fontsize=6)
        strip.tick_params(length=0, pad=2)
        bar.outline.set_linewidth(0)
