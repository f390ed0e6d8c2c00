"""From an image to a net's input and back, and the resizing in between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcae.pycaffe.io import Transformer, resize_image

RNG = np.random.default_rng(7)
SIDE = st.integers(1, 9)


def bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Pixel by pixel, by the definition: centres at half integers, `low` beyond the border."""
    rows, columns, _ = image.shape
    low = image.min()
    made = np.empty((height, width, image.shape[2]))

    def at(y: int, x: int) -> np.ndarray:
        inside = 0 <= y < rows and 0 <= x < columns
        return image[y, x] if inside else np.full(image.shape[2], low)

    for i in range(height):
        for j in range(width):
            y, x = (i + 0.5) * rows / height - 0.5, (j + 0.5) * columns / width - 0.5
            top, left = int(np.floor(y)), int(np.floor(x))
            fy, fx = y - top, x - left
            upper = (1 - fx) * at(top, left) + fx * at(top, left + 1)
            lower = (1 - fx) * at(top + 1, left) + fx * at(top + 1, left + 1)
            made[i, j] = (1 - fy) * upper + fy * lower
    return made


@given(SIDE, SIDE, SIDE, SIDE, st.sampled_from([1, 3]))
def test_images_of_one_or_three_channels_are_resized_by_pixel_areas(h: int, w: int, h2: int, w2: int, k: int) -> None:
    image = np.random.default_rng(h * w).normal(size=(h, w, k)).astype(np.float32)
    made = resize_image(image, (h2, w2))
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, bilinear(image, h2, w2), atol=2e-6)


def test_resizing_equals_the_library_that_caffe_used() -> None:
    """Numbers from scikit-image 0.26: resize(x, (3, 5), order=1, mode="constant", anti_aliasing=False), rescaled."""
    image = np.array([[1, 5], [3, 2], [0, 4]], np.float32)[:, :, None]
    expected = [[0.7, 1.4, 3, 4.6, 3.5], [2.1, 2.9, 2.5, 2.1, 1.4], [0, 0.4, 2, 3.6, 2.8]]
    np.testing.assert_allclose(resize_image(image, (3, 5))[..., 0], expected, atol=1e-6)


@given(st.integers(2, 7), st.integers(2, 7), st.integers(2, 9), st.integers(2, 9), st.sampled_from([2, 4, 5]))
def test_other_numbers_of_channels_keep_the_corners(h: int, w: int, h2: int, w2: int, k: int) -> None:
    image = np.random.default_rng(h + w).normal(size=(h, w, k))
    rows, columns = np.linspace(0, h - 1, h2), np.linspace(0, w - 1, w2)
    down = np.stack([[np.interp(rows, np.arange(h), image[:, x, c]) for x in range(w)] for c in range(k)])
    both = np.stack([[np.interp(columns, np.arange(w), down[c, :, y]) for y in range(h2)] for c in range(k)])
    made = resize_image(image, (h2, w2))
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, both.transpose(1, 2, 0), atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_size_and_constant_images_are_kept(k: int) -> None:
    image = RNG.normal(size=(4, 5, k)).astype(np.float32)
    np.testing.assert_allclose(resize_image(image, (4, 5)), image, atol=1e-6)
    constant = np.full((3, 3, k), 7, np.uint8)
    np.testing.assert_allclose(resize_image(constant, (5, 2)), np.full((5, 2, k), 7.0))


def test_the_whole_range_of_small_integers_is_kept() -> None:
    image = np.array([[-128, 127], [0, 1]], np.int8)[:, :, None]
    np.testing.assert_allclose(resize_image(image, (2, 2)), image, atol=1e-4)


def test_a_cubic_order_stays_in_range() -> None:
    image = (RNG.random((6, 6, 3)) > 0.5).astype(np.float32)
    made = resize_image(image, (13, 13), interp_order=3)
    assert made.min() >= 0
    assert made.max() <= 1
    assert np.abs(made - resize_image(image, (13, 13))).max() > 0.05


def test_resizing_says_what_it_needs() -> None:
    with pytest.raises(ValueError, match=r"3 axes \(H, W, K\) is needed; its shape is \(2, 2\)"):
        resize_image(np.zeros((2, 2)), (3, 3))
    with pytest.raises(ValueError, match=r"both at least 1; \[3, 0\] is given"):
        resize_image(np.zeros((2, 2, 3)), (3, 0))


