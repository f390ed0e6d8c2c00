"""Codes judged by every measure at once, on samples of stated size, so that several can stand in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..errors import DataError
from .classify import linear_accuracy, mlp_accuracy
from .cluster import kmeans_scores
from .columns import Column
from .embed import tsne
from .faithful import continuity, trustworthiness
from .measure import classes_separated, finite_rows, knn_accuracy
from .related import Related, related

TRAIN, TEST = 60_000, 10_000  # codes that classifiers learn from and are tested with, at most
NEIGHBOURHOODS = 2_000  # test codes whose neighbours are compared with the images', at most: memory goes by the square

MEASURES: dict[str, str] = {
    "cross_entropy": "cross entropy",
    "l2": "Euclidean loss",
    "l2_median": "its median",
    "l2_worst": "worst image",
    "l2_pca": "PCA of as many N",
    "l2_mean": "mean image",
    "knn": "kNN accuracy",
    "linear": "linear classifier",
    "mlp": "MLP classifier",
    "kmeans": "k-means accuracy",
    "ari": "k-means ARI",
    "nmi": "k-means NMI",
    "trustworthiness": "trustworthiness",
    "continuity": "continuity",
    "separated": "classes separated",
}
"""Every measure's name and title. Less is better of the losses (`l2` and what follows it: half the squared error of an
image, by the network, by PCA with as many dimensions, and with the training images' mean in each image's place), more
of all others; accuracies are 0..1."""

Images = Callable[[np.ndarray], np.ndarray]
"""Row numbers (n,), ascending → their images (n, ...)."""


@dataclass(frozen=True)
class Part:
    """Codes (N, ...), their classes (N,) where they are known, and their images where they are at hand."""

    codes: np.ndarray
    labels: np.ndarray | None = None
    images: Images | None = None

    def sample(self, most: int, seed: int) -> Part:
        """At most `most` of the examples, drawn without regard to their classes; in their order."""
        rows = sample_rows(len(self.codes), most, seed)
        if len(rows) == len(self.codes):
            return self
        images = self.images
        return Part(
            self.codes[rows],
            None if self.labels is None else self.labels[rows],
            None if images is None else lambda wanted: images(rows[wanted]),
        )


@dataclass(frozen=True)
class Subject:
    """What is judged: codes of training and test examples, and the losses known beforehand (names of `MEASURES`).

    `columns`: what else is known of the test examples.
    """

    name: str
    test: Part
    train: Part | None = None
    losses: Mapping[str, float] = field(default_factory=dict)
    columns: Sequence[Column] = ()


@dataclass(frozen=True)
class Judged:
    """A column of the table. `values`: a number for each of `MEASURES`, None where there is none; `notes`: why not.

    `num_test`: test codes that were judged, of `num_given`; `related`: what goes with each number of the code.
    """

    name: str
    dims: int
    num_train: int
    num_test: int
    num_classes: int
    values: dict[str, float | None]
    notes: tuple[str, ...] = ()
    num_given: int = 0
    related: tuple[Related, ...] = ()


def spread_of(errors: np.ndarray) -> dict[str, float]:
    """The losses that the errors of images (N,), half the squared error of each, come to."""
    each = np.asarray(errors, np.float64)
    return {"l2": float(each.mean()), "l2_median": float(np.median(each)), "l2_worst": float(each.max())}


def sample_rows(total: int, most: int, seed: int) -> np.ndarray:
    """`most` of the numbers 0 … total - 1 (all, if there are no more), ascending; the same for the same three."""
    if total <= most:
        return np.arange(total)
    return np.sort(np.random.default_rng(seed).choice(total, most, replace=False))


def judge(subject: Subject, seed: int = 0, *, n_jobs: int = 1) -> Judged:
    """Every measure that the subject's labels and images allow; `seed` draws samples and starts.

    What hinders a measure is told in the notes; codes that are not finite are a DataError.

    | measure                     | of                                                                               |
    |-----------------------------|----------------------------------------------------------------------------------|
    | kNN, linear, MLP classifier | test codes by training codes (at most `TEST`, `TRAIN`)                           |
    | k-means                     | test codes (at most `TEST`)                                                      |
    | trustworthiness, continuity | `NEIGHBOURHOODS` of the test codes and their images                              |
    | classes separated           | test codes (at most `TEST`): as they are where N is 2, else their t-SNE map      |
    """
    values: dict[str, float | None] = dict.fromkeys(MEASURES)
    values.update(subject.losses)
    notes: list[str] = []
    test = subject.test.sample(TEST, seed)
    train = None if subject.train is None else subject.train.sample(TRAIN, seed)
    _check(subject.name, test, train)

    def note(names: str, compute: Callable[[], Mapping[str, float]]) -> None:
        try:
            values.update(compute())
        except _NoClasses:  # told once, for all measures that need some
            pass
        except DataError as error:
            notes.append(f"{subject.name}: no {names}: {error}")

    note("classifiers", lambda: _classified(train, test, seed))
    note("k-means", lambda: _clustered(test, seed))
    note("trustworthiness and continuity", lambda: _faithful(test.sample(NEIGHBOURHOODS, seed)))
    note("classes separated", lambda: _separated(test, seed, n_jobs))
    found, rows = [], sample_rows(len(subject.test.codes), TEST, seed)
    for column in subject.columns:
        try:
            found.append(related(test.codes, replace(column, values=column.values[rows])))
        except DataError as error:
            notes.append(f"{subject.name}: nothing of what goes with '{column.name}': {error}")
    return Judged(
        name=subject.name,
        dims=int(np.prod(test.codes.shape[1:])),
        num_train=0 if train is None else len(train.codes),
        num_test=len(test.codes),
        num_classes=0 if test.labels is None else len(np.unique(test.labels)),
        values=values,
        num_given=len(subject.test.codes),
        related=tuple(found),
        notes=(*([] if test.labels is not None else [f"{subject.name}: {_UNLABELLED}"]), *notes),
    )


def _check(name: str, *parts: Part | None) -> None:
    for part in parts:
        try:
            if part is not None:
                finite_rows(part.codes)
        except DataError as error:
            raise DataError(f"{name}: {error}") from None


_UNLABELLED = "the test codes have no classes: only the measures that need none"


class _NoClasses(DataError):
    """The test codes have none."""


def _labels(part: Part) -> np.ndarray:
    if part.labels is None:
        raise _NoClasses
    return part.labels


def _classified(train: Part | None, test: Part, seed: int) -> dict[str, float]:
    classes = _labels(test)
    if train is None or train.labels is None:
        raise DataError("there are no training codes" if train is None else "the training codes have no classes")
    given = (train.codes, train.labels, test.codes, classes)
    return {
        "knn": knn_accuracy(train.codes, train.labels, test_codes=test.codes, test_labels=classes),
        "linear": linear_accuracy(*given, seed=seed),
        "mlp": mlp_accuracy(*given, seed=seed),
    }


def _clustered(test: Part, seed: int) -> dict[str, float]:
    found = kmeans_scores(test.codes, _labels(test), seed=seed)
    return {"kmeans": found.accuracy, "ari": found.ari, "nmi": found.nmi}


def _faithful(test: Part) -> dict[str, float]:
    if test.images is None:
        raise DataError("the images of the codes are not at hand")
    images = test.images(np.arange(len(test.codes)))
    return {"trustworthiness": trustworthiness(images, test.codes), "continuity": continuity(images, test.codes)}


def _separated(test: Part, seed: int, n_jobs: int) -> dict[str, float]:
    labels = _labels(test)
    flat = test.codes.reshape(len(test.codes), -1)
    points = flat if flat.shape[1] == 2 else tsne(flat, seed, n_jobs=n_jobs)
    return {"separated": classes_separated(points, labels).count}
