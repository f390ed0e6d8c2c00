"""Small pictures of images of any shape, and the sheet of them that TensorBoard's projector reads."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepcae.codes import files
from deepcae.viz.sprite import LARGEST, SHEET, side_for, small_pictures

RNG = np.random.default_rng(6)


@pytest.mark.parametrize(
    ("shape", "size"),
    [((1, 30, 20), (9, 6)), ((20, 60), (3, 9)), ((3, 9, 9), (9, 9)), ((40,), (5, 9)), ((4, 8, 8), (9, 9))],
    ids=["tall", "wide", "colour", "curve", "channels"],
)
def test_pictures_of_any_shape(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    made = small_pictures(RNG.random((3, *shape)), 0, 1, 9)
    assert made.shape == (3, *size, 3)
    assert made.dtype == np.uint8
    assert made.std() > 0


def test_levels_are_common_to_all() -> None:
    stack = np.stack([np.full((1, 6, 6), value) for value in (0.0, 0.5, 2.0)])
    assert [int(image.max()) for image in small_pictures(stack, 0, 1, 6)] == [0, 128, 255]
    np.testing.assert_array_equal(
        small_pictures(np.ones((1, 3, 4, 4)) * [[[[1]], [[0]], [[0]]]], 0, 1, 4)[0, 0, 0], [255, 0, 0]
    )


@pytest.mark.parametrize("count", [1, 100, 16_000, 17_000, 1_000_000, 4_200_000])
def test_a_sheet_is_not_too_large_for_a_graphics_card(count: int) -> None:
    side = side_for(count)
    assert side * np.ceil(np.sqrt(count)) <= SHEET
    assert (side == LARGEST) == (count < 16_400)
    assert (side == 0) == (count > 4_194_304)


def test_the_sheet_has_a_picture_for_each_code_row_by_row(tmp_path: Path) -> None:
    pictures = np.repeat(np.arange(7, dtype=np.uint8) + 1, 4 * 6 * 3).reshape(7, 4, 6, 3)
    with files.writing(tmp_path / "c.projector", 7) as write:
        write(np.ones((3, 2)), None, None, pictures[:3])
        write(np.ones((4, 2)), None, None, pictures[3:])
    config = (tmp_path / "c.projector/projector_config.pbtxt").read_text()
    assert re.search(r'sprite \{ image_path: "sprite.png" single_image_dim: 6 single_image_dim: 4 \}', config)
    sheet = np.asarray(Image.open(tmp_path / "c.projector/sprite.png"))
    assert sheet.shape == (12, 18, 3)
    assert sheet[::4, ::6, 0].tolist() == [[1, 2, 3], [4, 5, 6], [7, 0, 0]]
    files.save(tmp_path / "none.projector", np.ones((3, 2)))
    assert "sprite" not in (tmp_path / "none.projector/projector_config.pbtxt").read_text()
