"""scikit-learn's own checks of an estimator, and its tools at work: pipelines, searches, clones, data frames."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import sklearn
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from deepcae import ConvAutoencoder

SKIPPED = {"check_array_api_input"}  # only with SCIPY_ARRAY_API=1, which must be set before scipy is loaded


def checks() -> Any:
    """scikit-learn's mark; before release 1.6 its cases are a generator, which pytest refuses."""
    mark = parametrize_with_checks([ConvAutoencoder(max_iter=2)])
    names, cases = mark.args
    return pytest.mark.parametrize(names, list(cases), **mark.kwargs)


@checks()
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_no_check_is_skipped_but_those_that_are_named() -> None:
    if tuple(map(int, sklearn.__version__.split(".")[:2])) < (1, 6):
        pytest.skip("before scikit-learn 1.6 checks do not tell")
    told = check_estimator(ConvAutoencoder(max_iter=1), on_skip=None)
    assert {each["check_name"] for each in told if each["status"] != "passed"} <= SKIPPED
    assert len(told) > 40


IMAGES = np.random.default_rng(3).random((60, 9, 8))
IMAGES[::2, 2:5] += 2  # two kinds
KINDS = np.arange(60) % 2


def test_a_pipeline_is_searched_in_two_processes() -> None:
    """Images go through as they are: no step flattens them."""
    pipeline = make_pipeline(ConvAutoencoder(max_iter=2, random_state=0), KNeighborsClassifier(3))
    search = GridSearchCV(pipeline, {"convautoencoder__n_components": [1, 3]}, cv=2, n_jobs=2, error_score="raise")
    search.fit(IMAGES, KINDS)
    assert search.best_score_ > 0.9
    assert search.predict(IMAGES[:3]).tolist() == [0, 1, 0]


def test_models_are_chosen_by_their_score() -> None:
    scores = [
        cross_val_score(ConvAutoencoder(n, max_iter=2, random_state=0), IMAGES.reshape(60, -1), cv=2).mean()
        for n in (1, 20)
    ]
    assert scores[0] < scores[1] < 1


def test_the_score_is_r2() -> None:
    fitted = ConvAutoencoder(3, max_iter=2, random_state=0).fit(IMAGES)
    flat, restored = IMAGES.reshape(60, -1), fitted.inverse_transform(fitted.transform(IMAGES)).reshape(60, -1)
    expected = r2_score(flat, restored, multioutput="variance_weighted")
    np.testing.assert_allclose(fitted.score(IMAGES), expected, rtol=1e-4)
    assert fitted.score(np.repeat(IMAGES, 20, axis=0)) == pytest.approx(expected, rel=1e-4)  # in several blocks


def test_the_error_is_half_the_squared_distance_of_scaled_values() -> None:
    fitted = ConvAutoencoder(3, max_iter=2, random_state=0).fit(IMAGES)
    restored = fitted.inverse_transform(fitted.transform(IMAGES))
    expected = np.square((restored - IMAGES) * fitted.scaling_.scale).sum(axis=(1, 2)) / 2
    np.testing.assert_allclose(fitted.reconstruction_error(IMAGES), expected, rtol=1e-3, atol=1e-6)


def test_it_begins_as_pca_and_is_not_worse() -> None:
    flat = IMAGES.reshape(60, -1)
    pca = PCA(3).fit(flat)
    theirs = r2_score(flat, pca.inverse_transform(pca.transform(flat)), multioutput="variance_weighted")
    mine = ConvAutoencoder(3, validation_fraction=0, max_iter=20, random_state=0).fit(IMAGES)
    assert mine.score(IMAGES) > theirs - 0.01


def test_equal_seeds_give_equal_codes_and_others_others() -> None:
    def codes(seed: Any) -> np.ndarray:
        return ConvAutoencoder(2, max_iter=3, random_state=seed).fit_transform(IMAGES)

    first = codes(4)
    np.testing.assert_array_equal(first, codes(4))
    np.testing.assert_array_equal(codes(np.random.RandomState(5)), codes(np.random.RandomState(5)))
    assert (first != codes(5)).any()
    np.random.seed(8)  # noqa: NPY002 - what random_state=None draws from
    drawn = codes(None)
    np.random.seed(8)  # noqa: NPY002
    np.testing.assert_array_equal(drawn, codes(None))


def test_a_clone_is_unfitted_and_a_pickle_is_not() -> None:
    fitted = ConvAutoencoder(2, max_iter=1, random_state=0).fit(IMAGES)
    codes = fitted.transform(IMAGES)
    with pytest.raises(NotFittedError):
        clone(fitted).transform(IMAGES)
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.transform(IMAGES), codes)
    np.testing.assert_array_equal(again.inverse_transform(codes), fitted.inverse_transform(codes))
    np.testing.assert_array_equal(
        again.partial_fit(IMAGES).transform(IMAGES), fitted.partial_fit(IMAGES).transform(IMAGES)
    )


def test_a_data_frame_gives_a_data_frame() -> None:
    frame = pandas.DataFrame(np.random.default_rng(1).random((20, 5)), columns=list("abcde"))
    fitted = ConvAutoencoder(2, max_iter=1).set_output(transform="pandas").fit(frame)
    made = fitted.transform(frame)
    assert list(made.columns) == ["convautoencoder0", "convautoencoder1"] == list(fitted.get_feature_names_out())
    assert list(fitted.feature_names_in_) == list("abcde")
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(frame[list("bacde")])
    with pytest.warns(UserWarning, match="feature names"):
        fitted.transform(frame.to_numpy())


def test_the_example_of_the_page_is_true() -> None:
    page = (Path(__file__).parents[2] / "docs" / "16-estimator.md").read_text(encoding="utf-8")
    code = page.split("```python\n")[1].split("```")[0]
    lines = [line for line in code.splitlines() if line]
    assert len(lines) <= 10
    names: dict[str, Any] = {}
    exec(code.replace("n_components=8", "n_components=8, max_iter=10"), names)
    assert names["model"].score(names["test"], names["y_test"]) > 0.9
