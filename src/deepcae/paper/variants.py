"""Tables of what the paper tells in a sentence, or leaves to later work: changed, large and pooled networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..net.summary import summarize
from ..page.html import Judged
from ..printed import tables as printed
from ..printed.tables import LOSSES
from ..zoo import classic
from .experiment import Experiment
from .experiments import (
    DIMS,
    FINDINGS,
    LARGE,
    ORDERED,
    Finding,
    found,
    in_file_order,
    pooled_networks,
    tamed,
    training,
)
from .losses import of_thirty, pair, share, spread
from .sizes import plan_of
from .table import Table
from .verdict import TOLERANCE, converged, learned, mean, verdict

Results = Callable[[Sequence[Experiment]], list[Mapping[str, Any]]]
"""Gives of the experiments those that are finished: their results."""
_CELLS = "A cell holds sigmoid cross-entropy; Euclidean loss of the test set: means of the runs that learn."
_SPREAD = "± standard deviation."
_NO_VERDICT = Judged("", None)


def stability(ours: Sequence[Mapping[str, Any]]) -> tuple[bool | None, str]:
    """Whether the runs are stable as the paper means it, by the rule of `deepcae train --runs`."""
    from ..solver.runs import verdict as judged

    ended = [run for run in ours if "test" in run]
    failed = [run["experiment"]["seed"] for run in ended if not converged(run)]
    return judged([run["test"] for run in ended if converged(run)], failed, len(ours) - len(ended))


def findings(results: Results, seeds: int, quick: bool) -> Table:
    """The side findings: a row for each change."""
    runs = {finding.variant: results(found(finding, seeds, quick)) for finding in FINDINGS}
    rows = [_finding(finding, runs[finding.variant], runs[""], seeds) for finding in FINDINGS]
    return Table(
        "findings", "Side findings", "CAE Model 1 with N = 10, changed as the paper tells",
        ("change", "test", "spread", "seeds", "converge", "kNN", "stable?", "the paper says", "verdict"), rows,
        [f"{_CELLS} Spread: {_SPREAD}",
         "As the paper says: where fewer runs converge than of the network as in Table IV; of one that is to be worse, "
         f"where a mean test loss is more than {100 * TOLERANCE:.0f} % above its; of one that is not to be stable, "
         "where deepcae train --runs says so of it and not of the network as in Table IV."],
    )  # fmt: skip


def _finding(
    finding: Finding, ours: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], seeds: int
) -> list[str]:
    if not ours:
        return [finding.what, "not run", "", "0", "", "", "", finding.paper, ""]
    stable, why = stability(ours)
    told = {True: "stable", False: "not stable", None: "no verdict"}[stable]
    good, against = [run for run in ours if converged(run)], [run for run in base if converged(run)]
    if min(len(ours), len(base)) < seeds:
        verdict = Judged(f"{min(len(ours), len(base))} of {seeds} runs", None)
    elif not finding.variant:
        verdict = Judged({True: "as the paper says", False: "no: not stable", None: ""}[stable], stable)
    elif len(good) < len(against):
        verdict = Judged(f"as the paper says: {_converge(ours)} converge", True)
    elif finding.worse:
        verdict = _is_worse(good, against)
    else:
        verdict = _is_unstable(stable, stability(base)[0])
    return [
        finding.what, _mean(ours), _spread(ours), *_counts(ours), _knn(ours), f"{told}: {why}", finding.paper, verdict,
    ]  # fmt: skip


def _is_worse(good: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]]) -> Judged:
    """`as the paper says: worse`, or `no`, and by what; of runs that converge."""
    if not base:
        return _NO_VERDICT
    above = _above(good, base)
    told = ", ".join(f"{100 * more:+.1f} %" for more in above)
    if max(above) > TOLERANCE:
        return Judged(f"as the paper says: worse, {told}", True)
    return Judged(f"no: {'better' if min(above) < -TOLERANCE else 'as good'}, {told}", False)


def _is_unstable(stable: bool | None, base: bool | None) -> Judged:
    """`as the paper says: not stable`, or `no`; open where the network as it is (`base`) is not stable either."""
    if stable is None or base is None:
        return _NO_VERDICT
    if stable:
        return Judged("no: stable", False)
    if base:
        return Judged("as the paper says: not stable", True)
    return Judged("open: nor is the network as in Table IV", None)


def large(results: Results, seeds: int, quick: bool) -> Table:
    """The networks that the paper could not train, as it tried them and tamed."""
    rows = []
    for network in LARGE:
        for dims in DIMS:
            theirs = printed.cells("table1")[network, dims].runs
            count = f"{sum(map(learned, theirs))} of {len(theirs)}"
            numbers = range(1, seeds + 1)
            same = results([training(network, dims, seed, quick) for seed in numbers])
            ours = results([tamed(network, dims, seed, quick) for seed in numbers])
            told = Judged("yes: all train", True) if all(map(converged, ours)) else Judged("no: not all train", False)
            if len(ours) < seeds and all(map(converged, ours)):
                told = Judged(f"{len(ours)} of {seeds} runs", None) if ours else _NO_VERDICT
            rows.append([
                network, str(dims), count, _converge(same), _mean(same), _converge(ours), _mean(ours), _classes(ours),
                _knn(ours), told,
            ])  # fmt: skip
    columns = (
        "network", "N", "paper: converge", "ours: converge", "ours: test", "tamed: converge", "tamed: test",
        "tamed: classes", "tamed: kNN", "verdict",
    )  # fmt: skip
    return Table(
        "large", "Large classic networks", "the paper's settings, and one with which they are to train", columns, rows,
        [f"Tamed: base_lr 0.01 · 1000 / width, and in the last layer sparse {classic.SPARSE} · 1000 / width; all else "
         "as in Table I. What a neuron sums up at first, and how far a step moves it, is then as in classic-1000.",
         _CELLS],
    )  # fmt: skip


def order(results: Results, seeds: int, quick: bool) -> Table:
    """The training images in random order, and in that of their file."""
    rows = []
    for network in ORDERED:
        cells = printed.cells("table1" if network.startswith("classic") else "table4")
        for dims in DIMS:
            numbers, cell = range(1, seeds + 1), cells[network, dims]
            row = [network, str(dims), pair({name: mean([run.test[name] for run in cell.runs]) for name in LOSSES})]
            for make in (training, in_file_order):
                ours = results([make(network, dims, seed, quick) for seed in numbers])
                row += [_mean(ours), _spread(ours), verdict(cell.runs, ours, seeds)]
            rows.append(row)
    columns = (
        "network", "N", "paper: test", "shuffled: test", "shuffled: spread", "shuffled: verdict",
        "in file order: test", "in file order: spread", "in file order: verdict",
    )  # fmt: skip
    return Table(
        "order", "Order of the training images", "shuffled in each epoch, and as they stand in the file", columns, rows,
        [f"{_CELLS} Spread: {_SPREAD}", "All else is as in Tables I and IV."],
    )  # fmt: skip


def pooled(results: Results, seeds: int, quick: bool) -> Table:
    """Networks with pooling beside the Model of the same size."""
    rows = []
    for model, names in pooled_networks().items():
        for dims in DIMS:
            base = [run for run in results(_all(model, dims, seeds, quick)) if converged(run)]
            for network in (model, *names):
                ours = results(_all(network, dims, seeds, quick))
                good = [run for run in ours if converged(run)]
                summary = summarize(plan_of(network, dims))
                beside = _beside(good, base) if network != model else ""
                rows.append([
                    network, str(dims), str(summary.size), str(summary.parameters), _mean(ours), _spread(ours),
                    *_counts(ours), _classes(ours), _knn(ours), beside,
                ])  # fmt: skip
    columns = (
        "network", "N", "size", "parameters", "test", "spread", "seeds", "converge", "classes", "kNN", "verdict",
    )  # fmt: skip
    notes = [f"{_CELLS} Spread: {_SPREAD}", "Verdict: against the Model of the same size, Euclidean loss."]
    return Table(
        "pooled", "Pooling", "convolutional auto-encoders with pooling beside Models 1 and 2", columns, rows, notes
    )


def _all(network: str, dims: int, seeds: int, quick: bool) -> list[Experiment]:
    return [training(network, dims, seed, quick) for seed in range(1, seeds + 1)]


def _beside(good: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]]) -> Judged:
    if not good or not base:
        return _NO_VERDICT
    above = round(100 * _above(good, base)[1], 1)
    word = "lower" if above < 0 else "higher" if above else "equal"
    return Judged(f"{word}: {above:+.1f} %", above < 0 if above else None)


def _above(ours: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]]) -> list[float]:
    """By how much our mean test losses are above those of `base`, as shares."""
    return [mean([run["test"][n] for run in ours]) / mean([run["test"][n] for run in base]) - 1 for n in LOSSES]


def _mean(runs: Sequence[Mapping[str, Any]]) -> str:
    good = [run for run in runs if converged(run)]
    if not good:
        return "none" if runs else "not run"
    return pair({name: mean([run["test"][name] for run in good]) for name in LOSSES})


def _spread(runs: Sequence[Mapping[str, Any]]) -> str:
    return spread([run for run in runs if converged(run)])


def _counts(runs: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    return str(len(runs)), _converge(runs)


def _converge(runs: Sequence[Mapping[str, Any]]) -> str:
    return f"{sum(map(converged, runs))} of {len(runs)}" if runs else ""


def _knn(runs: Sequence[Mapping[str, Any]]) -> str:
    known = [run["knn"] for run in runs if converged(run) and run.get("knn") is not None]
    return share(mean(known) if known else None)


def _classes(runs: Sequence[Mapping[str, Any]]) -> str:
    return of_thirty([run.get("classes") for run in runs])
