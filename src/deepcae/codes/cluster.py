"""Do the codes fall into heaps that are the classes, though no label was ever seen?"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ..errors import DataError
from .measure import finite_rows

STARTS = 10  # of k-means; the one of least inertia counts


@dataclass(frozen=True)
class Clustering:
    """How k-means clusters agree with the classes: `accuracy` 0..1, `ari` -0.5..1 (chance: 0), `nmi` 0..1."""

    accuracy: float
    ari: float
    nmi: float


def kmeans_scores(codes: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> Clustering:
    """k-means with as many clusters as there are classes, minimising sum_i |code_i - centre of i's cluster|^2.

    accuracy: see `matched_accuracy`. ARI = (RI - E[RI]) / (max RI - E[RI]), RI: share of pairs of codes on which
    clusters and classes agree (Hubert and Arabie 1985). NMI = I(clusters, classes) / ((H(clusters) + H(classes)) / 2)
    (Strehl and Ghosh 2002). Ten starts by k-means++ that `seed` draws. codes (N, ...) as they are, not standardised;
    labels (N,).
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

    rows, labels = finite_rows(codes), np.asarray(labels).reshape(-1)
    if len(labels) != len(rows):
        raise DataError(f"{len(labels)} labels for {len(rows)} codes")
    count = len(np.unique(labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # codes that are all alike have fewer clusters than classes
        clusters = KMeans(count, n_init=STARTS, random_state=seed).fit_predict(rows)
    return Clustering(
        accuracy=matched_accuracy(clusters, labels),
        ari=float(adjusted_rand_score(labels, clusters)),
        nmi=float(normalized_mutual_info_score(labels, clusters)),
    )


def matched_accuracy(clusters: np.ndarray, labels: np.ndarray) -> float:
    """accuracy = max over one-to-one maps m of clusters to classes of (1/N) * #{i : m(cluster of i) == label of i}.

    The best map by the Hungarian algorithm (scipy). clusters, labels (N,); their names do not matter.
    Source: Xie, Girshick and Farhadi 2016, eq. 10.
    """
    from scipy.optimize import linear_sum_assignment

    _, first = np.unique(clusters, return_inverse=True)
    _, second = np.unique(labels, return_inverse=True)
    table = np.zeros((first.max() + 1, second.max() + 1), dtype=np.int64)
    np.add.at(table, (first.reshape(-1), second.reshape(-1)), 1)
    chosen = linear_sum_assignment(table, maximize=True)
    return float(table[chosen].sum() / table.sum())
