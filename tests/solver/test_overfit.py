"""The rule that tells overfitting from two sequences of losses: when it warns, and above all when it does not."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np
import pytest

from deepcae.solver.overfit import Overfit, Overfitting

EVERY, BATCHES, TESTS = 100, 20, 60
STEPS = np.arange(TESTS)
FALLING = 15 + 60 * np.exp(-STEPS / 8) + 3 * np.exp(-STEPS / 40)  # of the training loss
LEARNING = 20 + 60 * np.exp(-STEPS / 8)  # of the test loss, where all is well


def found(
    tests: Sequence[float], train: Sequence[float] = FALLING, noise: float = 0.05, seed: int = 0
) -> list[Overfit]:
    """The warnings; the training loss is that of batches, which differ."""
    rng = np.random.default_rng(seed)
    watch, warnings = Overfitting(), []
    for step, loss in enumerate(tests):
        if step:
            for batch in train[step] * (1 + noise * rng.standard_normal(BATCHES)):
                watch.trained(float(batch))
        warning = watch.tested(step * EVERY, float(loss))
        warnings += [] if warning is None else [warning]
    return warnings


def rising(best: int, slope: float) -> np.ndarray:
    """Falls up to test `best`, then rises by `slope` a test."""
    return np.where(best >= STEPS, 20 + 60 * np.exp(-STEPS / 4), 0) + np.where(
        best < STEPS, 20 + 60 * math.exp(-best / 4) + slope * (STEPS - best), 0
    )


@pytest.mark.parametrize("best", [0, 1, 5, 20])
@pytest.mark.parametrize("slope", [0.3, 2.0])
def test_a_rise_is_told_once_with_the_best_iteration(best: int, slope: float) -> None:
    (warning,) = found(rising(best, slope))
    assert warning.best_iteration == best * EVERY
    assert warning.best_loss == pytest.approx(20 + 60 * math.exp(-best / 4))
    assert warning.loss > 1.03 * warning.best_loss
    assert warning.train_now < warning.train_before


@pytest.mark.parametrize("noise", [0.002, 0.01])
def test_it_is_told_within_a_sensible_number_of_tests(noise: float) -> None:
    """Of the eleven tests of a designed network's training, as seen with 50 to 100 digits."""
    seen = [50.9, 21.5, 23.0, 24.5, 25.8, 27.0, 28.3, 29.4, 30.4, 31.0, 31.4]
    rng = np.random.default_rng(1)
    train = [0.0, 22.5, 16.4, 15.6, 15.3, 15.1, 15.0, 14.9, 14.8, 14.7, 14.6]
    (warning,) = found(seen * (1 + noise * rng.standard_normal(11)), train)
    assert warning.best_iteration == EVERY
    assert len(found(seen[:7], train)) == 1


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("noise", [0, 0.001, 0.01, 0.05, 0.2])
def test_noise_is_no_rise(noise: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    assert not found(LEARNING * (1 + noise * rng.standard_normal(TESTS)), seed=seed)


def remembering(rho: float, seed: int, tests: int = 100) -> np.ndarray:
    """Noise of deviation 1, of which a share stays from test to test: AR(1)."""
    rng = np.random.default_rng(seed)
    made = rng.standard_normal(tests)
    for n in range(1, tests):
        made[n] = rho * made[n - 1] + math.sqrt(1 - rho * rho) * made[n]
    return made


@pytest.mark.parametrize("rho", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("noise", [0.01, 0.03, 0.1])
def test_noise_that_lasts_is_no_rise(noise: float, rho: float) -> None:
    """A hundred tests each; benchmarks/overfitting.py counts thousands."""
    steps = np.arange(100)
    falling = 15 + 60 * np.exp(-steps / 8) + 3 * np.exp(-steps / 40)
    shapes = [
        np.full(100, 20.0),
        20 + 60 * np.exp(-steps / 8),
        20 + 10 * np.exp(-steps / 40),
        20 + 10 * (steps < 35) + 4.0 * (steps < 70),
    ]
    told = sum(
        bool(found(shape * np.exp(noise * remembering(rho, seed)), falling, seed=seed))
        for shape in shapes
        for seed in range(10)
    )
    assert told <= 1  # of 40


def test_few_tests_say_little_of_their_noise() -> None:
    assert not found([20.0, 22.0, 24.2, 26.2])
    assert len(found([20.0, 22.0, 24.01, 26.03])) == 1  # they lie so still that it is sure


def test_the_noise_is_that_of_the_tests_at_hand() -> None:
    """The same rise: told where the tests lie still, not told where they wander as far by themselves."""
    rise = np.r_[LEARNING[:30], 20.6 + 0.1 * np.arange(30)]
    assert len(found(rise)) == 1
    wandering = np.cumsum(np.random.default_rng(5).standard_normal(TESTS))
    assert not found(rise + 1.5 * (wandering - wandering[0]) / 3)


def test_a_training_loss_that_drops_to_a_part_makes_a_restless_rise_sure() -> None:
    """Tests of a designed network, seen with 50 digits; without the drop they could be noise."""
    seen = [660.4, 197.7, 267.4, 315.6, 298.1, 313.6, 332.2, 353.9, 323.4, 330.4, 358.5, 357.4, 334.8, 354.6, 381.9]
    dropping = [0.0, 266.9, 150.0, 90.0, 70.0, 60.0, 55.0, *[50.0] * 8]
    (warning,) = found(seen, dropping)
    assert warning.best_iteration == EVERY
    assert len(found(seen[:8], dropping)) == 1
    assert not found(seen, np.linspace(270, 240, 15))


@pytest.mark.parametrize("sign", [-1, 1])
def test_losses_below_zero_and_training_losses_that_vanish(sign: int) -> None:
    """Ratios of losses mean nothing there."""
    lower = rising(5, 1.0) - (40 if sign < 0 else 0)
    assert len(found(lower, FALLING - 80)) == 1
    assert len(found(rising(5, 1.0), np.where(STEPS > 5, 0.0, FALLING))) == 1


@pytest.mark.parametrize("length", [3, 5, 6, 10])
def test_test_sets_that_are_read_in_parts_are_no_rise(length: int) -> None:
    """Each test sees other images, in a cycle: some are harder."""
    harder = 1 + 0.05 * np.random.default_rng(length).standard_normal(length)
    assert not found(LEARNING * harder[STEPS % length])


def test_what_was_made_good_again_once_may_come_again() -> None:
    first, again = np.full(8, 25.0), np.full(12, 21.5)
    found_once = found(np.r_[LEARNING[:30], first, 19.0, again, 19.0, 18.9], np.r_[FALLING])
    assert [warning.best_iteration for warning in found_once] == [29 * EVERY]


def test_a_training_that_does_not_learn_is_no_overfitting() -> None:
    rng = np.random.default_rng(3)
    stuck = 202.6 * (1 + 0.002 * rng.standard_normal(TESTS))
    assert not found(stuck, np.full(TESTS, 202.6))
    diverging = 20 + 0.1 * np.exp(STEPS / 8)
    assert not found(diverging, diverging)
    assert not found(rising(5, 1.0), np.maximum(FALLING, FALLING[5]))  # the training loss stays where it was


def test_dropout_and_denoising_whose_training_loss_is_the_higher_one() -> None:
    assert not found(LEARNING, 2 * FALLING, noise=0.2)
    assert len(found(rising(5, 1.0), 4 * FALLING, noise=0.1)) == 1


def test_small_rises_are_no_matter() -> None:
    assert not found(rising(20, 0.01))


def test_values_that_are_not_finite_are_left_out() -> None:
    tests = rising(5, 1.0)
    tests[[0, 7, 9]] = math.nan, math.inf, math.nan
    (warning,) = found(tests)
    assert warning.best_iteration == 5 * EVERY


def test_after_a_better_test_it_may_be_told_again() -> None:
    better = np.r_[rising(5, 2.0)[:20], 10 + 4.0 * np.arange(TESTS - 20)]
    first, second = found(better)
    assert (first.best_iteration, second.best_iteration) == (5 * EVERY, 20 * EVERY)


@pytest.mark.parametrize("cut", [0, 1, 6, 9, 30])
def test_what_it_has_seen_survives_a_snapshot(cut: int) -> None:
    """At any test, through JSON, in a form that does not grow with the run."""
    tests, rng = rising(5, 1.0), np.random.default_rng(0)
    whole, parts = Overfitting(), Overfitting()
    told: list[tuple[Overfit | None, Overfit | None]] = []
    for step, loss in enumerate(tests):
        for batch in FALLING[step] * (1 + 0.05 * rng.standard_normal(BATCHES)):
            whole.trained(float(batch))
            parts.trained(float(batch))
        if step == cut:
            parts = Overfitting.from_json(json.loads(json.dumps(parts.to_json())))
        told.append((whole.tested(step, float(loss)), parts.tested(step, float(loss))))
    assert all(one == other for one, other in told)
    assert any(one for one, _ in told)
    assert json.dumps(whole.to_json()) == json.dumps(parts.to_json())
    assert len(json.dumps(whole.to_json())) < 4000
