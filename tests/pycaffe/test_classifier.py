"""Classifier and Detector against nets that are fed by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from deepcae.pycaffe import mode
from deepcae.pycaffe.classifier import Classifier
from deepcae.pycaffe.detector import Detector
from deepcae.pycaffe.io import load_image, oversample, resize_image
from deepcae.pycaffe.net import Net

TEXT = """
name: "tiny"
layer {{ name: "data" type: "Input" top: "data"
  input_param {{ shape {{ dim: {batch} dim: 3 dim: {side} dim: {side} }} }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 4 weight_filler {{ type: "gaussian" std: 0.1 }} }} }}
layer {{ name: "prob" type: "Softmax" bottom: "ip" top: "prob" }}
"""
MEAN = np.array([0.4, 0.5, 0.6], np.float32)
SETTINGS = {"mean": MEAN * 255, "raw_scale": 255, "channel_swap": (2, 1, 0), "input_scale": 0.01}


def model(folder: Path, side: int = 6, batch: int = 4) -> tuple[str, str]:
    text, weights = folder / "net.prototxt", folder / "net.caffemodel"
    text.write_text(TEXT.format(side=side, batch=batch))
    mode.set_random_seed(3)
    Net(str(text), mode.TEST).save(str(weights))
    return str(text), str(weights)


def images(count: int, height: int = 9, width: int = 8) -> list[np.ndarray]:
    return list(np.random.default_rng(5).random((count, height, width, 3), np.float32))


def by_hand(files: tuple[str, str], crops: np.ndarray) -> np.ndarray:
    """The probabilities of crops (N, H, W, 3) in RGB, 0..1: one by one, with every step of SETTINGS written out."""
    net = Net(files[0], mode.TEST, weights=files[1])
    found = []
    for crop in crops:
        blue_first = crop[:, :, ::-1].transpose(2, 0, 1) * 255
        net.blobs["data"].data[...] = (blue_first - MEAN[:, None, None] * 255) * 0.01
        found.append(net.forward()["prob"][0].copy())
    return np.stack(found)


@pytest.mark.parametrize("count", [1, 3])
def test_a_prediction_is_the_mean_over_ten_crops(tmp_path: Path, count: int) -> None:
    files = model(tmp_path)
    classifier = Classifier(*files, image_dims=(8, 7), **SETTINGS)
    given = images(count)
    scaled = [resize_image(image, (8, 7)) for image in given]
    expected = by_hand(files, oversample(scaled, (6, 6))).reshape(count, 10, 4).mean(1)
    np.testing.assert_allclose(classifier.predict(given), expected, rtol=1e-4)


def test_without_oversampling_the_centre_decides(tmp_path: Path) -> None:
    files = model(tmp_path)
    classifier = Classifier(*files, image_dims=np.array([9, 8]), **SETTINGS)
    given = images(5)  # more than a batch of the net
    expected = by_hand(files, np.stack([image[1:7, 1:7] for image in given]))
    found = classifier.predict(given, oversample=False)
    assert found.shape == (5, 4)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


def test_images_are_scaled_to_the_input_unless_told_otherwise(tmp_path: Path) -> None:
    files = model(tmp_path)
    given = images(2)
    expected = by_hand(files, np.stack([resize_image(image, (6, 6)) for image in given]))
    np.testing.assert_allclose(Classifier(*files, **SETTINGS).predict(given, oversample=False), expected, rtol=1e-4)


def test_image_dims_below_the_input_are_refused(tmp_path: Path) -> None:
    classifier = Classifier(*model(tmp_path), image_dims=(5, 9))
    with pytest.raises(ValueError, match=r"image_dims \(5, 9\) are smaller than the net's input \(6, 6\)"):
        classifier.predict(images(1), oversample=False)
    with pytest.raises(ValueError, match="crops of 6 x 6 do not fit"):
        classifier.predict(images(1))


def picture(folder: Path, name: str, height: int = 20, width: int = 30) -> str:
    pixels = np.random.default_rng(len(name)).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(folder / name)
    return str(folder / name)


def test_windows_are_warped_and_classified_in_their_order(tmp_path: Path) -> None:
    files = model(tmp_path)
    one, other = picture(tmp_path, "one.png"), picture(tmp_path, "another.png")
    windows = {one: [(0, 0, 20, 30), np.array([3, 4, 9, 10])], other: [[5, 5, 15, 29]]}
    found = Detector(*files, **SETTINGS).detect_windows(iter(windows.items()))
    crops = [load_image(one), load_image(one)[3:9, 4:10], load_image(other)[5:15, 5:29]]
    expected = by_hand(files, np.stack([resize_image(crop, (6, 6)) for crop in crops]))
    assert [item["filename"] for item in found] == [one, one, other]
    assert found[1]["window"] is windows[one][1]
    np.testing.assert_allclose([item["prediction"] for item in found], expected, rtol=1e-4)


def test_no_windows_no_detections(tmp_path: Path) -> None:
    assert Detector(*model(tmp_path)).detect_windows([(picture(tmp_path, "a.png"), [])]) == []


def test_context_shows_the_surroundings(tmp_path: Path) -> None:
    """Side 8, 2 pixels of context: the window takes 4 of 8 pixels, so twice its extent is seen."""
    detector = Detector(*model(tmp_path, side=8), **SETTINGS, context_pad=2)
    image = np.random.default_rng(0).random((40, 40, 3), np.float32)
    window = (16, 20, 23, 27)  # 8 pixels from edge to edge, both counted: the centre lies at (20, 24)
    seen = detector.crop(image, np.array(window))
    assert seen.shape == (8, 8, 3)
    np.testing.assert_allclose(seen, resize_image(image[12:28, 16:32], (8, 8)), atol=1e-6)


@pytest.mark.parametrize(
    ("window", "filled"),
    [((0, 10, 7, 17), np.s_[:2, :]), ((16, 0, 23, 7), np.s_[:, :2]), ((32, 10, 39, 17), np.s_[6:, :])],
)
def test_context_outside_the_image_is_the_mean(
    tmp_path: Path, window: tuple[int, ...], filled: tuple[slice, ...]
) -> None:
    detector = Detector(*model(tmp_path, side=8), **SETTINGS, context_pad=2)
    image = np.full((40, 40, 3), 0.9, np.float32)
    image[::2] = 0.8
    seen = detector.crop(image, np.array(window))
    red_first = MEAN[::-1]  # the mean is given as the net sees it: blue first
    outside = np.isclose(seen, red_first, atol=1e-6).all(-1)
    expected = np.zeros((8, 8), bool)
    expected[filled] = True
    np.testing.assert_array_equal(outside, expected)
    assert np.abs(detector.transformer.preprocess("data", seen)[:, expected]).max() < 1e-5


def test_a_sliver_too_thin_for_a_pixel_is_left_out(tmp_path: Path) -> None:
    detector = Detector(*model(tmp_path, side=8), **SETTINGS, context_pad=2)
    seen = detector.crop(np.ones((40, 40, 3), np.float32), np.array([-599, 10, -200, 17]))
    np.testing.assert_allclose(seen, np.broadcast_to(MEAN[::-1], (8, 8, 3)), rtol=1e-6)


def test_windows_outside_and_selective_search_are_refused(tmp_path: Path) -> None:
    files = model(tmp_path)
    for pad in (None, 1):
        detector = Detector(*files, context_pad=pad)
        with pytest.raises(ValueError, match="shows nothing of an image of 10 x 10 pixels"):
            detector.crop(np.zeros((10, 10, 3)), np.array([50, 50, 60, 60]))
    with pytest.raises(ValueError, match="context_pad 3 leaves nothing of an input of 6 x 6"):
        Detector(*files, context_pad=3)
    with pytest.raises(RuntimeError, match=r"give windows of your own to detect_windows"):
        detector.detect_selective_search(["a.png"])
