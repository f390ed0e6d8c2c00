"""Pictures on one sheet stand where they are put, and show what they are given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from deepcae.viz.samples import Samples
from deepcae.viz.style import drawn, sheet, styled
from deepcae.viz.tile import GROUND, Tiles, tile_at

DPI = 100


def pixels(page: Figure) -> np.ndarray:
    """(height, width, 3), 0 to 1."""
    page.set_dpi(DPI)
    canvas = FigureCanvasAgg(page)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] / 255


@pytest.mark.parametrize("shape", [(4, 6), (3, 4, 6)])
def test_a_picture_fills_its_box_and_no_more(shape: tuple[int, ...]) -> None:
    stack = np.random.default_rng(0).random((2, *shape)) * 10
    samples, boxes = Samples(stack), [(0.2, 0.3, 1.2, 0.8), (1.6, 1.1, 0.6, 0.4)]
    with styled():
        page = sheet(3, 2)
        tiles = Tiles(page)
        for index, box in enumerate(boxes):
            samples.draw(tiles, index, box, 0, 10)
        seen = pixels(page)
    assert len(page.axes) == 1
    rest = np.ones(seen.shape[:2], bool)
    for index, box in enumerate(boxes):
        left, top, width, height = (round(DPI * each) for each in box)
        rest[top : top + height, left : left + width] = False
        part = seen[top : top + height, left : left + width]
        middles = part[height // 8 :: height // 4, width // 12 :: width // 6]
        wanted = stack[index] / 10 if len(shape) == 2 else stack[index].transpose(1, 2, 0) / 10
        np.testing.assert_allclose(middles, np.broadcast_to(wanted.reshape(4, 6, -1), (4, 6, 3)), atol=0.01)
    assert (seen[rest] == 1).all()


def test_curves_stay_in_their_box_from_bottom_to_top() -> None:
    with styled():
        page = sheet(2, 1)
        Tiles(page).curves(np.array([[0.0, 0, 5, 5], [-9, 99, 99, -9]]), (0.5, 0.2, 1.0, 0.6), 0, 5)
        seen = pixels(page)
        line = page.axes[0].lines[0].get_xydata()
    inside = seen[20:80, 50:150]
    assert (np.delete(seen, slice(50, 150), axis=1) == 1).all(), "a curve beyond the scale is cut"
    assert (seen[:20] == 1).all()
    assert (seen[80:] == 1).all()
    ground = np.array([int(GROUND[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    assert 0 < (np.abs(inside - ground).max(axis=2) > 0.05).mean() < 0.3
    np.testing.assert_allclose(line[:, 0], [0.625, 0.875, 1.125, 1.375])
    np.testing.assert_allclose(line[:, 1], 0.2 + 0.6 * np.array([21, 21, 1, 1]) / 22)


def test_small_pictures_stay_apart_in_a_file_of_lines() -> None:
    """matplotlib would make one coarse picture of all that lie side by side."""
    with styled():
        page = sheet(2, 1)
        tiles = Tiles(page)
        for place in range(3):
            tiles.picture(np.eye(2), (0.1 + 0.6 * place, 0.1, 0.5, 0.5), 0, 1)
    assert drawn(page, "svg").count(b"<image ") == 3


def test_a_tile_has_neither_ticks_nor_edges() -> None:
    axes = tile_at(sheet(1, 1), 0, 0, 1, 1)
    for axis in (axes.xaxis, axes.yaxis):
        assert not axis.get_ticklabels(which="both")
        assert not [child for child in axis.get_children() if child not in (axis.label, axis.offsetText)]
    assert not axes.spines
