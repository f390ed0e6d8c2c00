"""What codes are worth: do neighbours in code space belong to the same class?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError

NEIGHBOURS = 10
MIXED = 0.1  # share of a class's area from which its colour counts as mixed with another's
CELLS = 50  # per side of the map


def knn_accuracy(
    codes: np.ndarray,
    labels: np.ndarray,
    k: int = NEIGHBOURS,
    *,
    test_codes: np.ndarray | None = None,
    test_labels: np.ndarray | None = None,
) -> float:
    """accuracy = (1/M) * #{i : majority label of the k nearest codes of i == label of i}, Euclidean distance.

    codes (N, K), labels (N,). Without a test set each code is judged by all the others (leave-one-out, M = N); with
    test_codes (M, K) and test_labels (M,) each of those is judged by the N codes. A tie of votes goes to the class
    whose voters are nearer.
    """
    if (test_codes is None) != (test_labels is None):
        raise DataError("kNN accuracy: test_codes and test_labels come together; one of them is missing")
    truth = labels if test_labels is None else test_labels
    return float(np.mean(knn_predict(codes, labels, k, test_codes=test_codes) == np.asarray(truth).reshape(-1)))


def knn_predict(
    codes: np.ndarray, labels: np.ndarray, k: int = NEIGHBOURS, *, test_codes: np.ndarray | None = None
) -> np.ndarray:
    """The majority label (M,) of each code's k nearest codes; of all but itself where there is no test set."""
    from sklearn.neighbors import NearestNeighbors

    codes, labels = _rows(codes, labels)
    others = len(codes) - (test_codes is None)
    if not 1 <= k <= others:
        raise DataError(f"kNN: k is {k}; with {len(codes)} codes it must be 1 to {others}")
    index = NearestNeighbors(n_neighbors=k).fit(codes)
    if test_codes is None:  # no argument: scikit-learn leaves each point out of its own neighbours
        distances, neighbours = index.kneighbors()
    else:
        distances, neighbours = index.kneighbors(finite_rows(test_codes))
    names, votes = np.unique(labels, return_inverse=True)
    return names[_majority(votes[neighbours], distances, len(names))]


def _majority(votes: np.ndarray, distances: np.ndarray, num_classes: int) -> np.ndarray:
    """votes (M, k) class numbers, distances (M, k) ascending → the winner (M,)."""
    rows = np.arange(len(votes))[:, None]
    count = np.zeros((len(votes), num_classes))
    np.add.at(count, (rows, votes), 1.0)
    nearness = np.zeros_like(count)
    farthest = distances[:, -1:]
    np.add.at(nearness, (rows, votes), 1 - distances / np.where(farthest > 0, farthest, 1.0))  # each in [0, 1]
    return np.argmax(count + nearness / (votes.shape[1] + 1), axis=1)  # so the nearness only breaks ties


@dataclass(frozen=True)
class ClassRow:
    """One class in a map; `recall` and `precision` count points, `mixed` weighs them by the area they cover.

    mixed: the larger of two shares, taken with the class for which it is largest (`mixed_with`): of this class's area
    that lies among the other's points, and of the area that looks like this class but is the other's.
    """

    label: Any
    count: int
    recall: float
    precision: float
    mixed: float
    mixed_with: Any
    separated: bool


@dataclass(frozen=True)
class Separation:
    """`count` of `total` classes stand apart, `rows` says which; `confusion[i, j]`: points of class i taken for j."""

    rows: tuple[ClassRow, ...]
    confusion: np.ndarray

    @property
    def count(self) -> int:
        return sum(row.separated for row in self.rows)

    @property
    def total(self) -> int:
        return len(self.rows)

    @property
    def accuracy(self) -> float:
        """Share of points that their neighbours in the map name rightly."""
        return float(np.trace(self.confusion) / self.confusion.sum())

    def __str__(self) -> str:
        return f"{self.count} of {self.total}"


