"""The rate of every iteration, as Caffe computes it in float32."""

from __future__ import annotations

import json
import math

import pytest
from google.protobuf import text_format

from deepcae.errors import SpecError
from deepcae.proto.schema import SolverParameter
from deepcae.solver.lr import POLICIES, float32, rate
from reference import reference_dir

CASES = json.loads(reference_dir("solvers", "lr_policies.json").read_text())["cases"]


def _param(text: str):  # type: ignore[no-untyped-def]
    return text_format.Parse(text, SolverParameter())


@pytest.mark.parametrize("case", CASES, ids=[_param(case["solver"]).lr_policy for case in CASES])
def test_rates_are_caffes(case: dict) -> None:  # type: ignore[type-arg]
    param, step = _param(case["solver"]), 0
    tolerance = 1.2e-7 if case["exact_float32"] else 1e-5  # powf differs in its last bit between C libraries
    for iteration, wanted in enumerate(case["lr"]):
        got, step = rate(param, iteration, step)
        assert got == pytest.approx(wanted, rel=tolerance), iteration


def test_every_policy_is_judged() -> None:
    assert {_param(case["solver"]).lr_policy for case in CASES} == set(POLICIES)


def test_multistep_rises_by_one_per_iteration() -> None:
    """Two steps that are due at once take two iterations; a restored step goes on from where it was."""
    param = _param('base_lr: 1 lr_policy: "multistep" gamma: 0.5 stepvalue: 3 stepvalue: 3 stepvalue: 9')
    step, rates = 0, []
    for iteration in range(6):
        value, step = rate(param, iteration, step)
        rates.append(value)
    assert rates == [1, 1, 1, 0.5, 0.25, 0.25]
    assert rate(param, 20, 0) == (0.5, 1)
    assert rate(param, 20, 2) == (0.125, 3)
    assert rate(param, 21, 3) == (0.125, 3)


def test_step_sets_current_step() -> None:
    assert rate(_param('base_lr: 1 lr_policy: "step" gamma: 0.5 stepsize: 4'), 9, 0) == (0.25, 2)


@pytest.mark.parametrize(
    ("text", "iteration", "wanted"),
    [
        ('lr_policy: "exp" base_lr: 0.1 gamma: 2', 5000, math.inf),
        ('lr_policy: "sigmoid" base_lr: 0.1 gamma: 10 stepsize: 5000', 0, 0.0),
        ('lr_policy: "inv" base_lr: 0.1 gamma: 0 power: 0.75', 100, float32(0.1)),
        ('lr_policy: "poly" base_lr: 0.1 power: 0.5 max_iter: 10', 10, 0.0),
        ('lr_policy: "step" base_lr: 0.1 gamma: 0 stepsize: 2', 4, 0.0),
    ],
)
def test_the_ends_of_the_range(text: str, iteration: int, wanted: float) -> None:
    assert rate(_param(text), iteration, 0)[0] == wanted


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("base_lr: 1", "lr_policy is missing; it must be one of fixed, step, exp, inv, multistep, poly, sigmoid"),
        (
            'lr_policy: "stepp"',
            "lr_policy 'stepp' is unknown; it must be one of fixed, step, exp, inv, multistep, poly, sigmoid; "
            "did you mean 'step'?",
        ),
        ('lr_policy: "step" gamma: 0.1', "stepsize is 0, but lr_policy 'step' needs stepsize > 0"),
        ('lr_policy: "poly" power: 1', "max_iter is 0, but lr_policy 'poly' needs max_iter > 0"),
    ],
)
def test_settings_that_give_no_rate(text: str, sentence: str) -> None:
    with pytest.raises(SpecError) as caught:
        rate(_param(text), 0, 0)
    assert str(caught.value) == sentence
