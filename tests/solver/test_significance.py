"""What is surely better: by more than chance and than little."""

from __future__ import annotations

import numpy as np
import pytest

from deepcae.solver.significance import GROUPS, in_groups, significantly_better

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("gain", "better"),
    [
        (np.full(20, 0.5), True),
        (np.full(20, 0.05), False),  # 0.5 % of 10: not worth it
        (np.zeros(20), False),
        (np.full(20, -0.5), False),
        (0.2 + RNG.standard_normal(50), True),  # 0.2 ± 0.14
        (0.2 + 10 * RNG.standard_normal(50), False),  # chance
        (np.r_[np.full(19, -0.1), 6.0], False),  # one image alone
        (np.full(1, 5.0), False),  # of one nothing is sure
    ],
)
def test_what_is_surely_better(gain: np.ndarray, better: bool) -> None:
    before = np.full(len(gain), 10.0)
    assert significantly_better(before, before - gain) == better


@pytest.mark.parametrize("count", [3, GROUPS, 1000])
def test_neighbours_count_as_one(count: int) -> None:
    errors = np.arange(count, dtype=float)
    found = in_groups(errors)
    assert len(found) == min(count, GROUPS)
    assert found.mean() == pytest.approx(errors.mean())
    assert (np.diff(found) > 0).all()


def test_a_gain_of_few_scenes_is_chance_however_many_frames_they_have() -> None:
    """Each scene of 100 frames: the frames agree, the scenes do not."""
    gain = np.repeat(RNG.standard_normal(GROUPS) + 0.05, 100)
    before = np.full(len(gain), 3.0)
    assert significantly_better(before, before - 0.05 - 0.01 * RNG.standard_normal(len(gain)))
    assert significantly_better(before, before - gain) != significantly_better(
        in_groups(before), in_groups(before - gain)
    )
