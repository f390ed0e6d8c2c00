"""kNN and the count of separated classes, on clusters whose answer is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcae.codes.measure import classes_separated, knn_accuracy, knn_predict
from deepcae.errors import DataError


def clusters(
    centres: list[tuple[float, float]], size: int = 60, spread: float = 0.3, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    points = np.concatenate([rng.normal(centre, spread, size=(size, 2)) for centre in centres])
    return points, np.repeat(np.arange(len(centres)), size)


def plain_knn(codes: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """The definition, slowly: sort all other points by distance, let the k nearest vote."""
    guesses = []
    for index, code in enumerate(codes):
        order = [other for other in np.argsort(((codes - code) ** 2).sum(axis=1), kind="stable") if other != index][:k]
        distances = {other: float(np.linalg.norm(codes[other] - code)) for other in order}
        votes: dict[int, tuple[int, float]] = {}
        for other in order:
            count, nearness = votes.get(labels[other], (0, 0.0))
            votes[labels[other]] = (count + 1, nearness + 1 - distances[other] / distances[order[-1]])
        guesses.append(max(votes, key=votes.__getitem__))
    return np.array(guesses)


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_leave_one_out_is_the_definition(k: int) -> None:
    codes, labels = clusters([(0, 0), (0.5, 0), (0, 0.6)], size=20)
    np.testing.assert_array_equal(knn_predict(codes, labels, k), plain_knn(codes, labels, k))


def test_a_point_does_not_vote_for_itself() -> None:
    codes = np.array([[0.0], [0.0], [5.0], [5.0]])
    assert knn_accuracy(codes, np.array([0, 1, 0, 1]), k=1) == 0.0


def test_clusters_apart_are_all_right_and_mixed_ones_are_guesses() -> None:
    codes, labels = clusters([(0, 0), (9, 0), (0, 9)])
    assert knn_accuracy(codes, labels) == 1.0
    codes, labels = clusters([(0, 0), (0, 0)], size=400)
    assert 0.4 < knn_accuracy(codes, labels) < 0.6


def test_a_test_set_is_judged_by_the_training_codes() -> None:
    codes, labels = clusters([(0, 0), (9, 0)])
    tested = np.array([[0.1, 0.0], [8.9, 0.1], [0.0, 0.2]])
    assert knn_accuracy(codes, labels, 3, test_codes=tested, test_labels=np.array([0, 1, 1])) == pytest.approx(2 / 3)
    with pytest.raises(DataError, match="test_codes and test_labels come together"):
        knn_accuracy(codes, labels, 3, test_codes=tested)


def test_a_tie_goes_to_the_nearer_class() -> None:
    codes = np.array([[0.0], [1.0], [-3.0]])
    assert knn_predict(codes, np.array([9, 5, 7]), 2)[0] == 5


@pytest.mark.parametrize("k", [0, 4])
def test_k_is_checked(k: int) -> None:
    with pytest.raises(DataError, match=f"k is {k}; with 4 codes it must be 1 to 3"):
        knn_accuracy(np.zeros((4, 2)), np.zeros(4), k)


def test_bad_codes_are_named() -> None:
    with pytest.raises(DataError, match="code 2 holds a value that is not finite"):
        knn_accuracy(np.array([[0.0], [1.0], [np.nan]]), np.zeros(3), 1)
    with pytest.raises(DataError, match="2 labels for 3 codes"):
        knn_accuracy(np.zeros((3, 1)), np.zeros(2), 1)


def test_separated_classes_are_counted_and_the_mixed_pair_is_named() -> None:
    points, labels = clusters([(0, 0), (9, 0), (0, 9), (9, 9), (9, 9.1)], size=100)
    found = classes_separated(points, labels)
    assert (found.count, found.total, str(found)) == (3, 5, "3 of 5")
    assert [row.separated for row in found.rows] == [True, True, True, False, False]
    assert (found.rows[3].mixed_with, found.rows[4].mixed_with) == (4, 3)
    assert found.rows[0].mixed == 0.0
    assert found.rows[0].mixed_with is None


def test_the_table_agrees_with_the_confusion() -> None:
    points, labels = clusters([(0, 0), (0.6, 0), (0, 0.6)], size=80)
    found = classes_separated(points, labels)
    guesses = knn_predict(points, labels)
    for row in found.rows:
        mine = labels == row.label
        assert row.count == mine.sum() == found.confusion[row.label].sum()
        assert row.recall == pytest.approx(np.mean(guesses[mine] == row.label))
        assert row.precision == pytest.approx(np.mean(labels[guesses == row.label] == row.label))
    assert found.accuracy == pytest.approx(knn_accuracy(points, labels))


def test_area_counts_not_points() -> None:
    """A tenth of the printed area may be another's: a dense heap of strangers in one spot covers only that spot."""
    rng = np.random.default_rng(1)
    wide = rng.uniform(0, 10, size=(400, 2))
    heap = rng.normal((5, 5), 0.01, size=(300, 2))
    intruders = rng.normal((5, 5), 0.01, size=(100, 2))  # of the wide class, lost in the heap: a fifth of its points
    far = rng.normal((30, 30), 0.01, size=(20, 2))
    points = np.concatenate([wide, intruders, heap, far])
    labels = np.repeat([0, 0, 1, 2], [400, 100, 300, 20])
    row = classes_separated(points, labels).rows[0]
    assert row.recall < 0.85
    assert row.mixed < 0.1


