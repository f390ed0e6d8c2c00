"""The worth of codes as a person reads it (a column for each kind of codes), and as programs do."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Any

from ..codes.judging import MEASURES, NEIGHBOURHOODS, TEST, TRAIN, Judged
from ..codes.measure import NEIGHBOURS
from .screen import cell, tell

NONE = "–"
_SHARES = {"knn", "linear", "mlp", "kmeans"}  # shown in percent
_ENTROPIES = {"cross_entropy", "l2"}


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
            "classes": each.num_classes,
            **each.values,
        }
        for each in judged
    ]


def write_csv(judged: Sequence[Judged]) -> None:
    """The records, comma-separated, on stdout; an empty field where there is no number."""
    rows = records(judged)
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
    for name, title in MEASURES.items():
        table.add_row(title, *(_shown(name, each) for each in judged), end_section=name in ("l2", "mlp", "nmi"))
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200, highlight=False)
    console.print(table)
    tell(_conditions(judged, seed))


def _shown(name: str, judged: Judged) -> str:
    value = judged.values[name]
    if value is None:
        return NONE
    if name == "separated":
        return f"{value:.0f} of {judged.num_classes}"
    if name in _SHARES:
        return f"{100 * value:.2f} %"
    return f"{value:.2f}" if name in _ENTROPIES else f"{value:.4f}"


def _conditions(judged: Sequence[Judged], seed: int) -> str:
    """What the numbers are of, in a few lines."""
    trained = ", ".join(dict.fromkeys(f"{each.num_train:,}" for each in judged if each.num_train)) or "no"
    tested = max(each.num_test for each in judged)
    return (
        f"seed {seed}; losses: mean per test image; kNN (k = {NEIGHBOURS}) and classifiers: accuracy on {tested:,} "
        f"test codes\nafter {trained} training codes; k-means: {tested:,} test codes; trustworthiness and continuity "
        f"(k = {NEIGHBOURS}):\n{min(NEIGHBOURHOODS, tested):,} test images; classes separated: in the map of "
        f"{tested:,} test codes, by t-SNE where N is not 2"
    )