def classic() -> Transformer:
    """The settings of the ImageNet example."""
    transformer = Transformer({"data": (10, 3, 4, 5)})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_mean("data", np.array([104.0, 117.0, 123.0]))
    transformer.set_raw_scale("data", 255)
    transformer.set_channel_swap("data", (2, 1, 0))
    transformer.set_input_scale("data", 0.017)
    return transformer


def test_preprocess_takes_every_step_in_order() -> None:
    image = RNG.random((4, 5, 3)).astype(np.float32)
    kept = image.copy()
    made = classic().preprocess("data", image)
    means = {0: 104, 1: 117, 2: 123}
    expected = np.stack([(image[:, :, 2 - c] * 255 - means[c]) * 0.017 for c in range(3)])
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, rtol=1e-5)
    np.testing.assert_array_equal(image, kept)


def test_preprocess_resizes_first() -> None:
    image = RNG.random((9, 3, 3)).astype(np.float32)
    transformer = classic()
    resized = transformer.preprocess("data", resize_image(image, (4, 5)))
    np.testing.assert_allclose(transformer.preprocess("data", image), resized, rtol=1e-5)


@given(st.permutations(range(3)), st.permutations(range(3)), st.integers(0, 15))
def test_deprocess_undoes_what_preprocess_did(order: list[int], swap: list[int], steps: int) -> None:
    image = np.random.default_rng(steps).random((3, 3, 3)).astype(np.float32)
    transformer = Transformer({"data": [1, 3, 3, 3]})
    transformer.set_transpose("data", order)
    if steps & 1:
        transformer.set_channel_swap("data", swap)
    if steps & 2:
        transformer.set_raw_scale("data", 255)
    if steps & 4:
        transformer.set_mean("data", image.transpose(2, 0, 1) * 50)
    if steps & 8:
        transformer.set_input_scale("data", 0.5)
    made = transformer.preprocess("data", image)
    kept = made.copy()
    np.testing.assert_allclose(transformer.deprocess("data", made[None]), image, atol=1e-5)
    np.testing.assert_array_equal(made, kept)


def test_without_settings_an_image_passes() -> None:
    image = RNG.random((4, 5, 3))
    np.testing.assert_allclose(Transformer({"x": (1, 3, 4, 5)}).preprocess("x", image), image, rtol=1e-6)


@pytest.mark.parametrize("shape", [(3,), (4, 5), (1, 4, 5)])
def test_means_that_fit(shape: tuple[int, ...]) -> None:
    channels = 3 if len(shape) == 1 else 1
    transformer = Transformer({"data": (2, channels, 4, 5)})
    mean = RNG.random(shape).astype(np.float32)
    transformer.set_mean("data", mean)
    transformer.set_transpose("data", (2, 0, 1))
    made = transformer.preprocess("data", np.zeros((4, 5, channels)))
    expected = np.broadcast_to(mean[:, None, None] if len(shape) == 1 else mean, made.shape)
    np.testing.assert_array_equal(made, -expected)


@pytest.mark.parametrize(
    ("shape", "sentence"),
    [
        ((4,), "Mean channels incompatible with input. (data: 4 given, 3 needed)"),
        ((3, 5, 5), "Mean shape incompatible with input shape. (data: (3, 5, 5) given, (3, 4, 5) needed)"),
        ((4, 5), "Mean shape incompatible with input shape. (data: (4, 5) given, (3, 4, 5) needed)"),
        ((1, 3, 4, 5), "Mean shape invalid: (1, 3, 4, 5), where (K,), (H, W) or (K, H, W) is needed"),
    ],
)
def test_means_that_do_not_fit(shape: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(ValueError) as caught:
        Transformer({"data": (1, 3, 4, 5)}).set_mean("data", np.zeros(shape))
    assert str(caught.value) == sentence


def test_wrong_names_and_lengths() -> None:
    transformer = Transformer({"data": (1, 3, 4, 5)})
    with pytest.raises(Exception, match=r"^image is not one of the net inputs: \{'data': \(1, 3, 4, 5\)\}$"):
        transformer.preprocess("image", np.zeros((4, 5, 3)))
    for setter in (transformer.set_raw_scale, transformer.set_input_scale):
        with pytest.raises(Exception, match="image is not one of the net inputs"):
            setter("image", 2)
    with pytest.raises(Exception, match=r"Transpose order needs .* \(data: 2 given, 3 needed\)"):
        transformer.set_transpose("data", (1, 0))
    with pytest.raises(Exception, match=r"Channel swap needs .* \(data: 2 given, 3 needed\)"):
        transformer.set_channel_swap("data", (1, 0))
