"""Which weights a fit keeps: PCA of all its images, unless what was learned is surely better."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from deepcae import ConvAutoencoder
from deepcae.estimator import chosen
from deepcae.estimator.chosen import surely_better

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("gain", "kept"),
    [
        (np.full(20, 0.5), True),
        (np.full(20, 0.05), False),  # 0.5 % of 10: not worth it
        (np.zeros(20), False),
        (np.full(20, -0.5), False),
        (0.2 + RNG.standard_normal(50), True),  # 0.2 ± 0.14
        (0.2 + 10 * RNG.standard_normal(50), False),  # chance
        (np.r_[np.full(19, -0.1), 6.0], False),  # one image alone
    ],
)
def test_what_is_surely_better(gain: np.ndarray, kept: bool) -> None:
    before = np.full(len(gain), 10.0)
    assert surely_better(before, before - gain) == kept


def moving(count: int, seed: int) -> np.ndarray:
    """A bump that moves about: PCA needs many numbers for it."""
    y, x = np.random.default_rng(seed).uniform(2, 9, (2, count, 1, 1))
    return np.exp(-((np.arange(12)[:, None] - y) ** 2 + (np.arange(12) - x) ** 2) / 4)


def against_pca(fitted: ConvAutoencoder, images: np.ndarray, others: np.ndarray) -> float:
    """Squared error for `others`, in units of that of scikit-learn's PCA of all `images`."""
    flat = others.reshape(len(others), -1)
    pca = PCA(fitted.n_components, random_state=0).fit(images.reshape(len(images), -1))
    restored = fitted.inverse_transform(fitted.transform(others)).reshape(len(others), -1)
    return float(np.square(flat - restored).sum() / np.square(flat - pca.inverse_transform(pca.transform(flat))).sum())


@pytest.mark.parametrize("kind", ["noise", "chance", "few"])
def test_what_is_not_surely_better_stays_the_pca_of_all_images(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    images, others = moving(200, 1), moving(100, 2)
    if kind == "noise":
        images, others = (np.random.default_rng(each).random((200, 12, 12)) for each in (1, 2))
    elif kind == "few":
        images = images[:12]
    else:
        monkeypatch.setattr(chosen, "SURE", 1e9)
    fitted = ConvAutoencoder(3, random_state=0, max_iter=10).fit(images)
    if kind == "chance":
        assert min(fitted.held_out_losses_, key=lambda test: test[1])[0] > 0, "a better test was there"
    assert fitted.best_iteration_ == 0
    assert against_pca(fitted, images, others) == pytest.approx(1, abs=1e-3)
    assert fitted._fit_.optimizer.iteration == 0


def test_what_is_surely_better_is_kept() -> None:
    fitted = ConvAutoencoder(3, random_state=0, max_iter=30).fit(moving(200, 1))
    assert fitted.best_iteration_ == min(fitted.held_out_losses_, key=lambda test: test[1])[0] > 0
    assert against_pca(fitted, moving(200, 1), moving(100, 2)) < 0.8
