"""The measures of codes, on heaps of points whose answer is known beforehand."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from sklearn.manifold import trustworthiness as theirs

from deepcae.codes import baselines, judge
from deepcae.codes.classify import linear_accuracy, mlp_accuracy
from deepcae.codes.cluster import kmeans_scores, matched_accuracy
from deepcae.codes.faithful import continuity, trustworthiness
from deepcae.codes.judging import Part, Subject, sample_rows
from deepcae.errors import DataError


def blobs(count: int = 40, classes: int = 4, dims: int = 6, apart: float = 12.0, seed: int = 0) -> Any:
    """(codes, labels): a heap for each class; `apart` 0 puts them all in one place."""
    generator = np.random.default_rng(seed)
    centres = apart * np.eye(classes, dims)
    labels = np.tile(np.arange(classes), count)
    return centres[labels] + generator.normal(size=(len(labels), dims)), labels


def parts(apart: float = 12.0, dims: int = 6) -> tuple[Part, Part]:
    """Training and test codes which are their own images."""
    made = [blobs(apart=apart, dims=dims, seed=seed) for seed in (0, 1)]
    train, test = (Part(codes, labels, codes.__getitem__) for codes, labels in made)
    return train, test


@pytest.mark.parametrize("accuracy", [linear_accuracy, mlp_accuracy])
def test_heaps_apart_are_told_apart_and_names_do_not_matter(accuracy: Any) -> None:
    (codes, labels), (tested, truth) = blobs(), blobs(seed=1)
    assert accuracy(codes, labels, tested, truth) == 1.0
    words = np.array(["one", "two", "three", "four"])
    assert accuracy(codes, words[labels], tested, words[truth]) == 1.0


@pytest.mark.parametrize("accuracy", [linear_accuracy, mlp_accuracy])
def test_labels_without_meaning_are_guessed_by_chance(accuracy: Any) -> None:
    (codes, labels), (tested, truth) = blobs(count=100, apart=0), blobs(count=100, apart=0, seed=1)
    assert accuracy(codes, labels, tested, truth) == pytest.approx(0.25, abs=0.08)


def test_classifiers_do_not_depend_on_the_scale_of_a_code() -> None:
    (codes, labels), (tested, truth) = blobs(apart=2), blobs(apart=2, seed=1)
    scale = np.array([1, 1e3, 1e-3, 1, 1, 1e2])
    first = linear_accuracy(codes, labels, tested, truth)
    assert 0.5 < first < 1
    assert linear_accuracy(codes * scale, labels, tested * scale, truth) == pytest.approx(first)


def test_a_class_that_was_never_shown_counts_as_wrong() -> None:
    codes, labels = blobs()
    assert linear_accuracy(codes[labels < 3], labels[labels < 3], codes, labels) == pytest.approx(0.75)
    with pytest.raises(DataError, match="needs two classes at least; all training codes are of class 3"):
        linear_accuracy(codes[labels == 3], labels[labels == 3], codes, labels)
    with pytest.raises(DataError, match="training codes have 6 values each, test codes 5"):
        linear_accuracy(codes, labels, codes[:, :5], labels)


def test_clusters_of_heaps_are_the_classes_under_any_name() -> None:
    codes, labels = blobs()
    found = kmeans_scores(codes, labels)
    assert (found.accuracy, found.ari, found.nmi) == (1.0, 1.0, pytest.approx(1.0))
    assert kmeans_scores(codes, np.array(["d", "a", "c", "b"])[labels]) == found


def test_clusters_without_meaning_agree_by_chance() -> None:
    codes, labels = blobs(count=150)
    found = kmeans_scores(codes, np.random.default_rng(2).permutation(labels))
    assert found.accuracy == pytest.approx(0.28, abs=0.05)
    assert found.ari == pytest.approx(0, abs=0.02)
    assert found.nmi == pytest.approx(0, abs=0.02)


def test_the_best_matching_is_taken() -> None:
    clusters = np.array([7, 7, 7, 7, 2, 2, 2, 9])
    labels = np.array(list("aaab") + list("aab") + ["b"])  # taking the largest cell first would give 3 + 1
    assert matched_accuracy(clusters, labels) == 0.5
    assert matched_accuracy(labels, labels) == 1.0
    assert matched_accuracy(np.zeros(8), labels) == pytest.approx(5 / 8)


def test_codes_all_alike_are_one_cluster() -> None:
    assert kmeans_scores(np.zeros((8, 2)), np.arange(8) % 2).accuracy == 0.5


def plain_trustworthiness(images: np.ndarray, codes: np.ndarray, k: int) -> float:
    """The definition, slowly."""
    n = len(images)

    def order(rows: np.ndarray, i: int) -> list[int]:
        distances = ((rows - rows[i]) ** 2).sum(axis=1)
        return [int(j) for j in np.argsort(distances, kind="stable") if j != i]

    penalty = 0
    for i in range(n):
        rank = {j: place for place, j in enumerate(order(images, i), 1)}
        penalty += sum(max(0, rank[j] - k) for j in order(codes, i)[:k])
    return 1 - 2 / (n * k * (2 * n - 3 * k - 1)) * penalty


def test_trustworthiness_is_the_definition_and_scikit_learns() -> None:
    images = np.random.default_rng(0).normal(size=(50, 2, 3))
    codes = images.reshape(50, 6)[:, :2]
    flat = images.reshape(50, 6)
    for k in (3, 10):
        assert trustworthiness(images, codes, k) == pytest.approx(plain_trustworthiness(flat, codes, k))
        assert trustworthiness(images, codes, k) == theirs(flat, codes, n_neighbors=k)
        assert continuity(images, codes, k) == pytest.approx(plain_trustworthiness(codes, flat, k))
    assert trustworthiness(images, images) == continuity(images, images) == 1.0


def test_a_fold_is_not_trustworthy_and_a_tear_is_not_continuous() -> None:
    line = np.linspace(-1, 1, 100)[:, None]
    folded = np.abs(line)  # both ends lie upon each other: false neighbours, none torn apart
    assert trustworthiness(line, folded) < 0.8 < 0.95 < continuity(line, folded)
    torn = np.where(line < 0, line + 100, line)
    assert continuity(line, torn) < trustworthiness(line, torn)


def test_neighbourhoods_must_be_smaller_than_half_of_the_codes() -> None:
    with pytest.raises(DataError, match="neighbourhoods of 10 need more than 20 codes; there are 20"):
        trustworthiness(np.zeros((20, 3)), np.zeros((20, 2)))
    with pytest.raises(DataError, match="each image needs one code; given are 20 of the one and 21 of the other"):
        continuity(np.zeros((21, 3)), np.zeros((20, 2)))


def test_everything_is_judged_and_the_seed_decides() -> None:
    train, test = parts()
    first = judge(Subject("heaps", test, train, {"l2": 3.5}), seed=4)
    assert (first.dims, first.num_train, first.num_test, first.num_classes, first.notes) == (6, 160, 160, 4, ())
    perfect = {key: first.values[key] for key in ("knn", "linear", "mlp", "kmeans", "ari", "trustworthiness")}
    assert perfect == dict.fromkeys(perfect, 1.0)
    assert (first.values["l2"], first.values["cross_entropy"], first.values["separated"]) == (3.5, None, 4)
    assert judge(Subject("heaps", test, train, {"l2": 3.5}), seed=4) == first


def test_what_is_missing_leaves_the_rest() -> None:
    train, test = parts()
    unlabelled = judge(Subject("a", Part(test.codes, None, test.images), train))
    assert [key for key, value in unlabelled.values.items() if value is not None] == ["trustworthiness", "continuity"]
    assert unlabelled.notes == ("a: the test codes have no classes: only the measures that need none",)
    alone = judge(Subject("b", Part(test.codes, test.labels)))
    assert alone.values["kmeans"] == 1.0
    assert alone.values["knn"] is alone.values["trustworthiness"] is None
    assert alone.notes == (
        "b: no classifiers: there are no training codes",
        "b: no trustworthiness and continuity: the images of the codes are not at hand",
    )


def test_samples_are_of_the_stated_size_and_keep_labels_and_images_together(monkeypatch: pytest.MonkeyPatch) -> None:
    codes = np.arange(100.0).reshape(50, 2)
    part = Part(codes, np.arange(50), codes.__getitem__).sample(20, seed=3).sample(10, seed=5)
    assert part.codes.shape == (10, 2)
    assert part.labels is not None
    assert part.images is not None
    np.testing.assert_array_equal(part.codes, codes[part.labels])
    np.testing.assert_array_equal(part.images(np.arange(10)), part.codes)
    np.testing.assert_array_equal(sample_rows(50, 20, 3), sample_rows(50, 20, 3))
    assert len(np.unique(sample_rows(50, 20, 3))) == 20
    train, test = parts()
    monkeypatch.setattr("deepcae.codes.judging.TRAIN", 60)
    monkeypatch.setattr("deepcae.codes.judging.TEST", 70)
    judged = judge(Subject("few", test, train))
    assert (judged.num_train, judged.num_test) == (60, 70)


def test_pca_restores_what_its_dimensions_hold() -> None:
    train, test = parts()
    assert baselines.pca_of_pixels(train, test, 6).losses["l2"] == pytest.approx(0, abs=1e-9)
    found = baselines.pca_of_pixels(train, test, 3)
    images = train.codes
    _, _, directions = np.linalg.svd(images - images.mean(axis=0))
    rest = (test.codes - images.mean(axis=0)) @ directions[3:].T
    assert found.losses["l2"] == pytest.approx(0.5 * (rest**2).sum(axis=1).mean(), rel=1e-4)
    assert found.name == "PCA, N = 3"
    assert judge(found).values["linear"] == 1.0
    with pytest.raises(DataError, match="7 dimensions asked of 160 images of 6 pixels"):
        baselines.pca_of_pixels(train, test, 7)


def test_tsne_places_test_images_among_those_of_their_class() -> None:
    train, test = parts()
    found = baselines.tsne_of_pixels(train, test, seed=1)
    assert found.test.codes.shape == (160, 2)
    judged = judge(found)
    assert judged.values["knn"] == 1.0
    np.testing.assert_array_equal(baselines.tsne_of_pixels(train, test, seed=1).test.codes, found.test.codes)


def test_pixels_that_memory_does_not_hold_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "MEMORY", 4 * 6 * 90)
    found = baselines.pca_of_pixels(*parts(), 2)
    assert found.train is not None
    assert len(found.train.codes) == 90


def test_umap_is_asked_for_politely(monkeypatch: pytest.MonkeyPatch) -> None:
    train, test = parts()
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(DataError, match=r"pip install 'deepcae\[umap\]'"):
        baselines.umap_of_pixels(train, test)

    def umap(n_neighbors: int, random_state: int, n_jobs: int) -> Any:
        assert (n_neighbors, random_state, n_jobs) == (15, 8, 1)
        fitted = SimpleNamespace(transform=lambda rows: rows[:, 2:4])
        fitted.fit = lambda rows: SimpleNamespace(embedding_=rows[:, :2], transform=fitted.transform)
        return fitted

    module = ModuleType("umap")
    module.UMAP = umap  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "umap", module)
    found = baselines.umap_of_pixels(train, test, seed=8)
    assert found.train is not None
    np.testing.assert_allclose(found.train.codes, train.codes[:, :2], rtol=1e-6)
    np.testing.assert_allclose(found.test.codes, test.codes[:, 2:4], rtol=1e-6)
