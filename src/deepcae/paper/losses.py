"""Tables I and IV: the losses of the paper's runs beside those of ours."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from ..printed import tables as printed
from ..printed.tables import LOSSES, Cell, PaperRun
from .table import Table
from .verdict import MEAN_IMAGE, TOLERANCE, converged, learned, mean, verdict

Results = Mapping[tuple[str, int], Sequence[Mapping[str, Any]]]
"""(network, N) → our finished runs."""

_COLUMNS = (
    "network", "N", "paper: train", "ours: train", "paper: test", "ours: test", "spread", "seeds",
    "paper: classes of 30", "ours: classes", "kNN", "verdict",
)  # fmt: skip
HEADINGS = {"table1": "Table I", "table4": "Table IV"}
_ABOUT = {
    "table1": "classic auto-encoders, 5,000 iterations",
    "table4": "convolutional auto-encoders, 20,000 iterations",
}


def table(name: str, results: Results, seeds: int) -> Table:
    """`table1` or `table4`: a row for each network and N; a cell holds cross-entropy; Euclidean loss."""
    cells = printed.cells(name)
    rows = [_row(cell, results.get(key, ()), seeds) for key, cell in cells.items()]
    notes = [*_legend(), *_other_data(results), *_failures(results, list(cells))]
    return Table(name, HEADINGS[name], _ABOUT[name], _COLUMNS, rows, notes)


def runs_table(name: str, results: Results) -> Table:
    """Every run of ours by itself."""
    rows = []
    for (network, dims), runs in results.items():
        for run in runs:
            pairs = [pair(run[part]) if part in run else "" for part in ("train", "test")]
            seed, seconds = run["experiment"]["seed"], run.get("seconds")
            rows.append([
                network, str(dims), str(seed), run["outcome"], *pairs, _number(run.get("classes")),
                share(run.get("knn")), "" if seconds is None else f"{seconds:.0f}", run.get("reason", ""),
            ])  # fmt: skip
    columns = ("network", "N", "seed", "outcome", "train", "test", "classes of 10", "kNN", "seconds", "the guard says")
    return Table(f"{name}-runs", HEADINGS[name], "each run of ours", columns, rows, under=name, on_screen=False)


def _row(cell: Cell, ours: Sequence[Mapping[str, Any]], seeds: int) -> list[str]:
    good = [run for run in ours if converged(run)]
    theirs = [run for run in cell.runs if learned(run)]
    part = f" ({len(theirs)} of {len(cell.runs)})" if len(theirs) < len(cell.runs) else ""
    mine = f" ({len(good)} of {len(ours)})" if len(good) < len(ours) else ""
    classes = [run.get("classes") for run in ours]
    knn = [run["knn"] for run in good if run.get("knn") is not None]
    return [
        cell.network, str(cell.dims),
        _paper(theirs, "train") + part, _ours(good, "train") + mine,
        _paper(theirs, "test") + part, _ours(good, "test") + mine, spread(good), str(len(ours)),
        str(cell.classes), of_thirty(classes), share(mean(knn) if knn else None),
        verdict(cell.runs, ours, seeds),
    ]  # fmt: skip


def _paper(runs: Sequence[PaperRun], part: str) -> str:
    return pair({name: mean([getattr(run, part)[name] for run in runs]) for name in LOSSES}) if runs else "none"


def _ours(runs: Sequence[Mapping[str, Any]], part: str) -> str:
    return pair({name: mean([run[part][name] for run in runs]) for name in LOSSES}) if runs else "none"


def spread(runs: Sequence[Mapping[str, Any]]) -> str:
    """`±0.92; ±0.15`: the standard deviation of the test losses; nothing of one run."""
    if len(runs) < 2:
        return ""
    return pair({name: statistics.stdev(run["test"][name] for run in runs) for name in LOSSES}, "±")


def of_thirty(counts: Sequence[int | None]) -> str:
    """`24 (9+8+7)`; of fewer or more runs than three also what it comes to of 30."""
    known = [count for count in counts if count is not None]
    if not known:
        return ""
    of = f" of {10 * len(known)}" if len(known) != printed.RUNS else ""
    return f"{sum(known)}{of} ({'+'.join(map(str, known))})"


def pair(losses: Mapping[str, float], sign: str = "") -> str:
    """`148.92; 16.85`: cross-entropy; Euclidean loss."""
    return "; ".join(f"{sign}{losses[name]:.2f}" for name in LOSSES if name in losses)


def _number(value: int | None) -> str:
    return "" if value is None else str(value)


def share(value: float | None) -> str:
    """`93.1 %`; nothing of None."""
    return "" if value is None else f"{100 * value:.1f} %"


def _legend() -> list[str]:
    return [
        "A cell holds sigmoid cross-entropy; Euclidean loss: means of the runs that learn; spread: standard deviation.",
        f"Reproduced: all runs converge, and no mean test loss is more than {100 * TOLERANCE:.0f} % above the paper's.",
        "Classes: the paper's by eye, ours by measure (docs/06-codes.md); kNN: of the test codes, leave-one-out.",
    ]


def _other_data(results: Results) -> list[str]:
    """A warning where the mean image has other losses than on MNIST."""
    found = [run["mean_image"] for runs in results.values() for run in runs if "mean_image" in run]
    if all(abs(losses[name] / MEAN_IMAGE[name] - 1) < 1e-3 for losses in found for name in LOSSES):
        return []
    return ["Ours are not on MNIST, by the losses of the mean image: no verdict here means anything."]


def _failures(results: Results, keys: Sequence[tuple[str, int]]) -> list[str]:
    """What the guard says of each run that did not converge."""
    told = []
    for key in keys:
        for run in results.get(key, ()):
            if not converged(run):
                seed, network, dims = run["experiment"]["seed"], *key
                told.append(f"{network}, N = {dims}, seed {seed}: {run['outcome']}. {''.join(run['reasons'][:1])}")
    return told