def classes_separated(
    map2d: np.ndarray, labels: np.ndarray, *, mixed: float = MIXED, k: int = NEIGHBOURS, cells: int = CELLS
) -> Separation:
    """separated_c = no other class j has  max(A[c, j] / A[c, :], A[j, c] / A[:, c]) > mixed,  A: the confusion in area.

    A[i, j] = sum of w over the points of class i whose k nearest other points in the map are mostly of class j;
    w = 1 / (number of points in the point's cell), of cells x cells that divide the map: points printed over each other
    cover their area once. map2d (N, 2): the codes themselves, or their t-SNE map; labels (N,).

    This stands beside the paper's count by eye, where "the color of one class is not mixed with the color of another
    class(es)" (10 per run, 30 per three runs; Tables I and IV). Why these numbers: docs/06-codes.md.
    """
    points, labels = _rows(map2d, labels)
    if points.shape[1] != 2:
        raise DataError(f"separated classes are counted in a 2-D map; codes of shape {points.shape} need tsne() first")
    if len(points) < 2:
        raise DataError("separated classes are counted among several codes; there is one")
    names, truth = np.unique(labels, return_inverse=True)
    guess = np.searchsorted(names, knn_predict(points, labels, min(k, max(len(points) - 1, 1))))
    confusion = _confusion(truth, guess, np.ones(len(points), dtype=np.int64), len(names))
    area = _confusion(truth, guess, _area(points, cells), len(names))
    share = np.maximum(_share(area, axis=1), _share(area, axis=0).T)
    np.fill_diagonal(share, 0)
    recall, precision = np.diag(_share(confusion, axis=1)), np.diag(_share(confusion, axis=0))
    rows = []
    for index, name in enumerate(names):
        other = int(share[index].argmax())
        worst = float(share[index, other])
        rows.append(
            ClassRow(
                label=name.item(),
                count=int(confusion[index].sum()),
                recall=float(recall[index]),
                precision=float(precision[index]),
                mixed=worst,
                mixed_with=names[other].item() if worst > 0 else None,
                separated=worst <= mixed and bool(recall[index] > 0),
            )
        )
    return Separation(tuple(rows), confusion)


def _confusion(truth: np.ndarray, guess: np.ndarray, weights: np.ndarray, num_classes: int) -> np.ndarray:
    confusion = np.zeros((num_classes, num_classes), dtype=weights.dtype)
    np.add.at(confusion, (truth, guess), weights)
    return confusion


def _share(confusion: np.ndarray, axis: int) -> np.ndarray:
    sums = confusion.sum(axis=axis, keepdims=True)
    return confusion / np.where(sums > 0, sums, 1)


def _area(points: np.ndarray, cells: int) -> np.ndarray:
    """(N, 2) → each point's part (N,) of the area of its cell."""
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    column, row = np.minimum((points - low) / span * cells, cells - 1).astype(np.int64).T
    cell = column * cells + row
    return 1.0 / np.bincount(cell)[cell]


def _rows(codes: np.ndarray, labels: np.ndarray | Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """codes (N, ...) → (N, K); labels (N, 1, ...) → (N,); both checked."""
    labels = np.asarray(labels)
    if np.ndim(codes) > 1 and labels.size != len(codes):
        raise DataError(f"{labels.size} labels for {len(codes)} codes")
    return finite_rows(codes), labels.reshape(-1)


def finite_rows(codes: np.ndarray) -> np.ndarray:
    """codes (N, ...) → (N, K) in double precision. DataError for other shapes, and for values that are not finite."""
    rows = np.asarray(codes, dtype=np.float64)
    if rows.ndim < 2 or not len(rows):
        raise DataError(f"codes have shape {rows.shape}; expected one row per example, (N, K)")
    rows = rows.reshape(len(rows), -1)
    if not np.isfinite(rows).all():
        raise DataError(f"code {int(np.argmax(~np.isfinite(rows).all(axis=1)))} holds a value that is not finite")
    return rows
