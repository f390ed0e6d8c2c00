"""Which images a fit holds out: stretches of what comes in order, any of what does not."""

from __future__ import annotations

import numpy as np
import pytest

from deepcae import ConvAutoencoder
from deepcae.data.axes import axes_of, oriented
from deepcae.data.kept import StoredRows
from deepcae.estimator.given import opened
from deepcae.estimator.heldout import STRETCHES, Parts, in_order, parts_of
from deepcae.estimator.rows import all_rows

RNG = np.random.default_rng(0)
NOISE = RNG.random((200, 8, 8))
DRIFT = NOISE + 5 * np.cumsum(RNG.standard_normal((200, 8, 8)), axis=0) / 15  # as frames of a recording
CLASSES = NOISE + np.repeat(RNG.random((4, 8, 8)), 50, axis=0)


def rows_of(images: np.ndarray) -> StoredRows:
    given = opened(images, "X")
    return all_rows(oriented(given, axes_of(given.shape)))


@pytest.mark.parametrize(
    ("images", "ordered"),
    [
        (NOISE, False),
        (DRIFT, True),
        (RNG.permutation(DRIFT), False),
        (CLASSES, True),
        (RNG.permutation(CLASSES), False),
        (np.zeros((200, 8, 8)), False),
        (DRIFT[:12], False),  # too few to tell
    ],
)
def test_what_comes_in_order_is_seen(images: np.ndarray, ordered: bool) -> None:
    assert in_order(rows_of(images)) == ordered
    found = parts_of(rows_of(images), 5, 0)
    assert (found.stretch is not None) == ordered
    assert sorted([*found.training, *found.held_out]) == list(range(len(images)))
    assert len(found.held_out) == 5


@pytest.mark.parametrize("count", [5, 7, 40, 123, 198])
def test_stretches_end_each_fifth(count: int) -> None:
    found = parts_of(rows_of(DRIFT), count, 0)
    assert found.stretch is not None
    assert len(found.held_out) == pytest.approx(count, abs=STRETCHES)
    assert not set(found.training) & set(found.held_out)
    for number in range(STRETCHES):
        rows = found.held_out[found.stretch == number]
        assert rows[-1] == 40 * number + 39
        assert (np.diff(rows) == 1).all()
        assert number in found.stretch


def test_errors_of_a_stretch_are_one() -> None:
    errors = np.array([1.0, 3.0, 10.0])
    assert Parts(np.arange(9), np.arange(3)).means(errors) is errors
    np.testing.assert_array_equal(Parts(np.arange(9), np.arange(3), np.array([0, 0, 1])).means(errors), [2, 10])


def test_a_fit_tells_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    ConvAutoencoder(2, max_iter=1, random_state=0, verbose=True).fit(DRIFT)
    told = capsys.readouterr().out
    assert "neighbouring images resemble each other" in told
    assert "kept: PCA" in told
    ConvAutoencoder(2, max_iter=1, random_state=0, verbose=True).fit(NOISE)
    assert "neighbouring" not in capsys.readouterr().out
