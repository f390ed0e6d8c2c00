"""How long trainings will take, as it is told before the first."""

from __future__ import annotations

import pytest

from deepcae.paper.estimate import TRAINED, seconds
from deepcae.paper.experiments import NAMES, needed

ALL = list(dict.fromkeys(each for name in NAMES for each in needed(name)))


def test_all_trainings_take_as_long_as_the_page_says() -> None:
    assert {each.network for each in ALL} == set(TRAINED)
    assert seconds(ALL, 1) == pytest.approx(10.5 * 3600, rel=0.05)
    assert seconds(ALL, 2) == pytest.approx(5.25 * 3600, rel=0.05)


def test_more_places_than_trainings_do_not_shorten_the_longest() -> None:
    (longest,) = needed("fig2")
    assert seconds([longest, *needed("fig4")], 100) == seconds([longest], 1)
    assert seconds([], 2) == 0


def test_a_tenth_of_the_iterations_takes_a_tenth_of_the_training_and_all_of_the_judging() -> None:
    (whole,), (tenth,) = needed("fig7"), needed("fig7", quick=True)
    assert seconds([whole], 1) - seconds([tenth], 1) == pytest.approx(0.9 * TRAINED["cae2"])
