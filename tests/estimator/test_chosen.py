"""Which weights a fit keeps: PCA of all its images, unless what was learned is surely better."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from deepcae import ConvAutoencoder
from deepcae.solver import significance
from deepcae.zoo import schedule


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
        monkeypatch.setattr(significance, "SURE", 1e9)
    fitted = ConvAutoencoder(3, random_state=0, max_iter=30).fit(images)
    if kind == "chance":
        assert min(fitted.held_out_losses_, key=lambda test: test[1])[0] > 0, "a better test was there"
    assert fitted.best_iteration_ == 0
    assert against_pca(fitted, images, others) == pytest.approx(1, abs=1e-3)
    assert fitted._fit_.optimizer.iteration == 0


def test_what_is_surely_better_is_kept() -> None:
    fitted = ConvAutoencoder(3, random_state=0, max_iter=30).fit(moving(200, 1))
    assert fitted.best_iteration_ == min(fitted.held_out_losses_, key=lambda test: test[1])[0] > 0
    assert against_pca(fitted, moving(200, 1), moving(100, 2)) < 0.8


def test_the_design_that_is_ahead_in_a_race_is_trained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("SHORTEST", 50), ("TRIAL", 0.0), ("RATE", 1e-9), ("ALONE", 1e7)):  # one of two learns nothing
        monkeypatch.setattr(schedule, name, value)
    monkeypatch.setattr(significance, "WORTH", -1e9)
    monkeypatch.setattr(significance, "SURE", -1e9)
    fitted = ConvAutoencoder(3, random_state=0, max_iter=200, n_iter_no_change=1, verbose=True).fit(moving(200, 1))
    assert "race of two designs: 50 iterations each; held-out error 1.000 of PCA's" in capsys.readouterr().out
    assert "linear_encode" not in fitted.net_text_
    assert fitted.best_iteration_ == min(fitted.held_out_losses_, key=lambda test: test[1])[0]
    short = ConvAutoencoder(3, random_state=0, max_iter=10).fit(moving(200, 1))
    assert "linear_encode" in short.net_text_, "no race in so short a training"
