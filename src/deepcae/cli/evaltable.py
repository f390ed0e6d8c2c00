"""Prints the worth of codes: as a table for people (a column for each kind of codes), as JSON and CSV for programs."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..codes.judging import MEASURES, NEIGHBOURHOODS, TEST, TRAIN, Judged
from ..codes.measure import NEIGHBOURS
from .screen import cell, tell, width, wrapped

if TYPE_CHECKING:
    from rich.console import Console

NONE = "–"
STRONGEST = 16  # numbers of a code that are shown beside what goes with them
_GROUPS = dict.fromkeys(("cross_entropy", "l2", "l2_median", "l2_worst", "l2_pca", "l2_mean"), "losses")
_GROUPS |= {"knn": "classifiers", "linear": "classifiers", "mlp": "classifiers"}
_GROUPS |= {"kmeans": "clusters", "ari": "clusters", "nmi": "clusters"}
_SHARES = {"knn", "linear", "mlp", "kmeans"}  # shown in percent
_LOSSES = {name for name, group in _GROUPS.items() if group == "losses"}


def samples() -> dict[str, int]:
    """How many examples each measure takes at most, and the size of a neighbourhood."""
    return {"train": TRAIN, "test": TEST, "neighbourhoods": NEIGHBOURHOODS, "k": NEIGHBOURS}


def records(judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """A record for each kind of codes: its name, sizes, and every measure (None where there is none)."""
    return [
        {
            "name": each.name,
            "dims": each.dims,
            "train": each.num_train,
            "test": each.num_test,
            "left_out": each.num_given - each.num_test,
            "classes": each.num_classes,
            **each.values,
            "related": [one.to_json() for one in each.related],
        }
        for each in judged
    ]


def write_csv(judged: Sequence[Judged]) -> None:
    """The records, comma-separated, on stdout; an empty field where there is no number."""
    rows = [{name: value for name, value in each.items() if name != "related"} for each in records(judged)]
    writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def show(judged: Sequence[Judged], seed: int) -> None:
    """The table and what it is made of, on stdout."""
    from rich.box import SIMPLE
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE, show_edge=False, pad_edge=False)
    table.add_column("test codes")
    for each in judged:
        table.add_column(cell(each.name), justify="right")
    table.add_row("dimensions (N)", *(str(each.dims) for each in judged))
    shown = [name for name in MEASURES if any(each.values[name] is not None for each in judged)]
    for name, after in zip(shown, [*shown[1:], ""], strict=True):
        ends = _GROUPS.get(name) != _GROUPS.get(after) and bool(after)
        table.add_row(MEASURES[name], *(_shown(name, each) for each in judged), end_section=ends)
    console = Console(file=sys.stdout, width=width(), highlight=False)
    console.print(table)
    tell(_conditions(judged, seed, shown))
    for each in judged:
        _show_related(each, console)


def _show_related(judged: Judged, console: Console) -> None:
    """What goes with each number of one kind of codes; of many the strongest."""
    import numpy as np
    from rich.box import SIMPLE
    from rich.table import Table

    if not judged.related:
        return
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False)
    table.add_column(cell(judged.name))
    for one in judged.related:
        for word in ["η²"] if one.eta2 is not None else ["r", "ρ"]:
            table.add_column(f"{word} {cell(one.name)}", justify="right")
    strength = np.max([one.strength for one in judged.related], axis=0)
    for k in sorted(np.argsort(-strength, kind="stable")[:STRONGEST].tolist()):
        values = [each for one in judged.related for each in (one.eta2, one.pearson, one.spearman) if each is not None]
        table.add_row(f"code {k + 1}", *(f"{each[k]:.2f}" for each in values))
    tell("")
    console.print(table)
    chances = [f"{one.name} (n = {one.count:,}) {one.chance:.2f}" for one in judged.related]
    said = (
        "r: Pearson's correlation, ρ: Spearman's; η²: the share of the variance between classes; each number by itself"
    )
    more = f"; the {STRONGEST} of {judged.dims} numbers with which the most goes" if judged.dims > STRONGEST else ""
    reached = f"; by chance alone the greatest |ρ| or η² of all stays below, in 95 of 100 cases: {', '.join(chances)}"
    tell(wrapped(f"{said}{more}{reached}"))


def _shown(name: str, judged: Judged) -> str:
    value = judged.values[name]
    if value is None:
        return NONE
    if name == "separated":
        return f"{value:.0f} of {judged.num_classes}"
    if name in _SHARES:
        return f"{100 * value:.2f} %"
    return _loss(value) if name in _LOSSES else f"{value:.4f}"


def _loss(value: float) -> str:
    """Two digits behind the point, or as many as a small loss needs: 148.33, 0.0012."""
    return f"{value:.2f}" if abs(value) >= 10 or not value else f"{value:.4g}"


def _conditions(judged: Sequence[Judged], seed: int, shown: Sequence[str]) -> str:
    """What the numbers are of, in a few lines."""
    trained = ", ".join(dict.fromkeys(f"{each.num_train:,}" for each in judged if each.num_train)) or "no"
    tested = max(each.num_test for each in judged)
    after, near = f"after {trained} training codes", f"{min(NEIGHBOURHOODS, tested):,} test images"
    told = {
        "l2": "losses: mean per test image; Euclidean loss: half its squared error",
        "l2_pca": "PCA, mean image: of the training images, in the network's place",
        "knn": f"kNN (k = {NEIGHBOURS}) and classifiers: accuracy on {tested:,} test codes {after}",
        "kmeans": f"k-means: {tested:,} test codes",
        "trustworthiness": f"trustworthiness and continuity (k = {NEIGHBOURS}): {near}",
        "separated": f"classes separated: in the map of {tested:,} test codes, by t-SNE where N is not 2",
    }
    said = "; ".join([f"seed {seed}", *(words for name, words in told.items() if name in shown)])
    return wrapped(said)
