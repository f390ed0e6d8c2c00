"""Pictures of what has no classes: a quantity in colours, images at their codes, traversals, colours in colour."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import AxesImage
from tests.viz.sheets import boxes
from tests.viz.test_pictures import words

from deepcae.errors import DataError
from deepcae.viz import (
    error_panels,
    image_rows,
    layer_panels,
    loss_curves,
    reconstructions,
    scatter,
    thumbnail_rows,
    thumbnails,
    traversal_codes,
    traversals,
)
from deepcae.viz.quantity import limits
from deepcae.viz.samples import Samples, apart

RNG = np.random.default_rng(4)
POINTS = RNG.normal(size=(200, 2))
KINDS = {
    "grey": (6, 5), "one channel": (1, 6, 5), "colour": (3, 6, 5), "two channels": (2, 6, 5), "five": (5, 6, 5),
    "volume": (1, 4, 6, 5), "curve": (48,), "flat curve": (1, 1, 48),
}  # fmt: skip


def test_points_in_the_colours_of_a_quantity() -> None:
    values = np.arange(200.0)
    values[:5] = np.nan
    page = scatter(POINTS, values=values, values_name="running speed")
    grey, drawn = page.axes[0].collections
    assert len(grey.get_offsets()) == 5
    assert len(drawn.get_offsets()) == 195
    order = np.argsort(drawn.get_array())
    np.testing.assert_allclose(np.asarray(drawn.get_offsets())[order], POINTS[5:])
    assert "running speed (grey: unknown)" in words(page)
    with pytest.raises(DataError, match="no value of 'x' is a number"):
        scatter(POINTS, values=np.full(200, np.nan), values_name="x")
    with pytest.raises(DataError, match="3 values for 200 points"):
        scatter(POINTS, values=np.arange(3))


def test_one_outlier_does_not_take_the_whole_scale() -> None:
    values = np.append(RNG.random(999), 1000.0)
    _, high, extend = limits(values)
    assert high < 1
    assert extend in ("max", "both")
    assert limits(np.array([2.0, 2.0])) == (2, 3, "neither")
    assert limits(np.arange(10.0)) == (0, 9, "neither")


@pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS)
def test_images_at_their_codes_whatever_they_are(shape: tuple[int, ...]) -> None:
    rows = thumbnail_rows(POINTS, 6)
    assert len(rows) <= 36
    assert len(set(rows.tolist())) == len(rows)
    page = thumbnails(POINTS, rows, RNG.random((len(rows), *shape)), most=6)
    assert len(boxes(page)) == len(rows)
    across, down = boxes(page)[:, :2].T
    assert np.corrcoef(across, POINTS[rows, 0])[0, 1] > 0.9
    assert np.corrcoef(-down, POINTS[rows, 1])[0, 1] > 0.9
    with pytest.raises(DataError, match="3 images for"):
        thumbnails(POINTS, rows, RNG.random((3, *shape)))


def test_images_of_narrow_heaps_do_not_hide_each_other() -> None:
    points = np.concatenate([RNG.normal(0, 0.01, (14, 2)), RNG.normal(9, 0.01, (14, 2))])
    rows = thumbnail_rows(points)
    assert len(rows) > 14
    assert "by the order of their codes" in words(thumbnails(points, rows, RNG.random((len(rows), 4, 4))))
    rows = thumbnail_rows(POINTS)
    assert "at the places of their codes" in words(thumbnails(POINTS, rows, RNG.random((len(rows), 4, 4))))


@pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS)
def test_traversals_change_one_number(shape: tuple[int, ...]) -> None:
    codes = RNG.normal(size=(50, 20)) * 2.0 ** np.arange(20)
    made, chosen = traversal_codes(codes, steps=5, most=3)
    assert chosen == [17, 18, 19]  # those that vary most
    middle = np.median(codes, axis=0)
    for row, column in enumerate(chosen):
        part = made[5 * row : 5 * row + 5]
        assert (np.diff(part[:, column]) > 0).all()
        np.testing.assert_allclose(np.delete(part, column, 1), np.tile(np.delete(middle, column), (5, 1)))
    page = traversals(made, chosen, RNG.random((15, *shape)))
    assert len(boxes(page)) == 15
    assert "the 3 of 20 numbers that vary most" in words(page)
    assert "code 18" in words(page)


def test_rows_of_unequal_length() -> None:
    stack = RNG.random((6, 4, 4))
    stack[5] = np.nan
    page = image_rows(stack, ["cluster 0\n3 images", "cluster 1\n2 images"], "Clusters")
    assert len(boxes(page)) == 5
    with pytest.raises(DataError, match="do not make 4 rows"):
        image_rows(stack, list("abcd"), "x")


def test_errors_beside_those_of_pca() -> None:
    page = error_panels(np.append(RNG.random(100), np.nan), {"PCA, mean": 0.25, "mean image": 3.5})
    said = words(page)
    assert "PCA, mean 0.250" in said
    assert "mean image 3.50" in said
    assert "this network, mean" in said
    with pytest.raises(DataError, match="finite"):
        error_panels(np.array([np.nan]))


def test_errors_of_many_images_are_dots_with_their_median() -> None:
    errors = np.concatenate([np.full(3000, 2.0), np.full(3000, 5.0)])
    errors[100], errors[200] = 40, np.nan  # neither moves a median
    dots, median = error_panels(errors).axes[0].lines[:2]
    np.testing.assert_array_equal(dots.get_ydata(), errors)
    assert set(np.asarray(median.get_ydata()).tolist()) == {2.0, 5.0}
    few = error_panels(errors[:50]).axes[0].lines[0]
    assert few.get_linestyle() == "-"


def test_the_legend_of_errors_hides_no_bar() -> None:
    page = error_panels(RNG.random(150), {"PCA, mean": 0.6, "mean image": 0.9})
    page.draw_without_rendering()
    right = page.axes[1]
    tallest = max(bar.get_window_extent().y1 for bar in right.patches)
    assert tallest < right.get_legend().get_window_extent().y0


@pytest.mark.parametrize(("mean", "drawn"), [(0.8, True), (3.5, False)])
def test_a_line_far_beyond_all_errors_is_named_and_not_drawn(mean: float, drawn: bool) -> None:
    page = error_panels(np.linspace(0.1, 0.6, 50), {"mean image": mean})
    assert ("beyond the frame" in words(page)) != drawn
    assert (page.axes[1].get_xlim()[1] > mean) == drawn
    assert page.axes[0].get_ylim()[1] < 1


def test_frames_of_one_view_are_drawn_as_differences_from_their_mean() -> None:
    view = RNG.random((8, 8))
    frames = view + 0.05 * RNG.normal(size=(20, 8, 8))
    (first, second), (low, high), note = apart(frames, frames / 2)
    np.testing.assert_allclose(first, frames - frames.mean(axis=0))
    np.testing.assert_allclose(second, frames / 2 - frames.mean(axis=0))
    assert low == -high
    assert 0.1 < high < 0.3
    for page in (
        reconstructions(frames, frames),
        thumbnails(POINTS, np.arange(20), frames),
        image_rows(frames, ["a"], "t"),
    ):
        assert note in words(page)
    assert "mean of these 20: 0" in words(reconstructions(frames, frames))


@pytest.mark.parametrize(
    "stack",
    [RNG.random((9, 8, 8)), np.ones((9, 8, 8)), np.zeros((9, 8, 8)), RNG.random((1, 8, 8)), np.full((3, 8, 8), np.nan),
     np.sin(np.arange(48)) + 0.01 * RNG.random((9, 48))],
    ids=["different", "equal", "zero", "one", "no numbers", "curves"],
)  # fmt: skip
def test_other_images_are_drawn_as_they_are(stack: np.ndarray) -> None:
    (same,), _, note = apart(stack)
    np.testing.assert_array_equal(same, stack)
    assert note == ""


def test_worst_images_have_their_numbers() -> None:
    images = RNG.random((3, 5, 5))
    said = words(reconstructions(images, images, names=["17", "4", "2040"]))
    assert "2040: 0" in said
    assert "below each pair: its name: ½·squared error" in said


def shown(page: object) -> list[tuple[int, ...]]:
    return [image.get_array().shape for image in page.findobj(AxesImage)]  # type: ignore[attr-defined]


def test_colour_images_are_in_colour_layer_by_layer() -> None:
    blobs = [("data", RNG.random((3, 8, 8))), ("conv1", RNG.random((3, 8, 8))), ("restored", RNG.random(192))]
    images = {"data": (3, 8, 8), "restored": (3, 8, 8)}
    first, maps, last = shown(layer_panels(blobs, images=images))
    assert first == last == (8, 8, 3)
    assert len(maps) == 2  # three maps side by side are no colours
    assert all(len(shape) == 2 for shape in shown(layer_panels(blobs)))
    grey = layer_panels([("data", RNG.random((1, 8, 8)))], images={"data": (1, 8, 8)})
    assert len(shown(grey)[0]) == 2


def test_a_label_is_a_class_and_no_digit() -> None:
    assert "class 2 ·" in words(layer_panels([("data", np.zeros((4, 4)))], 2))
    assert "speed 2.5 ·" in words(layer_panels([("data", np.zeros((4, 4)))], 2.5, named="speed"))


def test_the_curves_have_the_line_of_pca() -> None:
    metrics = [{"iteration": step, "kind": "train", "outputs": {"l2": 20.0 - step, "ce": 5.0}} for step in range(10)]
    page = loss_curves(metrics, lines={"PCA, N = 4": {"l2": 4.5}})
    said = [
        "PCA, N = 4: 4.50" in str([text.get_text() for text in axes.get_legend().get_texts()]) for axes in page.axes
    ]
    assert said == [True, False]
    axes = page.axes[0]
    assert axes.get_ylim()[0] < 4.5  # it is in the frame


@pytest.mark.parametrize(
    ("shape", "note", "box"),
    [((2, 40, 20), "2 channels, side by side", (40, 41)), ((2, 20, 40), "2 channels, one below the other", (41, 40)),
     ((4, 27, 27), "4 channels, row by row", (55, 55)), ((3, 9, 9), "", (9, 9))],
)  # fmt: skip
def test_where_channels_stand_is_told_as_it_is(shape: tuple[int, ...], note: str, box: tuple[int, int]) -> None:
    samples = Samples(RNG.random((5, *shape)))
    assert (samples.note, samples.picture(0).shape[:2]) == (note, box)
