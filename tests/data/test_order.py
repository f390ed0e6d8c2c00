"""What comes in order is seen, and is held out in stretches."""

from __future__ import annotations

import numpy as np
import pytest

from deepcae.data.heldout import END, MIDDLE, STRETCHES, at_random, stretches
from deepcae.data.order import BYTES, LEAST, PIXELS, likeness

RNG = np.random.default_rng(0)
NOISE = RNG.random((200, 8, 8))
DRIFT = NOISE + 5 * np.cumsum(RNG.standard_normal((200, 8, 8)), axis=0) / 15  # as frames of a recording
CLASSES = NOISE + np.repeat(RNG.random((4, 8, 8)), 50, axis=0)
OF_CLASSES = [range(start, start + 50) for start in range(0, 200, 50)]


def ordered(images: np.ndarray, lines: list[range] | None = None) -> bool | None:
    read: list[int] = []

    def image(number: int) -> np.ndarray:
        read.append(number)
        return np.asarray(images[number])

    found = likeness(image, lines or [range(len(images))], 4 * images[0].size)
    assert read == sorted(set(read))  # what is packed is unpacked once
    return None if found is None else found.in_order


@pytest.mark.parametrize(
    ("images", "lines", "expected"),
    [
        (NOISE, None, False),
        (DRIFT, None, True),
        (DRIFT[:12], None, True),
        (RNG.permutation(DRIFT), None, False),
        (CLASSES, None, True),  # sorted by class, which nobody tells
        (CLASSES, OF_CLASSES, False),
        (RNG.permutation(CLASSES), None, False),
        (CLASSES + DRIFT, OF_CLASSES, True),  # a movie of each class
        (np.concatenate([NOISE[:100], NOISE[100:] + 1]), [range(100), range(100, 200)], False),  # files that differ
        (DRIFT[:9], None, None),  # too few
        (DRIFT[:60], [range(start, start + 3) for start in range(0, 60, 3)], None),  # files of three
        (np.zeros((200, 8, 8)), None, None),
        (np.where(NOISE > 0.5, np.nan, DRIFT), None, None),
    ],
)
def test_what_comes_in_order_is_seen(images: np.ndarray, lines: list[range] | None, expected: bool | None) -> None:
    assert ordered(images, lines) is expected


def test_images_of_a_line_may_lie_apart() -> None:
    """Two recordings whose frames take turns."""
    both = np.stack([DRIFT[:100], DRIFT[199:99:-1]], axis=1).reshape(200, 8, 8)
    assert ordered(both, [range(0, 200, 2), range(1, 200, 2)])


def test_of_large_images_few_are_read_and_some_pixels_compared() -> None:
    read = []

    def image(number: int) -> np.ndarray:
        read.append(number)
        return np.full((PIXELS, 8), float(number))

    found = likeness(image, [range(1000)], BYTES)
    assert found is not None
    assert found.in_order
    assert len(read) <= 3 * LEAST
    assert found.near == pytest.approx(1 / 500)


@pytest.mark.parametrize("place", [END, MIDDLE])
@pytest.mark.parametrize(("total", "count"), [(200, 40), (200, 198), (203, 7), (41, 12), (9, 3), (2, 1), (7, 6)])
def test_stretches_lie_in_each_fifth(total: int, count: int, place: float) -> None:
    found = stretches(total, count, place)
    number = min(STRETCHES, count)
    assert set(found.tolist()) == {-1, *range(number)}
    assert count - STRETCHES <= (found >= 0).sum() <= count
    for stretch in range(number):
        rows = np.flatnonzero(found == stretch)
        assert (np.diff(rows) == 1).all()
        begin, end = round(total * stretch / number), round(total * (stretch + 1) / number)
        assert begin <= rows[0]
        assert rows[-1] == end - 1 if place == END else rows[-1] + rows[0] == pytest.approx(begin + end - 1, abs=1)


def test_random_ones_are_those_of_the_seed() -> None:
    assert at_random(100, 15, 1).sum() == 15
    np.testing.assert_array_equal(at_random(100, 15, 1), at_random(100, 15, 1))
    assert (at_random(100, 15, 1) != at_random(100, 15, 2)).any()
