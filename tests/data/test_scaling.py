"""Scaling: 12 bits in 16 do not become black, outliers do not decide, and text, numbers and inverse agree."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from deepcae.data.scaling import BYTES, IMAGES, LEAST, VALUES, Scaling, learn, learned_from, sample
from deepcae.data.stored import Given, Stored
from deepcae.data.transform import make_transform
from deepcae.errors import DataError
from deepcae.proto.schema import TRAIN, LayerParameter

RANDOM = np.random.default_rng(7)


def given(array: np.ndarray) -> Stored:
    return Given(array, "X")


def test_8_bits_are_divided_by_255() -> None:
    found = learn(given(RANDOM.integers(0, 256, (20, 8, 8), dtype=np.uint8)))
    assert (found.offset, found.scale) == (0.0, float(np.float32(1 / 255)))


def test_what_lies_within_0_and_1_stays() -> None:
    found = learn(given(RANDOM.random((20, 8, 8))))
    assert (found.offset, found.scale, found.text) == (0.0, 1.0, "")
    assert learn(given(np.eye(8) > 0)).text == ""


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.integers(0, 4096, (50, 20, 20)).astype(np.uint16),
        RANDOM.integers(300, 900, (50, 20, 20)).astype(np.uint16),
        RANDOM.integers(-2000, 2000, (50, 20, 20)).astype(np.int16),
        RANDOM.integers(0, 6, (50, 20, 20)).astype(np.uint8),
        RANDOM.normal(-65, 8, (50, 20, 20)),
        RANDOM.random((50, 20, 20)) / 16,  # 12 bits of 16, divided by 65535
        RANDOM.random((50, 20, 20)) * 1e-9,
        RANDOM.random((50, 20, 20)) * 1e9,
        np.where(RANDOM.random((50, 20, 20)) < 5e-4, 700.0, 3.0),  # few spots on a ground of one value
    ],
    ids=["12 bits", "a part", "signed", "photons", "millivolts", "dim", "tiny", "large", "spots"],
)
def test_all_others_fill_0_to_1(values: np.ndarray) -> None:
    found = learn(given(values))
    low, high = np.percentile(found.shown(values), [0.1, 99.9])
    shown = found.shown(values)
    assert -0.02 < low < 0.02
    assert 0.98 < (high if high > 0.1 else shown.max()) < 1.02
    np.testing.assert_allclose(found.undone(shown), values, rtol=1e-5, atol=1e-5 * np.ptp(values))


def test_hot_pixels_do_not_decide_and_are_told_and_not_clipped() -> None:
    values = RANDOM.integers(100, 500, (200, 10, 10)).astype(np.uint16)
    values[::40, 3, 3] = 65535
    found = learn(given(values))
    shown = found.shown(values)
    assert np.percentile(shown, 99) > 0.9
    assert shown.max() > 100
    assert "the farthest become" in found.why
    np.testing.assert_allclose(found.beyond, shown.max() - 1, rtol=1e-4)


def test_one_value_among_few_decides_nothing() -> None:
    values = RANDOM.random((10, 9, 9)) * 3
    values[4, 4, 4] = 1e5
    assert 0.9 < np.delete(learn(given(values)).shown(values).ravel(), 4 * 81 + 40).max() < 1.1


def test_the_text_gives_the_same_numbers_bit_by_bit() -> None:
    values = RANDOM.normal(317, 40, (30, 1, 6, 6)).astype(np.float32)
    found = learn(given(values))
    layer = LayerParameter()
    from google.protobuf import text_format

    text_format.Parse(found.text, layer)
    apply = make_transform(layer.transform_param, (1, 6, 6), TRAIN, (), 0)
    assert apply is not None
    np.testing.assert_array_equal(apply(values, 0), found.shown(values))


def test_constant_values_are_told() -> None:
    for value in (0.5, 0, 700):
        found = learn(given(np.full((9, 5), value)))
        assert found.constant
        assert (found.shown(np.full(3, value)) == 0).all()
    assert learned_from(np.array([0.3, 0.1 + 0.2]), np.float64).constant  # but for rounding


@pytest.mark.parametrize("values", [[1e9, 1e9 + 1e-3], [1e-40, 2e-40], np.array([2**60, 2**60 + 9])], ids=str)
def test_values_that_float32_cannot_tell_apart_are_no_constant(values: Any) -> None:
    with pytest.raises(DataError, match="differ by less than float32 tells apart; take off their mean, or multiply"):
        learned_from(np.asarray(values), np.asarray(values).dtype)


@pytest.mark.parametrize(("value", "kind"), [(np.nan, "NaN"), (np.inf, "infinity"), (1e300, "too large for float32")])
def test_what_is_no_number_is_told_with_its_row(value: float, kind: str) -> None:
    values = np.ones((30, 4))
    values[17, 2] = value
    with pytest.raises(DataError, match=f"X: row 17 contains .*{kind}"):
        learn(given(values))


def test_only_the_rows_asked_for_are_looked_at() -> None:
    values = np.concatenate([np.full((10, 4), np.nan), RANDOM.normal(50, 9, (10, 4))])
    assert 10 < learn(given(values), range(10, 20)).offset < 50


class Counted(Stored):
    def __init__(self, rows: int) -> None:
        super().__init__("X", (rows, 16), np.dtype(np.uint16))
        self.seen: list[int] = []

    def read(self, start: int, stop: int) -> np.ndarray:
        self.seen.extend(range(start, stop))
        return np.arange(16 * start, 16 * stop, dtype=np.uint16).reshape(-1, 16)


def test_a_sample_is_small_seeded_and_of_the_whole() -> None:
    first, again, other = Counted(4000), Counted(4000), Counted(4000)
    assert learn(first, seed=3) == learn(again, seed=3)
    learn(other, seed=4)
    assert first.seen == again.seen != other.seen
    assert len(first.seen) == IMAGES
    assert min(first.seen) < 100 < 3900 < max(first.seen)


def test_json() -> None:
    found = learn(given(RANDOM.normal(3, 1, (9, 9))))
    assert Scaling.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_what_lies_beyond_is_measured_at_each_end() -> None:
    """A tenth of a percent is what percentiles ask for: of a black ground nothing lies below."""
    values = np.concatenate([np.zeros(3000), np.arange(7000)]).astype(np.uint16)
    assert learned_from(values, np.uint16).why.endswith("0 % of the values lie below, 0.1 % above")
    assert learned_from(-values.astype(np.int16), np.int16).why.endswith("0.1 % of the values lie below, 0 % above")


@pytest.mark.parametrize(
    ("total", "size", "looked_at"),
    [(10, 4, 10), (5000, 4, IMAGES), (5000, BYTES // 400, 100), (5000, BYTES, LEAST), (3, BYTES, 3)],
)
def test_of_large_images_fewer_are_looked_at(total: int, size: int, looked_at: int) -> None:
    read: list[int] = []

    def image(number: int) -> np.ndarray:
        read.append(number)
        return np.full(min(size, 1000), number)

    values = sample(image, total, size, seed=3)
    assert read == sorted(set(read))
    assert len(read) == looked_at
    assert set(values.tolist()) == set(read)


def test_of_large_images_some_values_are_held() -> None:
    image = np.arange(VALUES, dtype=np.float32)
    assert sample(lambda number: image, 5, VALUES).size <= VALUES
    assert sample(lambda number: image[:7], 5, 7).tolist() == image[:7].tolist() * 5
