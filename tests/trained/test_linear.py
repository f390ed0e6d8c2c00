"""The line that a network has to beat, beside numpy's singular values."""

from __future__ import annotations

import numpy as np
import pytest

from deepcae.data.kept import ArrayRows
from deepcae.errors import DataError
from deepcae.trained.examples import Examples
from deepcae.trained.linear import linear


def examples(images: np.ndarray) -> Examples:
    return Examples(ArrayRows({"data": images.astype(np.float32)}), "data", None, "images")


def test_the_line_of_pca() -> None:
    """By the singular values themselves: what is left of the test images outside the plane of the training images."""
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(60, 1, 3, 4)), rng.normal(size=(125, 1, 3, 4))
    found = linear(examples(train), examples(test), 4)
    mean = train.reshape(60, 12).mean(axis=0)
    basis = np.linalg.svd(train.reshape(60, 12) - mean)[2][:4]
    centred = test.reshape(125, 12) - mean
    left = centred - centred @ basis.T @ basis
    assert found.pca == pytest.approx(0.5 * (left**2).sum() / 125, rel=1e-4)
    assert found.mean == pytest.approx(0.5 * (centred**2).sum() / 125, rel=1e-4)
    assert found.num_train == 60
    assert linear(examples(train), examples(test), 13).pca is None  # there are 12 pixels
    with pytest.raises(DataError, match="12 values each, test images 11"):
        linear(examples(train), examples(np.zeros((2, 11))), 4)
