"""About how long trainings take, before the first: from what those of docs/12-paper.md took, on one core each."""

from __future__ import annotations

from collections.abc import Sequence

from .experiment import Experiment
from .experiments import training

JUDGED = 41.0  # seconds beside the training, most of it t-SNE: the median of experiments/paper/results
TRAINED = {
    "classic-300": 17, "classic-500": 30, "classic-1000": 98, "classic-2000": 357, "classic-3000": 543,
    "cae1": 97, "cae1-pool-deconv": 61, "cae1-pool-unpool": 48, "cae1-pool-switch": 46,
    "cae2": 232, "cae2-pool-deconv": 160, "cae2-pool-unpool": 107, "cae2-pool-switch": 118,
    "siamese": 1605,
}  # fmt: skip  # seconds of a whole training: means of experiments/paper/results (a test counts them)


def seconds(experiments: Sequence[Experiment], places: int) -> float:
    """Of all of them, `places` at a time, on cores like those of docs/12-paper.md; not less than the longest."""
    each = [_seconds(experiment) for experiment in experiments]
    return max(sum(each) / places, max(each, default=0.0))


def _seconds(experiment: Experiment) -> float:
    whole = training(experiment.network, experiment.dims, experiment.seed).iterations
    return TRAINED[experiment.network] * experiment.iterations / whole + JUDGED
