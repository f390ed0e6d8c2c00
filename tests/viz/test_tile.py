"""Places of images that are quickly made draw what matplotlib's own axes do, byte by byte."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from deepcae.viz.samples import Samples
from deepcae.viz.style import axes_at, bare, drawn, sheet, styled
from deepcae.viz.tile import tile_at


def plain_at(page: Figure, left: float, top: float, width: float, height: float) -> Axes:
    axes = axes_at(page, left, top, width, height)
    bare(axes)
    return axes


@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
@pytest.mark.parametrize("shape", [(7, 9), (3, 6, 6), (2, 5, 4), (20,)])
def test_a_tile_is_drawn_as_bare_axes_are(shape: tuple[int, ...], kind: str) -> None:
    samples = Samples(np.random.default_rng(0).random((2, *shape)))
    pages = []
    for place in (plain_at, tile_at):
        with styled():
            page = sheet(3, 2)
            for index in range(2):
                samples.draw(place(page, 0.2 + 1.3 * index, 0.3, 1.2, 1.1), index, 0, 1)
        pages.append(drawn(page, kind, 100))
    assert pages[0] == pages[1]


def test_a_tile_has_neither_ticks_nor_edges() -> None:
    axes = tile_at(sheet(1, 1), 0, 0, 1, 1)
    for axis in (axes.xaxis, axes.yaxis):
        assert not axis.get_ticklabels(which="both")
        assert not [child for child in axis.get_children() if child not in (axis.label, axis.offsetText)]
    assert not axes.spines