def test_a_class_that_vanished_is_not_separated() -> None:
    points, labels = clusters([(0, 0), (5, 5)], size=50)
    labels[[0, 60]] = 7  # two lone points among others
    found = classes_separated(points, labels)
    assert found.rows[-1].recall == 0.0
    assert not found.rows[-1].separated


def test_a_class_lost_a_little_to_many_is_not_separated() -> None:
    points, labels = clusters([(3 * x, 3 * y) for x in range(4) for y in range(5)], size=30)
    labels[::30] = 99  # one point in each of twenty clusters: a twentieth of its area lies in each
    lost = classes_separated(points, labels).rows[-1]
    assert lost.mixed < 0.1
    assert lost.recall == 0.0
    assert not lost.separated


def test_a_class_with_strangers_among_it_is_mixed() -> None:
    """Every point of class 0 is found, but a fifth of what looks like it belongs to class 1."""
    points = np.random.default_rng(2).uniform(0, 9, size=(500, 2))
    labels = (np.arange(500) % 5 == 0).astype(int)
    first = classes_separated(points, labels).rows[0]
    assert first.recall > 0.95
    assert first.mixed == pytest.approx(0.2, abs=0.02)
    assert not first.separated


def test_one_class_and_few_points_are_no_trouble() -> None:
    assert classes_separated(np.zeros((3, 2)), np.array([4, 4, 4])).count == 1


def test_a_map_has_two_dimensions() -> None:
    with pytest.raises(DataError, match=r"2-D map; codes of shape \(5, 3\) need tsne"):
        classes_separated(np.zeros((5, 3)), np.zeros(5))


@given(st.integers(0, 2**32 - 1), st.integers(-9, 9))
def test_scale_and_names_do_not_matter(seed: int, power: int) -> None:
    points, labels = clusters([(0, 0), (1, 0), (0, 1.2)], size=15, seed=seed)
    first = classes_separated(points, labels)
    second = classes_separated(points * 2.0**power, labels * 10)  # powers of two keep the arithmetic exact
    np.testing.assert_array_equal(first.confusion, second.confusion)
    assert [row.mixed for row in first.rows] == [row.mixed for row in second.rows]


def test_one_point_is_not_separated_from_anything() -> None:
    with pytest.raises(DataError, match="among several codes; there is one"):
        classes_separated(np.zeros((1, 2)), np.array([3]))
