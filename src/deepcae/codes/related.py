"""How each number of a code goes with what else is known of the images: a speed, a time, a depth, or classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from .columns import Column
from .measure import finite_rows

SHIFTS, SURE = 199, 0.95  # shifts of the column against the codes; quantile of what they bring
FEWEST = 10  # images of which a column tells something
UNSHIFTED = 0.1  # of the images, at either end, by which nothing is shifted: neighbours are alike


@dataclass(frozen=True)
class Related:
    """`name`: of the column, of which `count` images have a value. Of numbers: `pearson` r and `spearman` rho, (K,).

    Of classes: `eta2`, the share of the variance of each number of the code that lies between the classes, (K,).
    `chance`: what the strongest of the K numbers (|rho|, or eta2) comes to by chance, at most, in 95 of 100 cases.
    """

    name: str
    count: int
    chance: float
    pearson: np.ndarray | None = None
    spearman: np.ndarray | None = None
    eta2: np.ndarray | None = None

    @property
    def strength(self) -> np.ndarray:
        """(K,): |rho|, or eta2."""
        return np.abs(self.spearman) if self.spearman is not None else np.asarray(self.eta2)

    def to_json(self) -> dict[str, Any]:
        told: dict[str, Any] = {"name": self.name, "n": self.count, "chance": self.chance}
        given = {"pearson": self.pearson, "spearman": self.spearman, "eta2": self.eta2}
        return told | {name: values.tolist() for name, values in given.items() if values is not None}


def related(codes: np.ndarray, column: Column) -> Related:
    """codes (N, ...), in their order, and a column (N,) of numbers or classes; NaN is left out.

    r = cov(c, v) / (s_c s_v); rho: r of the ranks, ties sharing their mean (Spearman 1904);
    eta2 = sum_j n_j (mean_j - mean)^2 / sum_i (c_i - mean)^2 over classes j (Fisher 1925).

    K numbers are K trials, and neighbours in a recording are no two trials. So `chance` is found by the same measure of
    the column shifted against the codes, round the end, by `SHIFTS` lengths: the `SURE` quantile of the largest of the
    K. DataError for fewer than `FEWEST` values, or where all are alike.
    """
    rows, values = finite_rows(codes), np.asarray(column.values).reshape(-1)
    if len(values) != len(rows):
        raise DataError(f"{len(values)} values of '{column.name}' for {len(rows)} codes")
    known = np.isfinite(values) if values.dtype.kind == "f" else np.ones(len(values), bool)
    rows, values = rows[known], values[known]
    if len(values) < FEWEST:
        raise DataError(f"'{column.name}' has {len(values)} values; {FEWEST} are needed to tell what goes with them")
    if (values == values[0]).all():
        raise DataError(f"all values of '{column.name}' are {values[0]}")
    edge = max(1, round(UNSHIFTED * len(values)))
    shifts = np.unique(np.linspace(edge, len(values) - edge, SHIFTS).round().astype(int)).tolist()
    if column.classes:
        eta2 = _between(rows, values)
        most = [_between(rows, np.roll(values, shift)).max() for shift in shifts]
        return Related(column.name, len(values), float(np.quantile(most, SURE)), eta2=eta2)
    ranked, ranks = _ranks(rows), _ranks(values[:, None])[:, 0]
    most = [np.abs(_pearson(ranked, np.roll(ranks, shift))).max() for shift in shifts]
    return Related(
        column.name, len(values), float(np.quantile(most, SURE)), _pearson(rows, values.astype(np.float64)),
        _pearson(ranked, ranks),
    )  # fmt: skip


def _ranks(rows: np.ndarray) -> np.ndarray:
    from scipy.stats import rankdata

    return np.asarray(rankdata(rows, axis=0), np.float64)


def _pearson(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(n, K), (n,) → (K,); 0 for a number of the code that never changes."""
    apart, other = rows - rows.mean(axis=0), values - values.mean()
    lengths = np.sqrt(np.square(apart).sum(axis=0)) * np.sqrt(np.square(other).sum())
    return np.divide(other @ apart, lengths, out=np.zeros(rows.shape[1]), where=lengths > 0)


def _between(rows: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """(n, K), (n,) → eta2 (K,); 0 for a number of the code that never changes."""
    _, of = np.unique(classes, return_inverse=True)
    apart = rows - rows.mean(axis=0)
    counts = np.bincount(of)
    sums = np.stack([np.bincount(of, weights=each) for each in apart.T], axis=1)
    between, whole = (np.square(sums) / counts[:, None]).sum(axis=0), np.square(apart).sum(axis=0)
    return np.divide(between, whole, out=np.zeros(rows.shape[1]), where=whole > 0)
