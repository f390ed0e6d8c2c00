"""Which axis is what: told from the shape alone where that is plain, by `image_shape` where not, and never guessed."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from deepcae.data.axes import Axes, axes_of, channels_first, oriented
from deepcae.data.stored import Given
from deepcae.errors import DataError

PLAIN = {
    (50, 28, 28): ((1, 28, 28), "hw"),
    (50, 100, 75): ((1, 100, 75), "hw"),
    (3, 480, 640): ((1, 480, 640), "hw"),
    (50, 1, 28, 28): ((1, 28, 28), "chw"),
    (50, 28, 28, 1): ((1, 28, 28), "hwc"),
    (50, 3, 32, 32): ((3, 32, 32), "chw"),
    (50, 32, 32, 3): ((3, 32, 32), "hwc"),
    (50, 2, 33, 47): ((2, 33, 47), "chw"),
    (50, 33, 47, 2): ((2, 33, 47), "hwc"),
    (50, 120, 80, 4): ((4, 120, 80), "hwc"),
    (50, 16, 64, 64): ((16, 64, 64), "chw"),
    (50, 64, 7, 7): ((64, 7, 7), "chw"),
    (50, 4, 4, 1): ((1, 4, 4), "hwc"),
    (50, 784): ((784,), "flat"),
    (50, 1): ((1,), "flat"),
    (1, 5, 3): ((1, 5, 3), "hw"),
}


@pytest.mark.parametrize("shape", PLAIN, ids=str)
def test_a_plain_shape_has_one_reading(shape: tuple[int, ...]) -> None:
    found = axes_of(shape)
    assert (found.image, found.order) == PLAIN[shape]


@pytest.mark.parametrize("shape", PLAIN, ids=str)
def test_what_is_read_is_laid_back(shape: tuple[int, ...]) -> None:
    axes, rows = axes_of(shape), np.arange(2 * np.prod(shape[1:])).reshape(2, *shape[1:])
    read = axes.as_read(rows)
    assert read.shape == (2, *axes.image)
    np.testing.assert_array_equal(axes.as_given(read), rows)
    assert Axes.from_json(json.loads(json.dumps(axes.to_json()))) == axes


def test_channels_are_moved_and_not_just_renamed() -> None:
    rows = np.random.default_rng(1).random((4, 9, 11, 3))
    np.testing.assert_array_equal(axes_of(rows.shape).as_read(rows)[2, 1], rows[2, :, :, 1])


@pytest.mark.parametrize("shape", [(50, 3, 3, 3), (50, 7, 7, 64), (50, 64, 64, 16), (50, 2, 9, 3)], ids=str)
def test_two_readings_are_both_told_and_image_shape_decides(shape: tuple[int, ...]) -> None:
    _, a, b, c = shape
    if shape == (50, 2, 9, 3):
        assert axes_of(shape).order == "chw"  # 3 channels of 2x9 are no picture
        return
    with pytest.raises(DataError) as caught:
        axes_of(shape, what="frames")
    message = str(caught.value)
    both = (f"{a} channels of {b}x{c}", f"{a}x{b} with {c} channels last", f"{(a, b, c)}", f"{(c, a, b)}")
    for part in both if a != c else ("cannot be told", f"{(a, b, c)}", "numpy.moveaxis(frames, -1, 1)"):
        assert part in message
    assert axes_of(shape, (a, b, c)).order == "chw"
    if a != c:
        found = axes_of(shape, (c, a, b))
        assert (found.order, found.image) == ("hwc", (c, a, b))


def test_one_picture_is_not_taken_for_a_stack_of_narrow_ones() -> None:
    with pytest.raises(DataError, match=r"one picture \(h, w, c\), or 480 grey images of 640x3\? Give X\[None\]"):
        axes_of((480, 640, 3))
    assert axes_of((480, 640, 3), (640, 3)).image == (1, 640, 3)


@pytest.mark.parametrize(
    ("shape", "image_shape", "image", "order"),
    [
        ((9, 784), (28, 28), (1, 28, 28), "hw"),
        ((9, 3072), (3, 32, 32), (3, 32, 32), "chw"),
        ((9, 3072), (32, 32, 3), (3, 32, 32), "hwc"),
        ((9, 32, 32, 3), (3, 32, 32), (3, 32, 32), "hwc"),
        ((9, 3, 32, 32), (32, 32, 3), (3, 32, 32), "chw"),
        ((9, 28, 28), (1, 28, 28), (1, 28, 28), "hw"),
        ((9, 28, 28, 1), (28, 28), (1, 28, 28), "hwc"),
        ((9, 5, 3), [5, 3], (1, 5, 3), "hw"),
    ],
    ids=str,
)
def test_image_shape_is_kept_to(
    shape: tuple[int, ...], image_shape: tuple[int, ...], image: tuple[int, ...], order: str
) -> None:
    found = axes_of(shape, image_shape)
    assert (found.image, found.order, found.given) == (image, order, shape[1:])


def test_flat_rows_of_pixels_are_sorted_by_channel() -> None:
    pictures = np.random.default_rng(2).random((3, 9, 12, 3))
    axes = axes_of((3, 324), (9, 12, 3))
    np.testing.assert_array_equal(axes.as_read(pictures.reshape(3, -1)), np.moveaxis(pictures, -1, 1))
    np.testing.assert_array_equal(axes.as_given(np.moveaxis(pictures, -1, 1)), pictures.reshape(3, -1))


@pytest.mark.parametrize(
    ("shape", "image_shape", "message"),
    [
        ((9,), None, "needs rows"),
        ((9, 0), None, "hold nothing"),
        ((9, 2, 3, 4, 5), None, "5 axes"),
        ((9, 784), (28, 29), "784 values, but image_shape is (28, 29), 812 values"),
        ((9, 47, 33), (33, 47), "height and width are swapped"),
        ((9, 28), (28,), "must be (height, width) or (channels, height, width)"),
        ((9, 28), 28, "must be (height, width)"),
        ((9, 28), (0, 28), "must be (height, width)"),
        ((9, 28), (2.5, 28), "must be (height, width)"),
        ((9, 28), ("a", "b"), "must be (height, width)"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_told(shape: tuple[int, ...], image_shape: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        axes_of(shape, image_shape)  # type: ignore[arg-type]
    assert message in str(caught.value)


class Sliced:
    """An array of which no more may be read than is asked for."""

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.shape, self.dtype, self.most = array, array.shape, array.dtype, 0

    def __getitem__(self, rows: slice) -> np.ndarray:
        self.most = max(self.most, len(self.array[rows]))
        return self.array[rows]


@pytest.mark.parametrize("shape", [(40, 9, 10, 3), (40, 9, 10), (40, 3, 9, 10), (40, 90)], ids=str)
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_rows_are_laid_right_while_they_are_read(shape: tuple[int, ...], dtype: type) -> None:
    array = np.random.default_rng(3).integers(0, 200, shape).astype(dtype)
    axes, slow = axes_of(shape, (9, 10) if len(shape) == 2 else None), Sliced(array)
    whole = axes.as_read(array)
    for given in (Given(array, "X"), Given(slow, "X")):
        found = oriented(given, axes)
        assert found.shape == whole.shape
        np.testing.assert_array_equal(found.read(3, 7), whole[3:7])
        np.testing.assert_array_equal(found.pick(np.array([5, 1, 5])), whole[[5, 1, 5]])
        target = np.empty((6, *axes.image), np.float32)
        found.into(2, target)
        np.testing.assert_array_equal(target, whole[2:8])
    assert slow.most <= 6


def test_an_array_that_is_ready_is_not_copied() -> None:
    array = np.zeros((5, 8, 9), np.float32)
    found = oriented(Given(array, "X"), axes_of(array.shape))
    assert isinstance(found, Given)
    assert np.shares_memory(found.held, array)


def test_rows_of_another_shape_are_refused() -> None:
    with pytest.raises(DataError, match=r"rows of shape \(8, 9\), but \(9, 8\) are expected"):
        oriented(Given(np.zeros((5, 8, 9)), "X"), axes_of((5, 9, 8)))


@pytest.mark.parametrize(
    ("row", "image", "cropped", "becomes"),
    [
        ((5, 4, 3), (3, 5, 4), False, (3, 5, 4)),
        ((5, 4, 1), (1, 5, 4), False, (1, 5, 4)),
        ((4, 5, 3), (3, 5, 4), False, (4, 5, 3)),  # swapped: not for us to decide
        ((3, 3, 3), (3, 3, 3), False, (3, 3, 3)),  # as the net reads it
        ((7, 8, 3), (3, 5, 4), False, (7, 8, 3)),
        ((7, 8, 3), (3, 5, 4), True, (3, 7, 8)),
        ((3, 8, 3), (3, 5, 5), True, (3, 8, 3)),
        ((20,), (1, 5, 4), False, (20,)),
    ],
)
def test_channels_come_first_where_the_net_reads_such_images(
    row: tuple[int, ...], image: tuple[int, ...], cropped: bool, becomes: tuple[int, ...]
) -> None:
    values = np.arange(2 * math.prod(row)).reshape(2, *row)
    laid = channels_first(Given(values, "x"), image, cropped)
    assert laid.shape == (2, *becomes)
    expected = values if becomes == row else np.moveaxis(values, -1, 1)
    np.testing.assert_array_equal(laid.read(0, 2), expected)


@pytest.mark.parametrize(
    ("row", "image", "words"),
    [
        ((20, 28), (1, 28, 28), "images of 20x28 are given; crop, pad or resize them to 28x28"),
        ((1, 20, 28), (1, 28, 28), "images of 20x28 are given; crop"),
        ((3, 32, 30), (3, 32, 32), "images of 32x30 are given; crop"),
        ((32, 30, 3), (3, 32, 32), "images of 32x30 are given; crop"),
        ((28, 28), (3, 28, 28), "images of 1 channel are given, 3 are read"),
        ((3, 28, 28), (1, 28, 28), "images of 3 channels are given, 1 is read"),
        ((28, 32), (1, 32, 28), "height and width are swapped"),
        ((3, 28, 32), (3, 32, 28), "height and width are swapped"),
    ],
)
def test_images_of_another_size_are_told_as_such(row: tuple[int, ...], image: tuple[int, ...], words: str) -> None:
    """A transform of images of another height spoke of the axis of channels."""
    with pytest.raises(DataError, match=words):
        axes_of((10, *row), image)
