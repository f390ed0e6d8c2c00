"""The look: colours that every reader can tell apart, settings that stay ours, files that repeat byte for byte."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcae.errors import DataError
from deepcae.viz import save, scatter
from deepcae.viz.style import CLASS_COLORS, class_color, class_marker, columns_to_fit, mosaic, number

RNG = np.random.default_rng(2)
# Machado, Oliveira, Fernandes (2009), severity 1.0, on linear RGB
SIGHT = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
OPPONENTS = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def oklab(colors: tuple[str, ...], sight: str) -> np.ndarray:
    """Björn Ottosson's OKLab of the colours as someone with that sight sees them."""
    rgb = np.array([[int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)] for color in colors])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    return np.cbrt(seen @ np.array(CONES).T) @ np.array(OPPONENTS).T


@pytest.mark.parametrize("sight", SIGHT)
def test_class_colours_can_be_told_apart(sight: str) -> None:
    lab = oklab(CLASS_COLORS, sight)
    apart = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + np.eye(len(lab))
    assert apart.min() > 0.1
    assert lab[:, 0].max() < 0.85  # dark enough for white paper


def test_more_classes_than_colours_differ_in_their_markers() -> None:
    looks = {(class_color(index), class_marker(index)) for index in range(40)}
    assert len(looks) == 40


def test_global_settings_are_left_alone(tmp_path: Path) -> None:
    matplotlib.rcParams["font.size"] = 13.5
    before = dict(matplotlib.rcParams)
    save(scatter(RNG.normal(size=(20, 2)), np.arange(20) % 3), tmp_path / "a.png")
    assert dict(matplotlib.rcParams) == before
    matplotlib.rcdefaults()


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_equal_data_give_equal_bytes(tmp_path: Path, ending: str) -> None:
    points, labels = RNG.normal(size=(50, 2)), np.arange(50) % 10

    def draw(name: str) -> bytes:
        return save(scatter(points, labels, "Codes"), tmp_path / f"{name}{ending}", dpi=60).read_bytes()

    first = draw("a")
    matplotlib.rcParams.update({"axes.grid": True, "xtick.direction": "in"})  # a user's own settings change nothing
    try:
        assert draw("b") == first
    finally:
        matplotlib.rcdefaults()
    assert b"Matplotlib" not in first
    assert b"CreationDate" not in first


def test_other_endings_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"written as \.png, \.svg or \.pdf, not '\.jpg'"):
        save(scatter(np.zeros((1, 2))), tmp_path / "a.jpg")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        save(scatter(np.zeros((1, 2))), tmp_path / "file" / "a.png")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@given(st.integers(1, 300), st.floats(0.3, 3), st.floats(0.3, 3))
def test_tiles_fill_their_box(count: int, tile_aspect: float, box_aspect: float) -> None:
    columns = columns_to_fit(count, tile_aspect, box_aspect)

    def width(number: int) -> float:
        return min(1 / number, tile_aspect / (-(-count // number) * box_aspect))

    assert 1 <= columns <= count
    assert width(columns) >= 0.8 * max(width(number) for number in range(1, count + 1)) - 1e-9


def test_tiles_stand_row_by_row_with_gaps() -> None:
    maps = np.arange(3 * 40 * 30, dtype=float).reshape(3, 40, 30)
    picture = mosaic(maps, 2)
    assert picture.shape == (81, 61)
    np.testing.assert_array_equal(picture[:40, 31:], maps[1])
    np.testing.assert_array_equal(picture[41:, :30], maps[2])
    assert np.isnan(picture[40]).all()
    assert np.isnan(picture[41:, 30:]).all()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (1.23456, "1.23"),
        (-14.94, "-14.9"),
        (123.456, "123"),
        (0.01234, "0.0123"),
        (3.3e-7, "3.3e-07"),
        (123456, "1.2e+05"),
    ],
)
def test_numbers_are_short(value: float, words: str) -> None:
    assert number(value) == words
