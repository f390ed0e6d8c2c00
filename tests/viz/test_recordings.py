"""Pictures of a recording: maps with bars, curves over time, images before and after."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from deepcae.viz import (
    before_and_after,
    gallery,
    image_rows,
    maps_of_image,
    reconstructions,
    thumbnails,
    timeline,
    unusual_images,
)
from deepcae.viz.maps import MOST_CODES
from deepcae.viz.samples import window_of
from deepcae.viz.style import drawn
from deepcae.viz.timeline import tiers

RNG = np.random.default_rng(4)


def words(page: Figure) -> str:
    drawn(page, dpi=40)
    return "\n".join(text.get_text() for text in page.findobj(lambda artist: hasattr(artist, "get_text")))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_each_map_has_its_panel_and_its_bar(channels: int) -> None:
    image = RNG.random((channels, 20, 30)).astype(np.float32)
    image[:, :, 28:] = np.nan
    codes = RNG.normal(size=(5, 20, 30)).astype(np.float32)
    page = maps_of_image(image, image, np.abs(image[0]), codes, "slice 7")
    said = words(page)
    assert all(f"code {k}" in said for k in range(1, 6))
    assert "slice 7" in said
    maps = [axes for axes in page.axes if axes.get_title(loc="left").startswith(("code", "error"))]
    np.testing.assert_array_equal(maps[2].images[0].get_array().filled(np.nan), codes[1])
    bars = 6 if channels == 3 else 8 if channels == 1 else 6
    assert len(page.axes) >= 8 + bars


def test_codes_that_are_not_drawn_are_told() -> None:
    codes = RNG.normal(size=(MOST_CODES + 3, 8, 8))
    assert "3 more codes are not drawn" in words(maps_of_image(codes[:1], codes[:1], codes[0] ** 2, codes, "x"))


def test_curves_mark_the_unusual_and_the_held_out() -> None:
    errors = RNG.random(50)
    held = np.arange(50) >= 40
    page = timeline(errors, RNG.normal(size=(50, 20)), marked=[3, 45], names=["three", "late"], held_out=held,
                    sources=[(0, "a.tif"), (25, "b.tif")], title="run")  # fmt: skip
    said = words(page)
    assert all(word in said for word in ("three", "late", "a.tif", "b.tif", "held-out", "4 more codes"))
    np.testing.assert_array_equal(page.axes[0].lines[0].get_ydata(), errors)


@pytest.mark.parametrize("shape", [(1, 8, 9), (3, 8, 9), (2, 8, 9), (40,)])
def test_unusual_images_of_any_kind_are_drawn(shape: tuple[int, ...]) -> None:
    shown = RNG.random((2, *shape))
    assert "484" in words(unusual_images(shown, shown * 0.9, ["484", "92"], "run"))


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_before_after_and_the_difference(channels: int) -> None:
    before = RNG.random((2, channels, 8, 9))
    page = before_and_after(before, before + 0.5, ["image 0", "image 9"], "out.tif")
    assert "image 9: before" in words(page)
    if channels == 1:
        np.testing.assert_allclose(page.axes[2].images[0].get_array(), 0.5)


def test_names_of_marks_do_not_touch() -> None:
    middles, widths = np.array([0.0, 0.1, 0.15, 0.9, 1.0]), [0.3] * 5
    lines = tiers(middles, widths)
    assert lines == [0, 1, 2, 0, 1]
    assert tiers(np.array([0.0, 1, 2]), widths[:3]) == [0, 0, 0]
    page = timeline(RNG.random(50), RNG.random((50, 2)), marked=[20, 21, 22, 40], names=["a.png"] * 4)
    page.draw_without_rendering()
    boxes = [text.get_window_extent() for text in page.axes[0].texts]
    assert len(boxes) == 4
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])


def test_names_of_sources_and_marks_do_not_touch() -> None:
    errors = np.full(60, 0.2)
    errors[[3, 5, 8, 50]] = 1.0, 0.93, 0.86, 0.5
    sources = [(0, "a_recording_of_monday.tif"), (2, "a_recording_of_tuesday.tif"), (4, "wednesday.tif"), (30, "x.tif")]
    page = timeline(errors, RNG.random((60, 2)), marked=[3, 5, 8, 50], names=["cell_0001.tif 12"] * 4, sources=sources)
    page.draw_without_rendering()
    for axes, count in ((page.axes[0], 4), (page.axes[-1], 4)):
        boxes = [text.get_window_extent() for text in axes.texts] + [axes.xaxis.label.get_window_extent()]
        assert len(boxes) == count + 1
        assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
        assert all(box.y0 >= 0 and box.y1 <= page.bbox.height for box in boxes[:-1])


def test_rows_may_show_the_images_themselves_though_they_are_alike() -> None:
    frames = RNG.random((8, 8)) + 0.05 * RNG.normal(size=(4, 8, 8))
    assert "differences" in words(image_rows(frames, ["a"], "t"))
    page = image_rows(frames, ["a"], "t", plain=True)
    assert "differences" not in words(page)
    low, high = frames.min(), frames.max()
    np.testing.assert_allclose(page.axes[0].images[0].get_array(), np.clip((frames[0] - low) / (high - low), 0, 1))


def test_a_few_bright_pixels_do_not_set_the_contrast() -> None:
    stack = RNG.random((12, 1, 40, 40)) - 0.1
    stack[::4, 0, 20, 20] = 50.0
    note = "contrast: 0.5 to 99.5 percentile, -0.09"
    for page in (
        reconstructions(stack, stack),
        thumbnails(RNG.random((12, 2)), np.arange(12), stack),
        image_rows(stack, ["row"], "title"),
        gallery(stack),
    ):
        assert note in words(page)
        drawn_as = np.asarray(page.axes[0].images[0].get_array())
        assert drawn_as.mean() > 0.4
    page = maps_of_image(stack[0], stack[1], stack[0, 0], stack[0])
    assert note in words(page)
    assert {image.get_clim() for axes in page.axes[:2] for image in axes.images} == {window_of(stack[0])[0]}
    assert "contrast: 0.1 to 99.9 percentile" in words(before_and_after(stack[:2], stack[:2], ["a", "b"]))


def test_pictures_without_far_values_keep_their_whole_range() -> None:
    few = np.zeros((4, 1, 40, 40))
    few[:, 0, 3, 3] = 1.0
    assert window_of(few) == ((0.0, 1.0), "")
    assert window_of(9 * few) == ((0.0, 9.0), "")
    assert window_of(np.linspace(-2, 2, 5000)) == ((-2.0, 2.0), "")
    assert "contrast" not in words(reconstructions(few, few)) + words(gallery(few))
