"""Caffe's transformer: crop, mean at the same place, scale, mirror."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st

from deepcae.data.transform import Transform, make_transform
from deepcae.errors import DataError
from deepcae.proto.schema import TEST, TRAIN, BlobProto, message_class

IMAGES = np.random.default_rng(0).random((40, 3, 5, 6)).astype(np.float32)


def make(text: str, row: tuple[int, ...] = (3, 5, 6), phase: int = TEST, seed: int = 0, folder: Any = ".") -> Any:
    return make_transform(
        text_format.Parse(text, message_class("TransformationParameter")()), row, phase, [folder], seed
    )


def test_nothing_to_do_is_no_transform() -> None:
    assert make("") is None
    assert make("scale: 1") is None


def test_scale_comes_after_the_mean() -> None:
    got = make("mean_value: 0.5 scale: 4")(IMAGES, 0)
    np.testing.assert_array_equal(got, (IMAGES - np.float32(0.5)) * np.float32(4))
    got = make("mean_value: 1 mean_value: 2 mean_value: 3")(IMAGES, 0)
    np.testing.assert_array_equal(got, IMAGES - np.array([1, 2, 3], np.float32)[:, None, None])


def test_bytes_become_float32_and_vectors_are_allowed() -> None:
    got = make("scale: 0.5 mean_value: 1", row=(4,))(np.full((2, 4), 255, np.uint8), 0)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, 127)


def test_the_test_phase_crops_the_centre() -> None:
    np.testing.assert_array_equal(make("crop_size: 2")(IMAGES, 0), IMAGES[:, :, 1:3, 2:4])


@given(st.integers(0, 1000), st.integers(0, 5), st.booleans())
def test_random_choices_belong_to_the_row_not_to_the_batch(position: int, seed: int, mirror: bool) -> None:
    transform = make(f"crop_size: 3 mirror: {str(mirror).lower()}", phase=TRAIN, seed=seed)
    whole = transform(IMAGES, position)
    parts = [transform(IMAGES[:7], position), transform(IMAGES[7:], position + 7)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_a_random_crop_takes_its_means_place() -> None:
    mean = np.random.default_rng(1).random((3, 5, 6)).astype(np.float32)
    got = Transform(mean=mean, crop=3, random_crop=True, seed=2)(IMAGES, 0)
    want = Transform(crop=3, random_crop=True, seed=2)(IMAGES - mean, 0)
    np.testing.assert_array_equal(got, want)
    places = Transform(crop=3, random_crop=True)(np.arange(30.0).reshape(1, 5, 6).repeat(2000, 0)[:, None], 0)[
        :, 0, 0, 0
    ]
    assert np.unique(places).tolist() == [6 * h + w for h in range(3) for w in range(4)]  # every place is taken


@pytest.mark.parametrize("phase", [TRAIN, TEST])
def test_mirror_flips_half_of_the_images_in_both_phases(phase: int) -> None:
    many = np.tile(IMAGES, (50, 1, 1, 1))
    got = make("mirror: true", phase=phase)(many, 0)
    flipped = np.array([np.array_equal(new, old[..., ::-1]) for new, old in zip(got, many, strict=True)])
    kept = np.array([np.array_equal(new, old) for new, old in zip(got, many, strict=True)])
    assert np.all(flipped != kept)
    assert 850 < flipped.sum() < 1150  # 2000 draws of 1/2: 7 standard deviations


TURNED = {
    "mirror": lambda image: image[:, :, ::-1],
    "flip": lambda image: image[:, ::-1, :],
    "turn": lambda image: np.rot90(image, 2, (1, 2)),
    "transpose": lambda image: np.transpose(image, (0, 2, 1)),
}


@pytest.mark.parametrize("name", TURNED)
def test_each_turn_is_done_to_half_of_the_images(name: str) -> None:
    many = np.tile(IMAGES[..., :5], (50, 1, 1, 1))
    got = make(f"{name}: true", (3, 5, 5), TRAIN)(many, 0)
    turned = np.array([np.array_equal(new, TURNED[name](old)) for new, old in zip(got, many, strict=True)])
    kept = np.array([np.array_equal(new, old) for new, old in zip(got, many, strict=True)])
    assert np.all(turned != kept)
    assert 850 < turned.sum() < 1150


@pytest.mark.parametrize(
    ("text", "ways"),
    [("mirror: true flip: true", 4), ("turn: true transpose: true", 4), ("mirror: true flip: true transpose: true", 8)],
)
def test_turns_together_make_each_way_as_often(text: str, ways: int) -> None:
    image = np.arange(25, dtype=np.float32).reshape(1, 1, 5, 5)
    got = make(text, (1, 5, 5), TRAIN)(image.repeat(800, 0), 0).reshape(800, -1)
    _, counts = np.unique(got, axis=0, return_counts=True)
    assert len(counts) == ways
    assert counts.min() > 800 / ways / 2


def test_crops_are_transposed_of_images_that_are_not_square() -> None:
    got = make("crop_size: 3 transpose: true")(IMAGES, 0)
    whole = IMAGES[:, :, 1:4, 1:4]
    swapped = np.array([np.array_equal(new, old.swapaxes(1, 2)) for new, old in zip(got, whole, strict=True)])
    assert np.all(swapped | [np.array_equal(new, old) for new, old in zip(got, whole, strict=True)])
    assert swapped.any()


def test_a_mean_file_of_todays_shape_is_read(tmp_path: Path) -> None:
    blob = BlobProto(data=range(90))
    blob.shape.dim.extend([3, 5, 6])
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    got = make('mean_file: "mean.binaryproto"', folder=tmp_path)(IMAGES, 0)
    np.testing.assert_array_equal(got, IMAGES - np.arange(90, dtype=np.float32).reshape(3, 5, 6))
    with pytest.raises(DataError, match=r"mean.binaryproto: the mean has shape \[3, 5, 6\], but the images \[3, 6"):
        make('mean_file: "mean.binaryproto"', row=(3, 6, 5), folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "row", "message"),
    [
        ('mean_file: "m" mean_value: 1', (3, 5, 6), "mean_file and mean_value cannot both be given"),
        ("mean_value: 1 mean_value: 2", (3, 5, 6), r"mean_value must be given once or once per channel \(3\)"),
        ("crop_size: 6", (3, 5, 6), "crop_size 6 is greater than the image, 5x6"),
        ("mirror: true", (10,), r"need images \(C, H, W\), not rows \[10\]"),
        ("turn: true", (10,), r"need images \(C, H, W\), not rows \[10\]"),
        ("transpose: true", (3, 5, 6), "transpose needs square images, or crop_size, not 5x6"),
        ('mean_file: "lost"', (3, 5, 6), "lost: no such mean_file"),
    ],
)
def test_refusals(text: str, row: tuple[int, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        make(text, row)
