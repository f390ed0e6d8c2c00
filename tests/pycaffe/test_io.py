"""Blobs, Datums and images, each against what a numpy user would write by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from deepcae.data.images import decode
from deepcae.proto.schema import BlobProto, Datum
from deepcae.pycaffe import io
from pictures import tiff

FLOATS = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4), elements=st.floats(width=32)
)
SHAPE3 = hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)


@given(FLOATS, st.booleans())
def test_a_blob_comes_back_with_shape_and_bits(array: np.ndarray, with_diff: bool) -> None:
    diff = array[::-1].copy() if with_diff and array.ndim else None
    blob = BlobProto.FromString(io.array_to_blobproto(array, diff).SerializeToString())
    np.testing.assert_array_equal(io.blobproto_to_array(blob), array)
    assert io.blobproto_to_array(blob).shape == array.shape
    if diff is not None:
        np.testing.assert_array_equal(io.blobproto_to_array(blob, return_diff=True), diff)


def test_legacy_dimensions_win_over_the_shape() -> None:
    blob = io.array_to_blobproto(np.arange(6.0).reshape(2, 3))
    blob.num, blob.channels, blob.height, blob.width = 1, 1, 3, 2
    np.testing.assert_array_equal(io.blobproto_to_array(blob), np.arange(6.0).reshape(1, 1, 3, 2))


def test_a_blob_without_shape_holds_one_value() -> None:
    assert io.blobproto_to_array(BlobProto(data=[2.5])) == 2.5
    with pytest.raises(ValueError, match=r"this BlobProto holds 2 values, which do not fill its shape \(\)"):
        io.blobproto_to_array(BlobProto(data=[1, 2]))


@given(st.lists(FLOATS, max_size=3))
def test_a_vector_of_blobs_comes_back(arrays: list[np.ndarray]) -> None:
    back = io.blobprotovector_str_to_arraylist(io.arraylist_to_blobprotovector_str(arrays))
    assert len(back) == len(arrays)
    for one, other in zip(back, arrays, strict=True):
        np.testing.assert_array_equal(one, other)


@given(hnp.arrays(np.uint8, SHAPE3), st.none() | st.integers(0, 9))
def test_bytes_make_a_datum_of_bytes(array: np.ndarray, label: int | None) -> None:
    datum = Datum.FromString(io.array_to_datum(array, label).SerializeToString())
    assert datum.data == array.tobytes()
    assert not datum.float_data
    assert (datum.label if datum.HasField("label") else None) == label
    back = io.datum_to_array(datum)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, array)
    back += 1  # a script may go on with it


@given(hnp.arrays(np.float32, SHAPE3, elements=st.floats(-1e6, 1e6, width=32)))
def test_other_numbers_make_a_datum_of_floats(array: np.ndarray) -> None:
    datum = Datum.FromString(io.array_to_datum(array, 3).SerializeToString())
    assert not datum.data
    np.testing.assert_array_equal(io.datum_to_array(datum), array)


def test_integers_make_a_datum_of_floats() -> None:
    datum = io.array_to_datum(np.arange(6).reshape(1, 2, 3))
    assert list(datum.float_data) == [0, 1, 2, 3, 4, 5]


def test_only_three_axes_make_a_datum() -> None:
    with pytest.raises(ValueError, match=r"3 axes \(C, H, W\) is needed; its shape is \(2, 2\)"):
        io.array_to_datum(np.zeros((2, 2), np.uint8))


def test_a_datum_that_is_no_array_is_refused() -> None:
    with pytest.raises(ValueError, match="holds an encoded image"):
        io.datum_to_array(Datum(data=b"\xff\xd8", encoded=True, channels=3, height=2, width=2))
    with pytest.raises(ValueError, match=r"this Datum holds 2 values, which do not fill its shape \(1, 1, 3\)"):
        io.datum_to_array(Datum(data=b"ab", channels=1, height=1, width=3))


RGBA = np.random.default_rng(1).integers(0, 256, (4, 5, 4), np.uint8)
RGB = RGBA[..., :3]


def saved(folder: Path, pixels: np.ndarray, mode: str | None = None) -> str:
    path = folder / "image.png"
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return str(path)


def test_an_image_in_colour_is_rgb_between_0_and_1(tmp_path: Path) -> None:
    image = io.load_image(saved(tmp_path, RGB))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, RGB / 255, rtol=1e-7)


@pytest.mark.parametrize("color", [True, False])
def test_alpha_is_dropped(tmp_path: Path, color: bool) -> None:
    without = io.load_image(saved(tmp_path, RGB), color)
    np.testing.assert_array_equal(io.load_image(saved(tmp_path, RGBA), color), without)


def test_colour_becomes_gray_by_luminance(tmp_path: Path) -> None:
    image = io.load_image(saved(tmp_path, RGB), color=False)
    red, green, blue = np.moveaxis(RGB / 255, 2, 0)
    assert image.shape == (4, 5, 1)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image[..., 0], 0.2125 * red + 0.7154 * green + 0.0721 * blue, rtol=1e-6)


@pytest.mark.parametrize(("color", "channels"), [(True, 3), (False, 1)])
def test_a_gray_image_has_equal_channels_or_one(tmp_path: Path, color: bool, channels: int) -> None:
    image = io.load_image(saved(tmp_path, RGB[..., 0]), color)
    np.testing.assert_allclose(image, np.stack([RGB[..., 0] / 255] * channels, -1), rtol=1e-7)


def test_gray_with_alpha_two_colours_and_a_palette(tmp_path: Path) -> None:
    assert io.load_image(saved(tmp_path, RGBA[..., :2])).shape == (4, 5, 3)
    black_and_white = np.eye(4, dtype=bool)
    np.testing.assert_array_equal(io.load_image(saved(tmp_path, black_and_white), False)[..., 0], np.eye(4))
    flat = np.full((3, 3, 3), [255, 0, 0], np.uint8)
    np.testing.assert_array_equal(io.load_image(saved(tmp_path, flat, "P")), flat / 255)


def test_sixteen_bits_fill_the_same_range(tmp_path: Path) -> None:
    pixels = np.array([[0, 1000], [30000, 65535]], np.uint16)
    np.testing.assert_allclose(io.load_image(saved(tmp_path, pixels), False)[..., 0], pixels / 65535, rtol=1e-6)


@pytest.mark.parametrize("order", ["<", ">"])
def test_all_bits_count_in_gray_and_in_colour(tmp_path: Path, order: str) -> None:
    deep = np.random.default_rng(2).integers(0, 2**16, (4, 5, 3), np.uint16)
    path = tmp_path / "deep.tif"
    path.write_bytes(tiff(deep, order))
    np.testing.assert_allclose(io.load_image(path), deep / 65535, rtol=1e-6)
    path.write_bytes(tiff(deep[..., 0], order))
    np.testing.assert_allclose(io.load_image(path, False)[..., 0], deep[..., 0] / 65535, rtol=1e-6)


def test_floats_stay_as_they_are(tmp_path: Path) -> None:
    values = np.array([[-0.5, 0.25], [1.0, 7.0]], np.float32)
    (tmp_path / "image.tif").write_bytes(tiff(values))
    np.testing.assert_array_equal(io.load_image(tmp_path / "image.tif", False)[..., 0], values)


def test_an_image_is_turned_as_the_data_layers_turn_it(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(RGB).save(tmp_path / "image.png", exif=exif)
    np.testing.assert_allclose(io.load_image(tmp_path / "image.png"), np.rot90(RGB, -1) / 255, rtol=1e-7)
    layer = decode(tmp_path / "image.png", True, "image.png")
    np.testing.assert_allclose(io.load_image(tmp_path / "image.png"), layer[::-1].transpose(1, 2, 0) / 255, rtol=1e-7)


def test_several_pages_are_an_oserror(tmp_path: Path) -> None:
    (tmp_path / "two pages.tif").write_bytes(tiff([RGB, RGB]))
    with pytest.raises(OSError, match=r"two pages.tif: holds more than one picture"):
        io.load_image(tmp_path / "two pages.tif")


def test_what_is_no_image_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        io.load_image(tmp_path / "none.png")
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(OSError, match=r"text\.png"):
        io.load_image(tmp_path / "text.png")


def test_ten_crops_of_each_image() -> None:
    images = np.random.default_rng(0).normal(size=(2, 7, 6, 3)).astype(np.float32)
    crops = io.oversample(images, (4, 3))
    assert crops.shape == (20, 4, 3, 3)
    for number, image in enumerate(images):
        expected = [image[:4, :3], image[:4, 3:], image[3:, :3], image[3:, 3:], image[1:5, 1:4]]
        expected += [np.flip(crop, axis=1) for crop in expected]
        np.testing.assert_array_equal(crops[10 * number : 10 * number + 10], np.stack(expected))


def test_crops_of_the_whole_image_differ_by_their_side_alone() -> None:
    image = np.random.default_rng(0).random((1, 3, 4, 1), np.float32)
    crops = io.oversample(image, np.array([3, 4]))
    np.testing.assert_array_equal(crops, np.repeat([image[0], image[0, :, ::-1]], 5, axis=0))


def test_crops_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="crops of 5 x 2 do not fit into images of 4 x 4"):
        io.oversample(np.zeros((1, 4, 4, 3)), (5, 2))
