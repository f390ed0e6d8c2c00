"""When a number of the paper is reproduced."""

from __future__ import annotations

import math

import pytest

from deepcae.paper.verdict import converged, learned, verdict
from deepcae.paper.worker import NOT_FINITE, STUCK
from deepcae.printed.tables import PaperRun, cells
from paper.results import result

CAE2 = cells("table4")["cae2", 10].runs  # mean test 93.743; 7.253
LARGE = cells("table1")["classic-2000", 2].runs  # one of three learned


def ours(*tests: tuple[float, float], outcome: str = "converged") -> list[dict]:
    return [result("cae2", 10, seed, test, outcome) for seed, test in enumerate(tests, 1)]


def test_which_of_the_papers_runs_learned() -> None:
    counts = {key: sum(map(learned, cell.runs)) for key, cell in cells("table1").items()}
    assert {key: count for key, count in counts.items() if count < 3} == {
        ("classic-2000", 2): 1,
        ("classic-2000", 10): 2,
        ("classic-3000", 2): 0,
        ("classic-3000", 10): 0,
        ("classic-3000", 30): 0,
    }
    assert all(learned(run) for cell in cells("table4").values() for run in cell.runs)


@pytest.mark.parametrize(
    ("factor", "reproduced"), [(0.5, True), (1.0, True), (1.0499, True), (1.0501, False), (2.0, False)]
)
@pytest.mark.parametrize("which", [0, 1])
def test_five_percent_above_is_the_most_for_either_loss(factor: float, reproduced: bool, which: int) -> None:
    means = [sum(run.test[name] for run in CAE2) / 3 for name in CAE2[0].test]
    means[which] *= factor
    found = verdict(CAE2, ours(*[(means[0], means[1])] * 3), 3)
    assert found.good is reproduced
    assert found.startswith("reproduced: " if reproduced else "no: ")


def test_it_is_the_mean_that_counts() -> None:
    assert verdict(CAE2, ours((80, 6), (93, 7), (105, 8.5)), 3).good is True


def test_one_run_that_is_stuck_is_no_reproduction() -> None:
    found = verdict(CAE2, [*ours((93, 7), (93, 7)), *ours((205.8, 26.4), outcome=STUCK)], 3)
    assert (found.good, found) == (False, "no: 2 of 3 converge")


def test_ours_are_judged_by_the_same_rule_as_the_papers() -> None:
    late = result("classic-2000", 2, 1, (193.0, 24.2), STUCK)
    assert [converged(late), learned(PaperRun(late["train"], late["test"]))] == [True, True]
    assert not converged(result("classic-2000", 2, 1, (205.0, 20.0)))
    assert not converged(result("classic-2000", 2, 1, (math.nan, 20.0)))
    assert not converged({"outcome": NOT_FINITE, "reason": "iteration 3: the loss is not finite (loss = inf)"})


def test_too_few_runs_are_no_verdict() -> None:
    assert verdict(CAE2, [], 3) == "not run"
    found = verdict(CAE2, ours((93.743, 7.253)), 3)
    assert (found.good, found) == (None, "1 of 3 runs: +0.0 %, +0.0 %")


def test_where_the_papers_runs_failed_ours_are_counted() -> None:
    runs = [*ours((150, 17)), *ours((205.8, 26.4), (205.8, 26.4), outcome=STUCK)]
    found = verdict(LARGE, runs, 3)
    assert (found.good, found) == (None, "1 of 3 converge; paper: 1 of 3")
