"""Stacks that are stored with their number last are told from those of long images, a picture from rows."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from deepcae import ConvAutoencoder
from deepcae.data.misread import counts_last, is_one_picture
from deepcae.data.stored import Given
from deepcae.prepare import Options, inspect

RANDOM = np.random.default_rng(5)


def blobs(count: int, height: int, width: int) -> np.ndarray:
    """A spot at another place in each image, and noise: (n, h, w)."""
    y, x = np.mgrid[:height, :width]
    at = RANDOM.uniform(0.2, 0.8, (2, count, 1, 1))
    spots = np.exp(-((y - at[0] * height) ** 2 + (x - at[1] * width) ** 2) / 30)
    return np.asarray(spots + 0.02 * RANDOM.standard_normal(spots.shape))


def movie(count: int, height: int, width: int) -> np.ndarray:
    """The spots fade in and out."""
    spots = sum(
        blobs(1, height, width) * (1 + np.sin(RANDOM.uniform(5, 9) + np.arange(count))[:, None, None]) for _ in range(5)
    )
    return np.asarray(spots + 0.02 * RANDOM.standard_normal((count, height, width)))


@pytest.mark.parametrize("made", [blobs, movie])
@pytest.mark.parametrize(("count", "height", "width"), [(200, 32, 32), (90, 24, 30), (20, 40, 40)])
def test_stacks_in_both_orders(made: object, count: int, height: int, width: int) -> None:
    stack = (blobs if made is blobs else movie)(count, height, width)
    assert not counts_last(Given(stack, "X"))
    assert counts_last(Given(np.moveaxis(stack, 0, -1), "X"))


@pytest.mark.parametrize(
    "stack",
    [blobs(40, 40, 60), movie(40, 40, 60), RANDOM.random((30, 30, 200)), np.zeros((30, 30, 200)), blobs(7, 32, 32),
     np.moveaxis(blobs(4, 32, 32), 0, -1), np.full((30, 30, 200), np.nan)],
)  # fmt: skip
def test_others_are_what_their_shape_says(stack: np.ndarray) -> None:
    assert not counts_last(Given(stack, "X"))


@pytest.mark.parametrize("ending", ["npy", "h5"])
def test_it_is_told_where_images_are_prepared(ending: str, tmp_path: Path) -> None:
    stack, path = np.moveaxis(blobs(60, 24, 24), 0, -1), tmp_path / f"a.{ending}"
    if ending == "npy":
        np.save(path, stack)
    else:
        with h5py.File(path, "w") as file:
            file["images"] = stack
    told = [note for note in inspect(path).notes if "--axes" in note]
    assert told == [
        "read as 24 images of 24x60; but by their values the first two axes look like height and width: "
        "--axes yxn reads 60 images of 24x24"
    ]
    turned = inspect(path, Options(axes="yxn"))
    assert (turned.count, turned.shape) == (60, (1, 24, 24))
    assert not any("--axes" in note for note in turned.notes)


@pytest.mark.parametrize(("times", "is_told"), [(30, True), (9, False), (11, False)])
def test_times_beside_the_images_tell_which_axis_counts_them(times: int, is_told: bool, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = RANDOM.random((9, 12, 30))
        file["clock/times"] = np.arange(times)
    told = [note for note in inspect(tmp_path / "a.h5").notes if "--axes" in note]
    assert told == (
        ["read as 9 images of 12x30; but 'clock/times' beside them has 30 values: --axes yxn reads 30 images of 9x12"]
        if is_told
        else []
    )


def test_it_is_told_where_an_estimator_learns() -> None:
    stack = np.moveaxis(blobs(60, 24, 24), 0, -1)
    with pytest.warns(UserWarning, match=r"numpy.moveaxis\(X, -1, 0\) are 60 images of 24x24"):
        ConvAutoencoder(2, max_iter=1, solver="max_iter: 1").fit(stack)
    ConvAutoencoder(2, max_iter=1, solver="max_iter: 1", image_shape=(24, 60)).fit(stack)  # said so: no word


@pytest.mark.parametrize(("height", "width", "times"), [(40, 40, 1), (48, 40, 2), (60, 50, 6)])
def test_one_picture_is_told_from_rows(height: int, width: int, times: int) -> None:
    small = (255 * np.clip(blobs(1, height, width)[0], 0, 1)).astype(np.uint8)
    picture = np.kron(small, np.ones((times, times), np.uint8))
    flat = (255 * np.clip(blobs(60, 24, 30), 0, 1)).astype(np.uint8).reshape(60, -1)
    assert is_one_picture(Given(picture, "X"))
    for rows in (flat, flat.T, RANDOM.integers(0, 255, (height, width), np.uint8), np.zeros((height, width), np.uint8)):
        assert not is_one_picture(Given(rows, "X"))


def test_a_picture_that_is_fitted_as_rows_is_told() -> None:
    picture = (255 * np.clip(blobs(1, 40, 30)[0], 0, 1)).astype(np.uint8)
    with pytest.warns(UserWarning, match="40 rows of 30 features; but by its values it looks like one picture"):
        ConvAutoencoder(max_iter=1).fit(picture)
    with pytest.warns(UserWarning, match="n_components=6 with 5 images"):
        ConvAutoencoder(n_components=6, max_iter=1).fit(blobs(5, 12, 12))
