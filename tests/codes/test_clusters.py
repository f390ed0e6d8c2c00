"""Clusters without labels, and the line of PCA."""

from __future__ import annotations

import numpy as np
import pytest

from deepcae.codes.cluster import find_clusters
from deepcae.errors import DataError


def heaps(count: int, each: int, gap: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = gap * np.stack(
        [np.cos(np.arange(count) * 2 * np.pi / count), np.sin(np.arange(count) * 2 * np.pi / count)], 1
    )
    sizes = each + np.arange(count)
    labels = np.repeat(np.arange(count), sizes)
    return centres[labels] + rng.normal(size=(len(labels), 2)), labels


@pytest.mark.parametrize("count", [2, 3, 5])
def test_the_number_of_heaps_is_found(count: int) -> None:
    codes, labels = heaps(count, 40, 20)
    found = find_clusters(codes)
    assert found.count == count
    assert found.are_clear
    assert sorted(found.sizes, reverse=True) == found.sizes == sorted(np.bincount(labels).tolist(), reverse=True)
    for cluster in range(count):
        rows = found.examples(cluster, 5)
        assert len(set(labels[rows])) == 1
        middle = codes[found.labels == cluster].mean(axis=0)
        far = np.linalg.norm(codes - middle, axis=1)
        assert far[rows[0]] == far[found.labels == cluster].min()
    np.testing.assert_array_equal(find_clusters(codes).labels, found.labels)


@pytest.mark.parametrize("stretch", [1.0, 8.0])
def test_a_cloud_is_no_heaps(stretch: float) -> None:
    """A long cloud cut in two has a high silhouette, and so has any other."""
    codes = np.random.default_rng(1).normal(size=(300, 2)) * [stretch, 1]
    assert not find_clusters(codes).are_clear


def test_where_there_is_nothing_to_divide() -> None:
    with pytest.raises(DataError, match="there are 5 codes"):
        find_clusters(np.random.default_rng(0).normal(size=(5, 2)))
    with pytest.raises(DataError, match="all codes are alike"):
        find_clusters(np.zeros((50, 2)))
