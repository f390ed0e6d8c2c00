"""Two designs race: the one that is ahead on held-out images goes on, and PCA is never lost."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from deepcae import zoo
from deepcae.data import open_rows
from deepcae.net.net import Net
from deepcae.net.weights import load_weights
from deepcae.proto.read import read_net_text
from deepcae.proto.text import merge
from deepcae.race import race as races
from deepcae.race.race import Ground, race
from deepcae.zoo import schedule
from deepcae.zoo.designed import DesignedModel
from deepcae.zoo.schedule import trial

LENGTH = 30
STILL = ("base_lr", "1e-9")  # learns nothing
WILD = ("base_lr", "0.3")  # in steps too large


def rings(count: int, seed: int) -> np.ndarray:
    """A bump on a circle: PCA needs many numbers for it."""
    angle = np.random.default_rng(seed).uniform(0, 2 * np.pi, (count, 1, 1, 1))
    y, x = 4 + 3 * np.sin(angle), 4 + 3 * np.cos(angle)
    places = np.arange(9)
    made: np.ndarray = np.exp(-((places[:, None] - y) ** 2 + (places - x) ** 2) / 2).astype(np.float32)
    return made


TRAIN, TEST = rings(400, 1), rings(60, 2)


def designed(**more: Any) -> DesignedModel:
    return zoo.build_design((1, 9, 9), 3, images=open_rows(TRAIN), num_test=len(TEST), **more)


def made(model: DesignedModel, field: tuple[str, str]) -> DesignedModel:
    """The same with another solver text."""
    return replace(model, solver_text=f"{model.solver_text}\n".replace("base_lr", "#base_lr") + ": ".join(field))


def ground(**more: Any) -> Ground:
    return Ground(open_rows(TRAIN), open_rows(TEST), 0, **{"length": LENGTH, **more})


def error(model: DesignedModel, images: np.ndarray = TEST) -> float:
    """Half the squared error per image of what the model begins with."""
    text = model.net_text.replace('type: "HDF5Data"', 'type: "Input"')
    document = read_net_text(text)
    for layer in list(document.message.layer):
        if layer.type == "Input":
            document.message.layer.remove(layer) if layer.include[0].phase else layer.ClearField("include")
            layer.ClearField("hdf5_data_param")
            layer.ClearField("transform_param")
    net = Net(document, "TEST", input_shapes={"data": images.shape})
    load_weights(net, model.start)
    restored = net(data=images, want=["restored"])["restored"].detach().numpy()
    return float(np.square(restored - images).sum() / 2 / len(images))


def test_the_network_alone_wins_where_it_is_ahead_and_goes_on_from_there() -> None:
    model = made(designed(), STILL)
    found = race(model, ground())
    assert found is not None
    assert found.alone_won
    assert found.pca == pytest.approx(error(model), rel=1e-4)
    assert found.beside == pytest.approx(1, abs=1e-3)
    assert found.alone < 0.9
    assert error(found.model) == pytest.approx(found.alone * found.pca, rel=1e-4), "its start is what it has learned"
    assert found.model.files["start.caffemodel"] == found.model.start.SerializeToString(deterministic=True)
    assert not found.model.starts_as_pca
    assert found.model.rival is None
    assert "linear_encode" not in found.model.net_text
    assert "which is left out" in str(found)


@pytest.mark.parametrize("beside", [("base_lr", "0.01"), WILD], ids=["ahead", "worse than PCA"])
def test_pca_stays_where_the_network_alone_is_not_surely_better(beside: tuple[str, str]) -> None:
    model = designed()
    assert model.rival is not None
    model = replace(made(model, beside), rival=made(model.rival, STILL))
    found = race(model, ground())
    assert found is not None
    assert not found.alone_won
    assert found.alone > 1
    assert (found.model.starts_as_pca, found.model.rival) == (True, None)
    assert error(found.model) == pytest.approx(found.pca, rel=1e-4), "it begins as PCA, not where the race ended"
    assert "which stays" in str(found)


def test_ahead_of_a_bad_one_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepcae.solver.significance.WORTH", 0.99)
    found = race(made(designed(), STILL), ground())
    assert found is not None
    assert found.alone < found.beside
    assert not found.alone_won


def test_better_than_pca_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deepcae.solver.significance.WORTH", -1e9)
    monkeypatch.setattr("deepcae.solver.significance.SURE", -1e9)
    model = designed()
    assert model.rival is not None
    found = race(replace(model, rival=made(model.rival, STILL)), ground())
    assert found is not None
    assert found.alone > found.beside
    assert not found.alone_won


def test_a_race_is_the_same_again_and_another_with_another_seed() -> None:
    model = made(designed(), STILL)
    first, again, other = (race(model, replace(ground(), seed=seed)) for seed in (0, 0, 1))
    assert first is not None
    assert again is not None
    assert other is not None
    assert (first.alone, first.model.files) == (again.alone, again.model.files)
    assert first.alone != other.alone


@pytest.mark.parametrize(
    ("iterations", "length"), [(400, 0), (899, 0), (900, 150), (2999, 150), (6000, 300), (10_000, 400), (10**6, 400)]
)
def test_a_race_is_a_small_part_of_a_training(iterations: int, length: int) -> None:
    assert trial(iterations) == length


@pytest.mark.parametrize("more", [{"length": 0}, {"length": None, "iterations": 899}, {"length": 400, "seconds": 1e-9}])
def test_there_is_none_where_nobody_wants_it_or_time_is_short(more: dict[str, Any]) -> None:
    assert race(designed(), ground(**more)) is None


def test_a_race_is_as_long_as_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(races._Lap, "pace", lambda self: 0.1)
    monkeypatch.setattr(schedule, "SHORTEST", 20)
    found = race(designed(), ground(seconds=5.1))
    assert found is not None
    assert found.iterations == 25
    assert race(designed(), ground(seconds=3.9)) is None


def test_that_there_is_no_time_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    made = races.Solver.step
    monkeypatch.setattr(races.Solver, "step", lambda self, count: steps.append(count) or made(self, count))
    assert race(designed(), ground(seconds=1e-9)) is None
    assert sum(steps) == 2
    assert race(designed(), ground(seconds=1e9)) is not None
    assert sum(steps) == 2 + 2 * LENGTH


def test_what_a_person_lays_over_the_solver_holds_in_the_race() -> None:
    found = race(designed(), ground(lay=lambda document: merge(document, "base_lr: 1e-9")))
    assert found is not None
    assert found.beside == pytest.approx(1, abs=1e-3)
    short = ground(length=None, lay=lambda document: merge(document, "max_iter: 100"))
    assert race(designed(), short) is None


def test_progress_is_told_and_of_many_held_out_images_some_judge(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(races, "MOST", 30)
    judged: list[int] = []
    race(
        designed(),
        ground(
            tell=lambda *done: told.append(done),
            independent=lambda errors: judged.append(len(errors)) or errors,  # type: ignore[func-returns-value]
        ),
    )
    assert told == [(count, 2 * LENGTH) for count in range(10, 2 * LENGTH + 1, 10)]
    assert judged == [30, 30, 30]


@pytest.mark.parametrize("more", [{"linear": True}, {"linear": False}, {"plain": True}, {"neighbours": 1.0}])
def test_whoever_says_which_design_gets_it(more: dict[str, Any]) -> None:
    model = zoo.build_design((1, 9, 9), 3, images=open_rows(TRAIN), num_test=len(TEST), **more)
    assert model.rival is None
    assert race(model, ground()) is None
    assert ("linear_encode" in model.net_text) == more.get("linear", False)
    if more == {"linear": False}:
        assert math.isfinite(error(model))
        assert not model.starts_as_pca


@pytest.mark.parametrize(("num_test", "raced"), [(None, False), (19, False), (20, True)])
def test_without_held_out_images_there_is_no_race(num_test: int | None, raced: bool) -> None:
    model = zoo.build_design((1, 9, 9), 3, images=open_rows(TRAIN), num_test=num_test)
    assert (model.rival is not None) == raced
