"""Images that are drawn small are held small; what they say of an image's error is of the whole one."""

from __future__ import annotations

import numpy as np
import pytest
from tests.viz.sheets import boxes
from tests.viz.test_pictures import words

from deepcae.viz import gallery, image_rows, reconstructions, thumbnails, unusual_images
from deepcae.viz.reduced import means, reduced, reduced_to, size_note
from deepcae.viz.samples import signal

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_pixel_is_the_mean_of_those_that_it_covers(factor: int) -> None:
    stack = RNG.random((3, 2, 4 * factor, 8 * factor))
    small = reduced(stack, 8)
    assert small.shape == (3, 2, 5, 8), "never so low as to look like a signal"
    np.testing.assert_allclose(small.mean(axis=(2, 3)), stack.mean(axis=(2, 3)), rtol=1e-5)
    square = RNG.random((3, 8 * factor, 8 * factor))
    wanted = square.reshape(3, 8, factor, 8, factor).mean(axis=(2, 4))
    np.testing.assert_allclose(reduced(square, 8), wanted, rtol=1e-5)


@pytest.mark.parametrize("given", [7, 10, 33])
def test_parts_of_pixels_count_by_their_share(given: int) -> None:
    matrix = means(given, 5)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    np.testing.assert_allclose(matrix.sum(axis=0), 5 / given)


@pytest.mark.parametrize(
    ("shape", "small"),
    [
        ((28, 28), (28, 28)), ((1, 512, 512), (1, 200, 200)), ((3, 100, 400), (3, 50, 200)),
        ((9, 5, 300, 100), (9, 5, 200, 67)), ((1000,), (1000,)), ((1, 1, 5000), (1, 1, 5000)),
        ((1, 20, 2000), (1, 5, 200)), ((), ()),
    ],
)  # fmt: skip
def test_signals_stay_and_images_stay_images(shape: tuple[int, ...], small: tuple[int, ...]) -> None:
    assert reduced_to(shape) == small
    assert signal(shape) is None if len(small) > 1 and small != shape else True
    assert (signal(small) is None) == (signal(shape) is None) or not shape
    stack = np.zeros((2, *shape))
    assert reduced(stack).shape == (2, *small)
    assert (reduced(stack) is stack) == (small == shape)


def test_what_is_missing_stays_missing() -> None:
    stack = np.ones((2, 300, 300))
    stack[1] = np.nan
    assert np.isfinite(reduced(stack)[0]).all()
    assert np.isnan(reduced(stack)[1]).all()


def test_pictures_say_that_they_are_of_fewer_pixels_and_errors_are_of_all() -> None:
    checkered = np.indices((400, 400)).sum(axis=0)[None, None] % 2 * 1.0  # of which nothing is left in the means
    pages = [
        reconstructions(checkered, 1 - checkered),
        gallery(checkered.repeat(2, axis=0)),
        image_rows(checkered, ["row"], "title"),
        unusual_images(checkered, checkered, ["a"]),
    ]
    for page in pages:
        assert all(max(image.get_array().shape) == 200 for image in page.axes[0].images)
    assert "80000" in words(pages[0])
    assert sum("drawn in 200x200 of 400x400 pixels" in words(page) for page in pages) == 3
    assert "drawn in" not in words(reconstructions(checkered[..., :100, :100], checkered[..., :100, :100]))


def test_images_that_were_reduced_before_are_told_of_too() -> None:
    points = RNG.random((30, 2))
    page = thumbnails(points, np.arange(30), RNG.random((30, 1, 128, 128)), given=(1, 512, 512))
    assert "drawn in 128x128 of 512x512 pixels" in words(page)
    assert len(boxes(page)) == 30
    assert size_note((1, 9, 9), (1, 9, 9)) == ""
