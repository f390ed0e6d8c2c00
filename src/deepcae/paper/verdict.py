"""Is a number of the paper reproduced? One rule for all cells.

Where all of the paper's runs learned: reproduced if all of ours converge and the mean of their test losses is at most
5 % above the mean of the paper's, each of the two losses; lower is as good. Where some of the paper's runs ended at the
losses of the mean image (205.8 and 26.44 on MNIST's test set), told is how many of ours do not. A run converged, the
paper's or ours, where both its test losses are at least 2 % below those of the mean image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..page.html import Judged
from ..printed.tables import LOSSES, PaperRun

TOLERANCE = 0.05
BETTER = 0.98  # of the loss of the mean image: what a network must come below to have learned anything
MEAN_IMAGE = {"cross_entropy_loss": 205.80, "l2_error": 26.44}  # where the paper's runs that did not learn ended

Result = Mapping[str, Any]


def learned(run: PaperRun) -> bool:
    """Whether a run of the paper came below the losses of the mean image."""
    return all(run.test[name] <= BETTER * MEAN_IMAGE[name] for name in LOSSES)


def converged(result: Result) -> bool:
    """Whether a run of ours did, by the same rule; whatever the guard said on the way."""
    if "test" not in result:
        return False
    return all(loss <= BETTER * result["mean_image"][name] for name, loss in result["test"].items())


def mean(values: Sequence[float]) -> float:
    """Of at least one value."""
    return sum(values) / len(values)


def verdict(paper: Sequence[PaperRun], ours: Sequence[Result], wanted: int) -> Judged:
    """The verdict on a cell; `wanted`: how many runs of ours it is to have.

    Open where the paper's own runs did not all learn, or where ours are not all there.
    """
    if not ours:
        return Judged("not run", None)
    good = [result for result in ours if converged(result)]
    count = f"{len(good)} of {len(ours)} converge"
    theirs = [run for run in paper if learned(run)]
    if len(theirs) < len(paper):
        return Judged(f"{count}; paper: {len(theirs)} of {len(paper)}", None)
    if len(good) < len(ours):
        return Judged(f"no: {count}", False)
    above = {name: _above(name, theirs, good) for name in LOSSES}
    told = ", ".join(f"{round(100 * share, 1) + 0.0:+.1f} %" for share in above.values())
    if len(ours) < wanted:
        return Judged(f"{len(ours)} of {wanted} runs: {told}", None)
    reproduced = all(share <= TOLERANCE for share in above.values())
    return Judged(f"{'reproduced' if reproduced else 'no'}: {told}", reproduced)


def _above(name: str, paper: Sequence[PaperRun], ours: Sequence[Result]) -> float:
    expected = mean([run.test[name] for run in paper])
    return mean([result["test"][name] for result in ours]) / expected - 1
