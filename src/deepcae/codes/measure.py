"""What codes are worth: do neighbours in code space belong to the same class?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError

NEIGHBOURS = 10
SEPARATED = 0.9  # see classes_separated


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
        queries = np.asarray(test_codes, dtype=np.float64)
        distances, neighbours = index.kneighbors(queries.reshape(len(queries), -1))
    names, votes = np.unique(labels, return_inverse=True)
    return names[_majority(votes[neighbours], distances, len(names))]


def _majority(votes: np.ndarray, distances: np.ndarray, num_classes: int) -> np.ndarray:
    """votes (M, k) class numbers, distances (M, k) ascending → the winner (M,)."""
    rows = np.arange(len(votes))[:, None]
    count = np.zeros((len(votes), num_classes))
    np.add.at(count, (rows, votes), 1.0)
    nearness = np.zeros_like(count)
    np.add.at(nearness, (rows, votes), 1.0 / (1.0 + distances))  # each in (0, 1], so it only breaks ties
    return np.argmax(count + nearness / (votes.shape[1] + 1), axis=1)


@dataclass(frozen=True)
class ClassRow:
    """One class in a map. recall: share of its points found; precision: share of points given its name that are its."""

    label: Any
    count: int
    recall: float
    precision: float
    separated: bool


@dataclass(frozen=True)
class Separation:
    """`count` of `total` classes stand apart, `rows` says which; `confusion[i, j]`: points of class i taken for j."""

    rows: tuple[ClassRow, ...]
    confusion: np.ndarray
    threshold: float
    k: int

    @property
    def count(self) -> int:
        return sum(row.separated for row in self.rows)

    @property
    def total(self) -> int:
        return len(self.rows)

    @property
    def accuracy(self) -> float:
        return float(np.trace(self.confusion) / self.confusion.sum())

    def __str__(self) -> str:
        return f"{self.count} of {self.total}"


def classes_separated(
    codes: np.ndarray, labels: np.ndarray, *, threshold: float = SEPARATED, k: int = NEIGHBOURS
) -> Separation:
    """A class is separated when recall >= threshold and precision >= threshold, both leave-one-out kNN in the 2-D map.

    recall_c = confusion[c, c] / sum_j confusion[c, j];  precision_c = confusion[c, c] / sum_i confusion[i, c].

    codes (N, K), in general the 2-D map that a person would look at (the codes themselves, or their t-SNE map), labels
    (N,). This stands beside the paper's count by eye: "correctly classified" there means "that the color of one class
    is not mixed with the color of another class" (10 per run, 30 per three runs; Tables I and IV).
    """
    codes, labels = _rows(codes, labels)
    names, truth = np.unique(labels, return_inverse=True)
    guess = np.searchsorted(names, knn_predict(codes, labels, min(k, max(len(codes) - 1, 1))))
    confusion = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(confusion, (truth, guess), 1)
    hits = np.diag(confusion).astype(np.float64)
    recall = hits / confusion.sum(axis=1)
    precision = hits / np.maximum(confusion.sum(axis=0), 1)
    rows = tuple(
        ClassRow(name.item(), int(size), float(r), float(p), bool(min(r, p) >= threshold))
        for name, size, r, p in zip(names, confusion.sum(axis=1), recall, precision, strict=True)
    )
    return Separation(rows, confusion, threshold, k)


def _rows(codes: np.ndarray, labels: np.ndarray | Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """codes (N, ...) → (N, K); labels (N, 1, ...) → (N,); both checked."""
    codes, labels = np.asarray(codes, dtype=np.float64), np.asarray(labels)
    if codes.ndim < 2 or not len(codes):
        raise DataError(f"codes have shape {codes.shape}; expected one row per example, (N, K)")
    if labels.size != len(codes):
        raise DataError(f"{labels.size} labels for {len(codes)} codes")
    if not np.isfinite(codes).all():
        row = int(np.argmax(~np.isfinite(codes.reshape(len(codes), -1)).all(axis=1)))
        raise DataError(f"code {row} holds a value that is not finite")
    return codes.reshape(len(codes), -1), labels.reshape(-1)
