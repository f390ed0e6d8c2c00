"""Which images a fit holds out, and how it scales them: as the command line does with the same array."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae import ConvAutoencoder
from deepcae.data.axes import axes_of, oriented
from deepcae.data.heldout import STRETCHES
from deepcae.data.kept import StoredRows
from deepcae.estimator.given import opened
from deepcae.estimator.heldout import Parts, in_order, parts_of
from deepcae.estimator.rows import all_rows
from deepcae.prepare import Options, prepare
from deepcae.zoo import streams

RNG = np.random.default_rng(0)
NOISE = RNG.random((200, 8, 8))
DRIFT = NOISE + 5 * np.cumsum(RNG.standard_normal((200, 8, 8)), axis=0) / 15  # as frames of a recording


def rows_of(images: np.ndarray) -> StoredRows:
    given = opened(images, "X")
    return all_rows(oriented(given, axes_of(given.shape)))


@pytest.mark.parametrize("images", [NOISE, DRIFT, DRIFT.astype(np.float32), DRIFT[:, :, 0], RNG.permutation(DRIFT)])
@pytest.mark.parametrize("seed", [0, 7])
def test_fit_and_the_estimator_hold_out_the_same_images(images: np.ndarray, seed: int, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", images)
    made = prepare(tmp_path / "x.npy", tmp_path / "out", Options(seed=seed, held_out=0.15))
    with h5py.File(made.folder / "test.h5") as file:
        expected = file["origin/row"][()]
    found = parts_of(rows_of(images), 30, seed)
    np.testing.assert_array_equal(found.held_out, expected)
    assert (made.understood.split["kind"] == "blocks") == (found.stretch is not None)


@pytest.mark.parametrize("seed", [0, 7])
def test_all_doors_scale_alike(seed: int, tmp_path: Path) -> None:
    """More images than are looked at, of which a few are bright."""
    images = (200 + 50 * RNG.standard_normal((2500, 5, 5)) + 3000 * (RNG.random((2500, 1, 1)) < 0.001)).astype(
        np.uint16
    )
    np.save(tmp_path / "x.npy", images)
    made = prepare(tmp_path / "x.npy", tmp_path / "out", Options(seed=seed, held_out=0.1))
    expected = made.understood.scaling
    fitted = ConvAutoencoder(2, max_iter=1, random_state=seed, solver="max_iter: 1").fit(images)
    assert (fitted.scaling_.offset, fitted.scaling_.scale) == (expected.offset, expected.scale)
    rows = streams.opened(made.train, "data")
    assert rows is not None
    found = streams.scaling_of(rows, seed)
    assert (found.offset, found.scale) == (expected.offset, expected.scale)
    assert found.scale != streams.scaling_of(rows, seed + 1).scale


def test_a_number_as_random_state_is_the_seed() -> None:
    fitted = ConvAutoencoder(2, max_iter=1, random_state=7).fit(NOISE[:30])
    assert fitted._seed_ == 7
    drawn = ConvAutoencoder(2, max_iter=1, random_state=np.random.RandomState(7)).fit(NOISE[:30])
    assert drawn._seed_ != 7


@pytest.mark.parametrize(("images", "ordered"), [(NOISE, False), (DRIFT, True), (DRIFT[:9], False)])
@pytest.mark.parametrize("count", [3, 5])
def test_parts_are_all_images_once(images: np.ndarray, ordered: bool, count: int) -> None:
    assert in_order(rows_of(images)) == ordered
    found = parts_of(rows_of(images), count, 0)
    assert sorted([*found.training, *found.held_out]) == list(range(len(images)))
    assert len(found.held_out) == count
    assert (found.stretch is not None) == ordered
    if found.stretch is not None:
        assert sorted(set(found.stretch)) == list(range(min(count, STRETCHES)))


def test_nothing_is_held_out_where_nothing_shall_be() -> None:
    assert not len(parts_of(rows_of(DRIFT), 0, 0).held_out)


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
