"""Odd and wrong input: scikit-learn's errors, or the obvious right thing; never a traceback from inside, or a guess."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import scipy.sparse

from deepcae import ConvAutoencoder, DataError, DeepcaeError, SpecError
from deepcae.lazy import torch
from deepcae.proto.schema import NetParameter

RANDOM = np.random.default_rng(11)
FLAT = RANDOM.normal(size=(12, 6))
IMAGES = RANDOM.random((12, 9, 10))


def estimator(**parameters: Any) -> ConvAutoencoder:
    return ConvAutoencoder(**{"max_iter": 1, "random_state": 0, **parameters})


def spoilt(value: float, where: tuple[int, ...] = (7, 3, 4)) -> np.ndarray:
    images = IMAGES.copy()
    images[where] = value
    return images


def closed(folder: Path) -> Any:
    with h5py.File(folder / "closed.h5", "w") as file:
        file["x"] = IMAGES
        return file["x"]


def closed_group(folder: Path) -> Path:
    closed(folder)
    return folder / "closed.h5"


def of_nothing(folder: Path) -> Any:
    return h5py.File(folder / "nothing.h5", "w").create_dataset("x", dtype="f4")


def of_text(folder: Path) -> Any:
    file = h5py.File(folder / "text.h5", "w")
    return file.create_dataset("x", (4, 3), h5py.string_dtype())


def as_objects(images: list[np.ndarray]) -> np.ndarray:
    made = np.empty(len(images), dtype=object)
    for number, image in enumerate(images):
        made[number] = image
    return made


REFUSED: dict[str, tuple[Any, str | None]] = {
    "NaN": (spoilt(np.nan), "Input X contains NaN"),
    "infinity": (spoilt(np.inf), "Input X contains infinity or a value too large"),
    "too large for float32": (spoilt(1e300), "Input X contains infinity or a value too large"),
    "flat NaN": (np.where(FLAT > 1, np.nan, FLAT), "Input X contains NaN"),
    "empty": (np.empty((0, 9, 10)), "0 sample"),
    "empty flat": (np.empty((0, 6)), "0 sample"),
    "empty list": ([], "Expected 2D array|minimum of 1"),
    "no pixels": (np.empty((5, 0, 10)), "hold nothing|0 feature"),
    "one image": (IMAGES[:1], "n_samples=1"),
    "one axis": (IMAGES[0, 0], "Expected 2D array, got 1D array instead|needs rows"),
    "a number": (3.5, "Expected 2D array, got scalar array instead"),
    "None": (None, None),
    "a name": ("images.h5", None),
    "a path": (Path("images.h5"), None),
    "five axes": (np.zeros((5, 2, 3, 4, 5)), "5 axes"),
    "one picture": (RANDOM.random((48, 64, 3)), r"one picture \(h, w, c\)"),
    "either way": (RANDOM.random((9, 5, 6, 5)), "channels last"),
    "mixed sizes": ([np.zeros((9, 10)), np.zeros((9, 11))], r"2 sizes, such as \(9, 10\) and \(9, 11\)"),
    "mixed objects": (lambda _: as_objects([np.zeros((9, 10)), np.zeros((9, 11))]), "2 sizes"),
    "ragged": ([[1, 2, 3], [4, 5]], "inhomogeneous"),
    "text": (np.array([["a", "b"], ["c", "d"]]), "could not convert|not compatible"),
    "objects": (np.array([[{}, {}], [{}, {}]], dtype=object), "argument must be"),
    "dates": (np.zeros((5, 4), "M8[s]"), None),
    "records": (np.zeros(5, dtype=[("a", "f4"), ("b", "f4")]), None),
    "complex": (FLAT + 1j, "Complex data not supported"),
    "complex images": (IMAGES + 1j, "Complex data not supported"),
    "sparse": (scipy.sparse.csr_matrix(FLAT), "[Ss]parse"),
    "closed file": (closed, "closed"),
    "texts in a file": (of_text, "not compatible"),
    "a group": (
        lambda folder: h5py.File(closed_group(folder)),
        r"is a File with 'x'; give one of its arrays, X\['x'\]",
    ),
    "arrays by name": ({"a": IMAGES, "b": IMAGES}, r"is a dict with 'a', 'b'; give one of its arrays, X\['a'\]"),
    "a generator": (lambda _: (image for image in IMAGES), r"is a generator, .* give numpy.stack\(list\(X\)\)"),
    "a set": ({1, 2}, "is a set, which has no order"),
    "the name of a file": ("images.npy", "'images.npy', but needs an array: numpy.load"),
    "masked": (np.ma.masked_array(IMAGES, IMAGES > 0.9), r"masked values; fill them, X.filled\(0\)"),
    "masked flat": (np.ma.masked_array(FLAT, FLAT > 1), "masked values"),
    "masked in a list": (list(np.ma.masked_array(IMAGES, IMAGES > 0.9)), "masked values"),
    "tensors of nothing": (torch.empty(5, 8, 8, device="meta"), "device 'meta', which holds no values"),
    "complex tensors": ((torch.from_numpy(IMAGES) + 1j).conj(), "Complex data not supported"),
    "beyond float32's steps": (IMAGES + 1e9, "differ by less than float32 tells apart"),
    "whole, beyond its steps": ((IMAGES * 100).astype(np.int64) + 2**60, "differ by less than float32 tells apart"),
    "too small": (IMAGES * 1e-40, "differ by less than float32 tells apart"),
    "no axis of channels": (RANDOM.random((9, 5, 5, 5)), "cannot be told"),
    "a dataset of nothing": (lambda folder: of_nothing(folder), "without values"),
    "torch NaN": (torch.full((5, 8, 8), float("nan")), "Input X contains NaN"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_learned_from_is_refused_in_words(kind: str, tmp_path: Path) -> None:
    given, message = REFUSED[kind]
    X = given(tmp_path) if callable(given) else given
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        estimator().fit(X)
    assert len(str(caught.value)) < 1200
    with pytest.raises(ValueError, match="not fitted"):
        estimator().transform(IMAGES)


TAKEN: dict[str, Callable[[], Any]] = {
    "uint8": lambda: (IMAGES * 255).astype(np.uint8),
    "uint16": lambda: (IMAGES * 4095).astype(np.uint16),
    "int16": lambda: ((IMAGES - 0.5) * 999).astype(np.int16),
    "big-endian": lambda: (IMAGES * 4095).astype(">u2"),
    "bool": lambda: IMAGES > 0.5,
    "float16": lambda: IMAGES.astype(np.float16),
    "float32": lambda: IMAGES.astype(np.float32),
    "fortran": lambda: np.asfortranarray(IMAGES),
    "reversed": lambda: IMAGES[::-1, ::-1, ::-1],
    "read-only": lambda: np.broadcast_to(IMAGES, IMAGES.shape),
    "list of arrays": lambda: list(IMAGES),
    "list of lists": lambda: IMAGES.tolist(),
    "tuple": lambda: tuple(IMAGES),
    "array of objects": lambda: as_objects(list(IMAGES)),
    "torch": lambda: torch.from_numpy(IMAGES),
    "torch with gradient": lambda: torch.from_numpy(IMAGES).requires_grad_(),
    "torch bfloat16": lambda: torch.from_numpy(IMAGES).bfloat16(),
    "torch negative view": lambda: torch.complex(torch.zeros(12, 9, 10), -torch.from_numpy(IMAGES).float()).conj().imag,
    "list of tensors": lambda: list(torch.from_numpy(IMAGES)),
    "pillow": lambda: pictures(),
    "masked": lambda: np.ma.masked_array(IMAGES),
    "channel": lambda: IMAGES[:, None],
    "channel last": lambda: IMAGES[..., None],
    "two images": lambda: IMAGES[:2],
    "tiny values": lambda: IMAGES * 1e-30,
    "large values": lambda: IMAGES * 1e30,
    "negative": lambda: -IMAGES,
    "constant pixels": lambda: np.where(np.eye(9, 10) > 0, IMAGES, 0.5),
}


def pictures() -> list[Any]:
    from PIL import Image

    return [Image.fromarray((image * 255).astype(np.uint8)) for image in IMAGES]


@pytest.mark.parametrize("kind", TAKEN)
def test_what_is_plain_is_taken(kind: str) -> None:
    X = TAKEN[kind]()
    fitted = estimator().fit(X)
    codes = fitted.transform(X)
    assert codes.shape == (len(X), 2)
    assert np.isfinite(codes).all()
    assert fitted.n_features_in_ == 90
    again = fitted.inverse_transform(codes)
    assert again.dtype == np.float32
    assert again.shape == (len(X), *np.shape(X[0])) if kind != "pillow" else (len(X), 9, 10)
    assert np.isfinite(fitted.score(X))


def test_constant_images_are_told() -> None:
    with pytest.warns(UserWarning, match="X is constant, all values are 7"):
        fitted = estimator().fit(np.full((12, 9, 10), 7))
    np.testing.assert_allclose(fitted.inverse_transform(fitted.transform(np.full((3, 9, 10), 7))), 7, atol=0.05)


def test_a_value_far_from_all_others_is_told() -> None:
    with pytest.warns(UserWarning, match="values far from all others"):
        estimator(validation_fraction=0).fit(spoilt(1e4))


PARAMETERS: dict[str, tuple[dict[str, Any], str | None]] = {
    "none": ({"n_components": 0}, "n_components.* must be an int in the range"),
    "half": ({"n_components": 2.5}, "n_components.* must be an int in the range"),
    "more than values": ({"n_components": 91}, "n_components=91 must be at most n_features=90"),
    "no such name": ({"architecture": "cea2"}, "neither a file nor one of auto"),
    "no such file": ({"architecture": Path("x/net.prototxt")}, None),
    "a number for a net": ({"architecture": 3}, "architecture is int"),
    "an empty net": ({"architecture": NetParameter()}, "reads 0 blobs"),
    "a digits' net": ({"architecture": "cae2"}, None),
    "a broken text": ({"architecture": "layer { name: 3 }"}, "architecture:1"),
    "labels": ({"architecture": "siamese"}, None),
    "another size": ({"image_shape": (10, 9)}, "height and width are swapped"),
    "no size": ({"image_shape": (90,)}, "image_shape is"),
    "an unknown field": ({"solver": "base_rate: 1"}, "base_rate"),
    "an unknown rule": ({"solver": "type: 'Adams'"}, "Adams"),
    "a number for a solver": ({"solver": 3}, "solver is int"),
    "no passes": ({"max_iter": 0}, "max_iter"),
    "no batch": ({"batch_size": 0}, "batch_size"),
    "all held out": ({"validation_fraction": 1.0}, "validation_fraction"),
    "a text for a seed": ({"random_state": "a"}, "random_state"),
    "no such device": ({"device": "abacus"}, "device"),
}


@pytest.mark.parametrize("kind", PARAMETERS)
def test_wrong_parameters_are_told_by_fit(kind: str) -> None:
    parameters, message = PARAMETERS[kind]
    unfitted = estimator(**parameters)
    with pytest.raises(ValueError, match=message) as caught:
        unfitted.fit(IMAGES)
    assert not hasattr(unfitted, "net_")
    assert len(str(caught.value)) < 1200


def test_a_refusal_is_both_a_value_error_and_deepcaes() -> None:
    with pytest.raises(DataError) as caught:
        estimator().fit(np.zeros((5, 2, 3, 4, 5)))
    assert isinstance(caught.value, ValueError)
    with pytest.raises(SpecError) as told:
        estimator(architecture="cea2").fit(IMAGES)
    assert isinstance(told.value, ValueError)
    assert isinstance(told.value, DeepcaeError)


@pytest.fixture(scope="module")
def fitted() -> ConvAutoencoder:
    return estimator().fit(RANDOM.random((12, 9, 11, 3)))


OTHERS: dict[str, tuple[Any, str | None]] = {
    "another size": (np.zeros((4, 9, 12, 3)), "image_shape is|rows of shape"),
    "height and width swapped": (np.zeros((4, 11, 9, 3)), "swapped"),
    "grey": (np.zeros((4, 9, 11)), "rows of shape"),
    "flat colours": (np.zeros((4, 297)), "flat rows, the fit was on images of"),
    "NaN": (np.full((4, 9, 11, 3), np.nan), "Input X contains NaN"),
    "one axis": (np.zeros(297), "Expected 2D|needs rows"),
    "none": (np.zeros((0, 9, 11, 3)), "0 sample"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("method", ["transform", "score", "reconstruction_error", "activations", "partial_fit"])
def test_other_images_than_those_of_the_fit_are_refused(fitted: ConvAutoencoder, kind: str, method: str) -> None:
    X, message = OTHERS[kind]
    with pytest.raises(ValueError, match=message):
        getattr(fitted, method)(X)


def test_other_layouts_of_the_same_images_are_taken(fitted: ConvAutoencoder) -> None:
    X = RANDOM.random((5, 9, 11, 3))
    np.testing.assert_array_equal(fitted.transform(np.moveaxis(X, -1, 1)), fitted.transform(X))


@pytest.mark.parametrize("X", [np.zeros((3, 3)), np.zeros(2), np.full((3, 2), np.nan), np.zeros((0, 2)), [["a", "b"]]])
def test_codes_that_are_none_are_refused(fitted: ConvAutoencoder, X: Any) -> None:
    with pytest.raises(ValueError):
        fitted.inverse_transform(X)


def test_one_image_has_a_code_and_no_score(fitted: ConvAutoencoder) -> None:
    X = RANDOM.random((1, 9, 11, 3))
    assert fitted.transform(X).shape == (1, 2)
    with pytest.warns(UserWarning, match="not defined for fewer than two images"):
        assert np.isnan(fitted.score(X))


def test_no_pictures_of_blobs_that_there_are_not(fitted: ConvAutoencoder) -> None:
    with pytest.raises(ValueError, match="conv9"):
        fitted.activations(RANDOM.random((2, 9, 11, 3)), "conv9")


@pytest.mark.parametrize("method", ["transform", "score", "activations"])
@pytest.mark.parametrize("factor", [255, 65535, -9])
def test_values_of_another_range_than_the_fits_are_told(factor: float, method: str) -> None:
    """A net that learned from 0..1 gives codes for 8 and 16 bits, too: hundreds of times as large."""
    fitted = estimator().fit(IMAGES)
    with pytest.warns(UserWarning, match=r"another range than those of fit.* in place of .*0\.\.1"):
        getattr(fitted, method)(IMAGES * factor)
    getattr(fitted, method)(IMAGES * 1.5)  # a warning is an error


@pytest.mark.parametrize("shape", [(40, 8, 9), (40, 72)])
def test_images_that_are_not_finite_are_named_with_what_helps(shape: tuple[int, ...], tmp_path: Path) -> None:
    """In memory, and in a file that is read in blocks. What the message says to write works."""
    X = np.random.default_rng(0).random(shape)
    for image in (3, 17, 21, 39):
        X.reshape(40, -1)[image, 5] = np.nan
    with pytest.raises(ValueError, match=r"contains NaN, in images 3, 17, 21 and 1 more\. Leave them out") as caught:
        estimator().fit(X)
    assert "Boosting" not in str(caught.value)
    with h5py.File(tmp_path / "x.h5", "w") as file, pytest.raises(ValueError, match="in images 3, 17, 21 and 1 more"):
        estimator().fit(file.create_dataset("x", data=X))
    left = eval("X[np.isfinite(X.reshape(len(X), -1)).all(axis=1)]", {"X": X, "np": np})
    assert "X[np.isfinite(X.reshape(len(X), -1)).all(axis=1)], or fill them: np.nan_to_num(X)" in str(caught.value)
    assert len(left) == 36
    fitted = estimator().fit(left)
    with pytest.raises(ValueError, match=r"contains infinity or a value too large.*, in image 0\. "):
        fitted.transform(np.where(np.arange(72).reshape(shape[1:]) == 3, np.inf, left[:1]))
