"""Several trainings of one text with different seeds: what they share, and their statistics.

Each has a folder `seed-S` of its own. `stacked` computes them as one program.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import SpecError
from ..net.graph import build_graph
from ..net.sinks import written_by_all
from ..proto.document import Document
from .nets import choose_nets

LEAST_RUNS = 3  # of which the paper asks for the same convergence
SAME_LEVEL = 0.05  # greatest less least loss, as a share of their mean, that counts as one level


def require_apart(document: Document, folders: Sequence[Path], runs: int) -> None:
    """SpecError where runs of this solver text would write into one another's files."""
    train, tests = choose_nets(document, folders)
    graphs = [build_graph(each.document, each.phase, each.level, each.stages) for each in (train, *tests)]
    if problems := list(written_by_all(graphs, runs)):
        raise SpecError(dict.fromkeys(problems))


def folder_of(out: Path, seed: int) -> Path:
    """The run's folder among those of its siblings."""
    return out / f"seed-{seed}"


# What several runs are worth together


def statistics(tests: Sequence[Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """Of each output the mean, sample standard deviation (0 of one run), least and greatest over the runs."""
    found = {}
    for name in tests[0] if tests else ():
        values = [test[name] for test in tests if name in test]
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else 0.0
        found[name] = {"mean": mean, "std": spread, "least": min(values), "greatest": max(values)}
    return found


def verdict(losses: Sequence[Mapping[str, float]], stuck: Sequence[int], missing: int = 0) -> tuple[bool | None, str]:
    """Whether the training is stable, as the paper means it, and why in a sentence. None: that cannot be told.

    Stable: of at least three runs each has come to its end, none stopped learning on the way by the guard's judgement,
    and each loss of the test (`losses`, one mapping per run) lies within 5 % of the mean from the least to the
    greatest. Source: the paper, section 3, requirement 6 ("the same convergence results within several (at least three)
    runs of the same model"), which leaves open what is the same.
    """
    if missing:
        return False, f"{missing} of the runs did not come to {'its' if missing == 1 else 'their'} end"
    if stuck:
        return False, f"seed {', '.join(map(str, stuck))} stopped learning"
    if len(losses) < LEAST_RUNS:
        return None, f"the verdict needs at least {LEAST_RUNS} runs"
    if not losses[0]:
        return None, "the verdict needs a test net with a loss"
    figures = statistics(losses)
    spreads = {n: (f["greatest"] - f["least"]) / abs(f["mean"]) if f["mean"] else 0.0 for n, f in figures.items()}
    name, worst = max(spreads.items(), key=lambda item: item[1] if math.isfinite(item[1]) else math.inf)
    return worst <= SAME_LEVEL, f"'{name}' differs by {100 * worst:.2g} % between the runs ({100 * SAME_LEVEL:g} % may)"
