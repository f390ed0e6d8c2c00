"""How long trainings will take, as it is told before the first."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, median

import pytest

from deepcae.paper.estimate import JUDGED, TRAINED, seconds
from deepcae.paper.experiments import NAMES, needed

RESULTS = Path(__file__).parents[2] / "experiments/paper/results"
ALL = list(dict.fromkeys(each for name in NAMES for each in needed(name)))


def test_all_trainings_take_as_long_as_the_page_says() -> None:
    assert {each.network for each in ALL} == set(TRAINED)
    assert seconds(ALL, 1) == pytest.approx(10.5 * 3600, rel=0.05)
    assert seconds(ALL, 2) == pytest.approx(5.25 * 3600, rel=0.05)


def test_what_a_training_takes_is_what_the_kept_ones_took() -> None:
    took: dict[str, list[float]] = {}
    judged = []
    for path in RESULTS.glob("*.json"):
        found = json.loads(path.read_text())
        if "seconds" in found:
            took.setdefault(found["experiment"]["network"], []).append(found["seconds"])
            judged.append(found["seconds_in_all"] - found["seconds"])
    assert {name: round(mean(seconds)) for name, seconds in took.items()} == TRAINED
    assert round(median(judged)) == JUDGED


def test_more_places_than_trainings_do_not_shorten_the_longest() -> None:
    (longest,) = needed("fig2")
    assert seconds([longest, *needed("fig4")], 100) == seconds([longest], 1)
    assert seconds([], 2) == 0


def test_a_tenth_of_the_iterations_takes_a_tenth_of_the_training_and_all_of_the_judging() -> None:
    (whole,), (tenth,) = needed("fig7"), needed("fig7", quick=True)
    assert seconds([whole], 1) - seconds([tenth], 1) == pytest.approx(0.9 * TRAINED["cae2"])
