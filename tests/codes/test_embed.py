"""Maps of codes: the right shape, the same for the same seed, and neighbours stay neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from deepcae.codes import classes_separated, pca, tsne
from deepcae.errors import DataError

RNG = np.random.default_rng(5)


def test_pca_finds_the_long_direction_and_keeps_distances() -> None:
    line = np.outer(RNG.normal(size=200), [3.0, 4.0, 0.0]) + RNG.normal(scale=0.01, size=(200, 3))
    map2d = pca(line)
    assert map2d.shape == (200, 2)
    assert map2d[:, 0].std() > 100 * map2d[:, 1].std()
    full = pca(line, 3)
    np.testing.assert_allclose(np.linalg.norm(full[0] - full[1]), np.linalg.norm(line[0] - line[1]))


@pytest.mark.parametrize("seed", range(6))
def test_pca_points_along_the_code_that_varies_most(seed: int) -> None:
    rng = np.random.default_rng(seed)
    direction = rng.normal(size=4)
    line = np.outer(rng.normal(size=50), direction)
    largest = np.abs(direction).argmax()
    assert np.corrcoef(pca(line)[:, 0], line[:, largest])[0, 1] == pytest.approx(1)


def test_tsne_repeats_itself_and_keeps_clusters_apart() -> None:
    codes = np.concatenate([RNG.normal(centre, 1, size=(40, 10)) for centre in (0, 9, -9)])
    labels = np.repeat([0, 1, 2], 40)
    first, other, again = tsne(codes, seed=1), tsne(codes, seed=2), tsne(codes, seed=1)
    assert first.shape == (120, 2)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert classes_separated(first, labels).count == 3


def test_the_map_that_was_made_last_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = RNG.normal(size=(20, 4))
    first = tsne(codes)
    kept = first.copy()
    first[:] = 0  # whoever got it may change it
    monkeypatch.setattr("openTSNE.TSNE.fit", lambda *_: np.ones((20, 2)))
    np.testing.assert_array_equal(tsne(codes.copy()), kept)
    for other in (tsne(codes, perplexity=2), tsne(codes, seed=1), tsne(codes[::-1])):
        assert (other == 1).all()


@pytest.mark.parametrize("count", [5, 8, 20])
def test_few_codes_lower_the_perplexity(count: int, caplog: pytest.LogCaptureFixture) -> None:
    assert np.isfinite(tsne(RNG.normal(size=(count, 4)))).all()
    assert caplog.records == []  # openTSNE has nothing to complain of


def test_codes_of_one_number_and_of_one_value_are_laid_out() -> None:
    assert tsne(RNG.normal(size=(30, 1))).shape == (30, 2)
    assert np.isfinite(tsne(np.zeros((30, 3)))).all()


def test_refusals() -> None:
    with pytest.raises(DataError, match="4 codes; at least 5"):
        tsne(np.zeros((4, 3)))
    with pytest.raises(DataError, match="perplexity is 0"):
        tsne(np.zeros((9, 3)), perplexity=0)
    with pytest.raises(DataError, match="code 1 holds a value that is not finite"):
        tsne(np.array([[0.0, 1], [np.inf, 0]] * 5))
    with pytest.raises(DataError, match="3 dimensions asked of codes with 2"):
        pca(np.zeros((9, 2)), 3)
