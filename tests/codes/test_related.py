"""What goes with each number of a code, beside scipy, and honest about chance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f_oneway, pearsonr, spearmanr

from deepcae.codes.columns import Column
from deepcae.codes.related import related
from deepcae.errors import DataError

RNG = np.random.default_rng(5)


def test_numbers_are_judged_as_scipy_judges_them() -> None:
    codes, speed = RNG.normal(size=(200, 3)), RNG.exponential(size=200)
    codes[:, 1] += 2 * speed
    speed[7] = np.nan
    found = related(codes, Column("speed", speed, classes=False))
    known = np.isfinite(speed)
    assert found.count == 199
    assert found.pearson is not None
    assert found.spearman is not None
    for k in range(3):
        assert found.pearson[k] == pytest.approx(pearsonr(codes[known, k], speed[known]).statistic)
        assert found.spearman[k] == pytest.approx(spearmanr(codes[known, k], speed[known]).statistic)
    assert found.strength[1] > 2 * found.chance > 2 * found.strength[0]


def test_classes_are_judged_by_the_share_of_the_variance_between_them() -> None:
    codes, kind = RNG.normal(size=(120, 2)), np.repeat(["a", "b", "c"], 40)
    codes[40:80, 0] += 3
    found = related(codes, Column("kind", kind, classes=True))
    assert found.eta2 is not None
    for k in range(2):
        f = f_oneway(*(codes[kind == each, k] for each in "abc")).statistic
        assert found.eta2[k] == pytest.approx(2 * f / (2 * f + 117))  # of F with 2 and 117 degrees of freedom
    assert found.eta2[0] > 0.5


@pytest.mark.parametrize("steady", [False, True])
def test_what_goes_together_by_chance_alone_is_told(steady: bool) -> None:
    """In 95 of 100 cases no number of the code reaches it, in a recording with steady values, too."""
    reached = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        codes, values = rng.normal(size=(300, 8)), rng.normal(size=300)
        if steady:
            window = np.ones(25)
            codes = np.stack([np.convolve(each, window, "same") for each in codes.T], axis=1)
            values = np.convolve(values, window, "same")
        found = related(codes, Column("x", values, classes=False))
        reached += found.strength.max() > found.chance
    assert reached <= 9


def test_what_cannot_be_told_is_refused() -> None:
    codes = RNG.normal(size=(20, 2))
    with pytest.raises(DataError, match="all values of 'x' are 3"):
        related(codes, Column("x", np.full(20, 3.0), classes=False))
    with pytest.raises(DataError, match="'x' has 5 values; 10 are needed"):
        related(codes, Column("x", np.append(np.full(15, np.nan), np.arange(5.0)), classes=False))
    with pytest.raises(DataError, match="3 values of 'x' for 20 codes"):
        related(codes, Column("x", np.arange(3.0), classes=False))
    still = np.column_stack([codes, np.ones(20)])
    found = related(still, Column("x", np.arange(20.0), classes=False))
    assert found.spearman is not None
    assert found.spearman[2] == 0
