"""Finds clusters among the codes, and compares clusters with the classes. No label is used to find them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from ..errors import DataError
from .measure import finite_rows

MOST, FEWEST = 10, 5  # clusters that are tried; codes of one, on average
SAMPLED = 2_000  # codes of which the silhouette is computed: memory goes by the square
CLEAR = 0.25  # silhouette from which one may speak of heaps (Kaufman and Rousseeuw 1990) ...
BEYOND = 0.05  # ... and so much more than that of a cloud
VALLEY = 0.5  # of the codes at two centres, how many there may be half way, where one may speak of heaps
WINDOW = 0.15  # of the way between two centres, to each side, in which codes are counted
STARTS = 10  # of k-means; the one of least inertia counts


@dataclass(frozen=True)
class Clustering:
    """How k-means clusters agree with the classes: `accuracy` 0..1, `ari` -0.5..1 (chance: 0), `nmi` 0..1."""

    accuracy: float
    ari: float
    nmi: float


@dataclass(frozen=True)
class Clusters:
    """Heaps that were found: `labels` (N,) from 0, the largest first, and how clear they are.

    `silhouette`: mean of (b - a) / max(a, b), a: distance of a code to the others of its heap, b: to those of the next
    one; 1 is clear, 0 none. `of_a_cloud`: that of a Gaussian cloud with the same mean and covariance, cut alike, which
    has no heaps. `near`: N codes' distances to their centres. `valley`: of any two heaps that are cut from each other,
    the codes half way between their centres, of those at the centres, the most: 0 where heaps lie apart, about 1 where
    a band or a cloud is cut.
    """

    labels: np.ndarray
    silhouette: float
    of_a_cloud: float
    near: np.ndarray
    valley: float = 0.0

    @property
    def count(self) -> int:
        return int(self.labels.max()) + 1

    @property
    def sizes(self) -> list[int]:
        return np.bincount(self.labels).tolist()

    @property
    def are_clear(self) -> bool:
        """Whether the silhouette is that of heaps, more than what cutting a cloud gives, and few codes lie between."""
        return self.silhouette >= max(CLEAR, self.of_a_cloud + BEYOND) and self.valley <= VALLEY

    def to_json(self) -> dict[str, Any]:
        return {
            "sizes": self.sizes, "clear": self.are_clear,
            "silhouette": self.silhouette, "of_a_cloud": self.of_a_cloud, "valley": self.valley,
        }  # fmt: skip

    def __str__(self) -> str:
        """How many, how large, and whether they are heaps: in a line."""
        sizes = ", ".join(f"{size:,}" for size in self.sizes)
        what = "heaps that lie apart" if self.are_clear else "pieces of one cloud rather than heaps"
        told = f"silhouette {self.silhouette:.2f}, of a cloud without heaps {self.of_a_cloud:.2f}"
        return f"{self.count} of {sizes} codes, {what} ({told})"

    def examples(self, cluster: int, most: int) -> np.ndarray:
        """The rows of the codes nearest to a heap's centre, nearest first."""
        rows = np.flatnonzero(self.labels == cluster)
        return rows[np.argsort(self.near[rows], kind="stable")[:most]]


def find_clusters(codes: np.ndarray, *, most: int = MOST, seed: int = 0) -> Clusters:
    """k-means with the number of clusters, from 2 to `most`, whose silhouette is greatest.

    The silhouette is of `SAMPLED` of the codes, at most. codes (N, ...) as they are, not standardised. DataError for
    fewer than ten, or where all are alike. Source: Rousseeuw 1987; scikit-learn computes both.
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import silhouette_score

    rows = finite_rows(codes)
    if len(rows) < 2 * FEWEST or not np.ptp(rows, axis=0).any():
        why = "all codes are alike" if len(rows) >= 2 * FEWEST else f"there are {len(rows)} codes"
        raise DataError(f"clusters are looked for among {2 * FEWEST} different codes at least; {why}")
    sample = np.sort(np.random.default_rng(seed).permutation(len(rows))[:SAMPLED])
    best: tuple[float, Any] | None = None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for count in range(2, min(most, len(rows) // FEWEST) + 1):
            model = KMeans(count, n_init=3, random_state=seed).fit(rows)
            found = model.labels_[sample]
            if not 1 < len(np.unique(found)) < len(found):
                continue
            score = float(silhouette_score(rows[sample], found))
            if best is None or score > best[0] + 1e-9:
                best = score, model
    if best is None:
        raise DataError("all codes are alike but for a few: they make no clusters")
    score, model = best
    order = np.argsort(-np.bincount(model.labels_, minlength=model.n_clusters), kind="stable")
    near = np.linalg.norm(rows - model.cluster_centers_[model.labels_], axis=1)
    cloud = _of_a_cloud(rows[sample], model.n_clusters, seed)
    return Clusters(np.argsort(order)[model.labels_], score, cloud, near, _valley(rows, model))


def _valley(rows: np.ndarray, model: Any) -> float:
    """Codes of two clusters on the line through their centres: how many half way, of those at the centres."""
    centres, found = model.cluster_centers_, 0.0
    for first, second in combinations(range(len(centres)), 2):
        way = centres[second] - centres[first]
        own = rows[(model.labels_ == first) | (model.labels_ == second)]
        place = (own - centres[first]) @ way / (way @ way)  # 0 and 1 at the centres
        at = [float((np.abs(place - middle) <= WINDOW).sum()) for middle in (0, 0.5, 1)]
        found = max(found, at[1] / max(min(at[0], at[2]), 1.0))
    return found


def _of_a_cloud(rows: np.ndarray, count: int, seed: int) -> float:
    """The silhouette of as many clusters of normal numbers with the mean and covariance of `rows`."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    centred = rows - rows.mean(axis=0)
    weights = np.random.default_rng(seed).normal(size=(len(rows), len(rows))) / np.sqrt(len(rows))
    cloud = weights @ centred  # each a random sum of the centred codes: their covariance, and no heaps
    found = KMeans(count, n_init=3, random_state=seed).fit_predict(cloud)
    return float(silhouette_score(cloud, found)) if len(np.unique(found)) > 1 else 0.0


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
