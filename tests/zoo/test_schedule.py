"""How long a designed net is trained, how fast it learns and how often it is tested: by its data."""

from __future__ import annotations

import pytest

from deepcae.proto.read import read_solver_text
from deepcae.solver.check import check_solver
from deepcae.zoo.design import design
from deepcae.zoo.designed import default_width
from deepcae.zoo.schedule import Way, course, solver_text
from deepcae.zoo.streams import whole_test


@pytest.mark.parametrize(
    ("image", "num_images", "num_test", "rate", "iterations", "interval"),
    [
        ((1, 28, 28), 60_000, 10_000, 0.01, 10_000, 250),
        ((1, 28, 28), 500, 2000, 0.01, 520, 40),
        ((1, 28, 28), 500, 50_000, 0.01, 500, 50),  # ten tests at least
        ((1, 64, 64), 1000, 200, 0.0066, 600, 15),
        ((1, 512, 512), 1000, 100, 0.0023, 780, 20),
        ((1, 512, 512), 1_000_000, 100, 0.0023, 780, 20),
        ((48,), 500, 125, 0.02, 504, 12),
        ((1, 28, 28), None, 100, 0.01, 6000, 150),
    ],
)
def test_the_course_follows_from_the_data(
    image: tuple[int, ...], num_images: int | None, num_test: int, rate: float, iterations: int, interval: int
) -> None:
    plan = design(image, 4)
    test = whole_test(num_test, plan.batch)
    found = course(plan, test, num_images, plan.batch)
    assert (found.rate, found.iterations, found.interval) == (rate, iterations, interval)
    document = read_solver_text(solver_text(plan, test, Way.BESIDE, num_images, plan.batch))
    param = document.message
    assert check_solver(document) == []
    assert (param.max_iter, param.test_interval, param.patience) == (iterations, interval, found.patience)
    assert list(param.weights) == ["start.caffemodel"]
    assert param.snapshot_best


@pytest.mark.parametrize(
    ("image", "num_images", "width"),
    [((1, 28, 28), 500, 2), ((1, 28, 28), None, 2), ((1, 64, 64), 9999, 1), ((1, 64, 64), 10_000, 2), ((48,), 9, 2)],
)
def test_nets_are_wide_where_that_is_quick_or_there_is_much_to_learn_from(
    image: tuple[int, ...], num_images: int | None, width: float
) -> None:
    assert default_width(image, num_images) == width


def test_the_plain_design_trains_as_it_did() -> None:
    plan = design((1, 28, 28), 4)
    param = read_solver_text(solver_text(plan, whole_test(100), Way.PLAIN, 60_000, 100)).message
    assert (param.max_iter, param.test_interval, round(param.base_lr, 6)) == (5000, 500, 0.003)
    assert (param.patience, list(param.weights)) == (0, [])
