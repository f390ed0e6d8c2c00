"""Each picture holds what it promises: panels, titles, units, one mark per example. Looked at by eye as well."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from tests.viz.sheets import boxes

from deepcae.errors import DataError
from deepcae.viz import (
    code_plane,
    filters,
    gallery,
    grid_codes,
    layer_panels,
    loss_curves,
    reconstructions,
    scatter,
)
from deepcae.viz.layers import caffe_size
from deepcae.viz.samples import MOST_TILES, Samples
from deepcae.viz.scatter import _apart

RNG = np.random.default_rng(4)


def words(page: Figure) -> str:
    """Everything written on the page."""
    page.draw_without_rendering()
    texts = [text.get_text() for text in page.findobj(lambda artist: hasattr(artist, "get_text"))]
    return "\n".join(texts)


def titles(page: Figure) -> list[str]:
    return [axes.get_title(loc="left") for axes in page.axes]


# Codes by class


def test_every_point_is_drawn_and_every_class_named() -> None:
    labels = np.repeat(np.arange(10), 100)
    points = RNG.normal(size=(1000, 2)) + labels[:, None]
    page = scatter(points, labels, "MNIST test set", separated=(7, 10), note="cae1")
    (axes,) = page.axes
    assert sum(len(each.get_offsets()) for each in axes.collections) == 1000
    assert [text.get_text() for text in axes.texts][-10:] == [str(digit) for digit in range(10)]
    assert [text.get_text() for text in page.legends[0].get_texts()] == [str(digit) for digit in range(10)]
    assert axes.get_title(loc="left") == "MNIST test set"
    assert "cae1 · 7 of 10 classes separated" in words(page)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("code 1", "code 2")


def test_a_name_stands_where_its_class_is() -> None:
    points = np.concatenate([RNG.normal((0, 0), 0.2, (80, 2)), RNG.normal((9, 9), 0.2, (80, 2))])
    (axes,) = scatter(points, np.repeat([3, 5], 80)).axes
    for text, centre in zip(axes.texts, ((0, 0), (9, 9)), strict=True):
        np.testing.assert_allclose(text.get_position(), centre, atol=0.6)


def test_no_class_is_drawn_over_the_others() -> None:
    labels = np.repeat([0, 1], 2000)
    (cloud,) = scatter(RNG.normal(size=(4000, 2)), labels).axes[0].collections
    colors = cloud.get_facecolors()[:, 0]
    first = np.mean(colors[:2000] == colors[0])
    assert 0.4 < first < 0.6


def test_few_points_have_the_markers_of_their_classes() -> None:
    (axes,) = scatter(RNG.normal(size=(30, 2)), np.arange(30) % 3).axes
    assert len(axes.collections) == 3
    outlines = {each.get_paths()[0].vertices.tobytes() for each in axes.collections}
    assert len(outlines) == 3


def test_maps_without_units_have_no_numbers() -> None:
    (axes,) = scatter(RNG.normal(size=(30, 2)), np.arange(30) % 3, axis_names=("", ""), scales=False).axes
    assert axes.get_aspect() == 1
    assert not axes.xaxis.get_tick_params()["labelbottom"]


def test_points_need_no_labels_and_many_classes_no_legend() -> None:
    assert len(scatter(RNG.normal(size=(30, 2))).axes[0].collections) == 1
    assert scatter(RNG.normal(size=(90, 2)), np.arange(90) % 30).legends == []


def test_one_point_and_equal_points_can_be_drawn() -> None:
    for codes, labels in ((np.ones((1, 2)), np.array([0])), (np.ones((700, 2)), np.arange(700) % 2)):
        page = scatter(codes, labels)
        words(page)
        drawn = [np.asarray(points.get_offsets()) for points in page.axes[0].collections]
        assert sum(map(len, drawn)) == len(codes)
        assert all((points == 1).all() for points in drawn)


def test_names_at_one_spot_are_pushed_apart() -> None:
    spots = _apart(np.zeros((4, 2)), 2.0)
    gaps = np.linalg.norm(spots[:, None] - spots[None], axis=-1) + np.eye(4) * 9
    assert gaps.min() > 1.5


def test_a_map_is_two_dimensional() -> None:
    with pytest.raises(DataError, match=r"codes of shape \(N, 2\), not \(5, 3\)"):
        scatter(np.zeros((5, 3)))
    with pytest.raises(DataError, match="4 labels for 5 points"):
        scatter(np.zeros((5, 2)), np.zeros(4))


# Reconstructions


def test_pairs_stand_above_each_other_with_their_errors() -> None:
    originals = RNG.random((3, 1, 8, 8))
    restored = originals.copy()
    restored[1] += 0.5
    page = reconstructions(originals, restored, np.array([7, 2, 1], np.float32))  # as HDF5 keeps them
    assert len(boxes(page)) == 6
    said = words(page)
    assert "7 · 0\n" in said
    assert "2 · 8.00" in said  # ½ · 64 · 0.25
    assert "mean of these 3: 2.67" in said
    left, top = boxes(page)[:, :2].T
    assert left[0] == left[1] < left[2]
    assert top[0] < top[1]
    assert page.axes[0].get_images()[1].get_clim() == (0, 1)


SHAPES = [
    (2, 8, 9),
    (4, 6, 6),
    (5, 3, 3),
    (40, 5, 5),
    (20,),
    (3,),
    (1, 1, 50),
    (2, 60),
    (1, 6, 6, 6),
    (2, 9, 4, 5),
    (6, 7),
]


@pytest.mark.parametrize("shape", SHAPES)
def test_samples_of_any_shape_are_drawn(shape: tuple[int, ...]) -> None:
    """Each picture holds every value, or as many tiles as it says."""
    stack = RNG.permutation(4 * int(np.prod(shape))).reshape(4, *shape) / 10
    codes = np.stack(np.meshgrid([0.0, 1.0], [1.0, 0.0]), axis=-1).reshape(4, 2)
    pairs, sheet, plane = reconstructions(stack, stack), gallery(stack), code_plane(codes, stack)
    assert len(boxes(pairs)) == 8
    assert len(boxes(sheet)) == 4
    (axes,) = plane.axes
    if Samples(stack).lines:
        drawn = [line.get_ydata() for line in sheet.axes[0].lines]
        given = [line for index in range(4) for line in Samples(stack).curves(index)]
        assert [np.argsort(-line).tolist() for line in drawn] == [np.argsort(line).tolist() for line in given]
        assert len(axes.lines) == 4 * Samples(stack).curves(0).shape[0]
        assert "curve" in words(pairs)
        return
    shown = set(np.round(axes.get_images()[0].get_array().compressed(), 6))
    tiles = min(MOST_TILES, int(np.prod(shape[:-2])))
    assert len(shown) == 4 * tiles * shape[-1] * shape[-2]
    assert shown <= set(np.round(stack.ravel(), 6))
    if len(shape) > 2 and shape[0] not in (1, 3):
        assert f"{tiles} " in Samples(stack).note
        assert Samples(stack).note in words(pairs)


def test_colours_fill_the_plane() -> None:
    codes = np.stack(np.meshgrid([0.0, 1.0], [1.0, 0.0]), axis=-1).reshape(4, 2)
    picture = code_plane(codes, RNG.random((4, 3, 5, 6))).axes[0].get_images()[0].get_array()
    assert picture.shape == (10, 12, 3)


def test_colour_images_and_other_layouts() -> None:
    assert len(boxes(reconstructions(RNG.random((2, 3, 6, 6)), RNG.random((2, 3, 6, 6))))) == 4
    assert len(boxes(reconstructions(RNG.random((25, 6, 9)), RNG.random((25, 6, 9)), columns=5))) == 50


@pytest.mark.parametrize(
    ("first", "second", "sentence"),
    [
        ((2, 1, 4, 4), (3, 1, 4, 4), "originals have shape"),
        ((2,), (2,), r"expected \(N, H, W\)"),
        ((0, 1, 4, 4), (0, 1, 4, 4), "no originals to show"),
        ((2, 0), (2, 0), "no originals to show"),
    ],
)
def test_reconstructions_refuse(first: tuple[int, ...], second: tuple[int, ...], sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        reconstructions(np.zeros(first), np.zeros(second))


# Losses


def records(count: int = 100) -> list[dict[str, object]]:
    entries: list[dict[str, object]] = [{"kind": "started", "iteration": 0}]
    for step in range(0, count * 10, 10):
        value = 145 + 200 * np.exp(-step / 50)
        outputs = {"cross_entropy_loss": value, "l2_error": value / 9}
        entries.append({"kind": "train", "iteration": step, "outputs": outputs, "lr": 0.006})
        if step % 100 == 0:
            entries.append({"kind": "test", "iteration": step, "outputs": outputs, "net_index": 0})
    return entries


def test_each_loss_has_a_panel_with_its_unit() -> None:
    page = loss_curves(records(), reference={"l2_error": 16.85})
    assert titles(page) == ["cross_entropy_loss", "l2_error"]
    assert [axes.get_ylabel() for axes in page.axes] == ["nats per image", "½·squared error per image"]
    legends = [[text.get_text() for text in axes.get_legend().get_texts()] for axes in page.axes]
    assert legends == [
        ["train, smoothed 145.00", "test 145.00"],
        ["train, smoothed 16.11", "test 16.11", "paper: 16.85"],
    ]


def test_a_first_fall_leaves_the_frame_and_is_told() -> None:
    page = loss_curves(records())
    assert page.axes[0].get_ylim()[1] < 345
    assert "begins above the frame, at 345" in words(page)


def test_what_begins_below_a_line_to_compare_with_is_in_the_frame() -> None:
    page = loss_curves(records(), lines={"PCA": {"l2_error": 400.0, "cross_entropy_loss": 400.0}})
    assert "begins above the frame" not in words(page)
    assert all(axes.get_ylim()[1] >= 400 for axes in page.axes)


def test_losses_over_decades_are_logarithmic() -> None:
    entries = [{"kind": "test", "iteration": i, "outputs": {"loss": 100 * 0.8**i}} for i in range(50)]
    (axes,) = loss_curves(entries).axes
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "loss"


def test_a_resumed_run_shows_its_later_records() -> None:
    entries = [{"kind": "test", "iteration": i, "outputs": {"loss": v}} for i, v in ((0, 5.0), (10, 4.0), (10, 3.0))]
    (line,) = loss_curves(entries).axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [5, 3])


def test_the_pass_after_the_last_update_ends_the_curve() -> None:
    kinds = ("train", "train", "last_pass")
    entries = [{"kind": kind, "iteration": i, "outputs": {"loss": 3.0 - i}} for i, kind in enumerate(kinds)]
    (line,) = loss_curves(entries).axes[0].lines
    np.testing.assert_array_equal(line.get_ydata(), [3, 2, 1])


def test_each_test_net_has_its_curve() -> None:
    entries = [
        {"kind": "test", "iteration": i, "net_index": k, "outputs": {"loss": 5.0 - i + k}}
        for i in (0, 1)
        for k in (0, 1)
    ]
    legend = loss_curves(entries).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["test net 0 4.00", "test net 1 5.00"]


def test_values_that_are_not_numbers_leave_gaps() -> None:
    """metrics.jsonl writes nan and inf as words, and outputs of many elements as lists."""
    entries = [
        {"kind": "train", "iteration": i, "outputs": {"loss": value, "scores": [1.0, 2.0]}}
        for i, value in enumerate([3.0, "inf", 2.0, "nan"])
    ]
    page = loss_curves(entries)
    assert titles(page) == ["loss"]
    words(page)


def test_no_records_no_picture() -> None:
    with pytest.raises(DataError, match="no losses to draw"):
        loss_curves([{"kind": "started", "iteration": 0}])


# Filters


def test_filters_have_a_panel_and_a_symmetric_scale_each() -> None:
    weights = {
        "conv1": RNG.normal(size=(8, 1, 9, 9)),
        "deconv2": RNG.normal(size=(250, 4, 12, 12)),
        "mix": np.ones((4, 1, 1, 1)),
    }
    page = filters(weights)
    panels = [axes for axes in page.axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left") for axes in panels] == ["conv1", "deconv2", "mix"]
    said = words(page)
    assert "8x1x9x9 · 8 kernels" in said
    assert "250x4x12x12 · first 96 of 1000 kernels" in said
    for axes in panels:
        low, high = axes.get_images()[0].get_clim()
        assert low == -high
    assert panels[0].get_images()[0].get_clim()[1] == pytest.approx(np.abs(weights["conv1"]).max())


@pytest.mark.parametrize(
    ("shape", "facts"),
    [((4, 2, 5), "4x2x5 · 8 kernels"), ((3, 1, 2, 3, 3), "3x1x2x3x3 · 6 slices"), ((9, 8, 3, 5, 5), "first 96 of 216")],
)
def test_kernels_of_one_and_of_three_axes_are_drawn(shape: tuple[int, ...], facts: str) -> None:
    page = filters({"conv": RNG.normal(size=shape)})
    assert facts in words(page)
    picture = page.axes[0].get_images()[0].get_array()
    assert np.count_nonzero(~picture.mask) >= min(np.prod(shape), 96 * np.prod(shape[-2:]))


def test_other_filters_are_refused() -> None:
    with pytest.raises(DataError, match=r"'ip1' have shape \(5, 3\); expected \(O, I, kH, kW\)"):
        filters({"ip1": np.zeros((5, 3))})
    with pytest.raises(DataError, match="no filters"):
        filters({})


def test_zero_weights_can_be_drawn() -> None:
    page = filters({"conv": np.zeros((2, 1, 3, 3))})
    assert "conv" in words(page)
    shown = np.concatenate([np.ma.compressed(image.get_array()) for axes in page.axes for image in axes.images])
    assert len(shown) >= 2 * 3 * 3
    assert (shown == 0).all()


# Layers (Fig. 7)

BLOBS = [
    ("data", RNG.random((1, 28, 28))),
    ("conv1", RNG.normal(size=(8, 20, 20)) * 4),
    ("ip1encode", RNG.normal(size=250)),
    ("ip2encode", np.array([3.25, -11.5])),
    ("reshape", RNG.normal(size=(250, 1, 1))),
    ("deconv1$_a$", np.full((4, 28, 28), 0.5)),
]


def test_each_panel_tells_class_number_size_name_and_range() -> None:
    page = layer_panels(BLOBS, 2)
    assert len(page.axes) == len(BLOBS)
    lines = [title.split("\n") for title in titles(page)]
    assert [line[0] for line in lines] == [
        "01 data",
        "02 conv1",
        "03 ip1encode",
        "04 ip2encode",
        "05 reshape",
        "06 deconv1$_a$",
    ]
    sizes = [line[1].split(" · ")[1] for line in lines]
    assert sizes == ["28x28", "20x20x8", "250", "2", "250", "28x28x4"]
    assert lines[3][1] == "class 2 · 2 · [-11.5, 3.25]"
    assert lines[5][1] == "class 2 · 28x28x4 · [0.500, 0.500] constant"


def test_in_one_column_the_range_has_its_own_line_and_few_bars_are_numbered() -> None:
    page = layer_panels([*BLOBS, ("code", RNG.normal(size=10))], 2, width=3.45)
    lines = [title.split("\n") for title in titles(page)]
    assert [len(line) for line in lines] == [3] * 7
    assert lines[3][1:] == ["class 2 · 2", "[-11.5, 3.25]"]
    assert all(axes.title.get_fontsize() >= 4.5 for axes in page.axes)
    assert list(page.axes[-1].get_xticks()) == [5, 10]


def test_a_name_is_never_read_as_a_formula() -> None:
    page = layer_panels(BLOBS, 2, "$x$")
    named = [text for text in page.findobj(Text) if "$" in text.get_text()]
    assert len(named) == 2
    assert not any(text.get_parse_math() for text in named)


def test_a_code_is_drawn_as_bars_and_many_values_as_cells() -> None:
    page = layer_panels(BLOBS, 2)
    heights = [bar.get_height() for bar in page.axes[3].patches]
    assert heights == [3.25, -11.5]
    (cells,) = page.axes[2].get_images()
    assert np.count_nonzero(~np.isnan(cells.get_array())) == 250


def test_grey_runs_from_smallest_to_largest() -> None:
    (picture,) = layer_panels(BLOBS, 2).axes[1].get_images()
    assert picture.get_clim() == (BLOBS[1][1].min(), BLOBS[1][1].max())


@pytest.mark.parametrize("count", [1, 3, 16, 19, 40])
def test_the_page_fits_a4(count: int) -> None:
    page = layer_panels([("blob", RNG.random((4, 6, 6)))] * count, 0, "title")
    width, height = page.get_size_inches()
    assert width <= 7.3
    assert height <= 10.2


def test_titles_stay_in_their_columns() -> None:
    page = layer_panels([(f"deconvIneursig{i}", RNG.normal(size=(12, 28, 28)) * 1e-5) for i in range(8)], 2)
    page.draw_without_rendering()
    boxes = [axes._left_title.get_window_extent() for axes in page.axes]
    for row in (boxes[:4], boxes[4:]):
        assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(row))
    assert all(box.x1 <= page.bbox.x1 for box in boxes)


def test_slices_of_a_volume_are_tiles() -> None:
    page = layer_panels([("x", np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5))], 0)
    assert titles(page)[0].split("\n")[1].startswith("class 0 · 3x4x5x2 · [0, 119]")
    shown = page.axes[0].get_images()[0].get_array()
    assert set(shown.compressed()) == set(range(120))


@pytest.mark.parametrize("shape", [(50,), (1, 1, 50), (2, 60)])
def test_a_signal_and_what_has_its_size_are_curves(shape: tuple[int, ...]) -> None:
    size = int(np.prod(shape))
    wave = RNG.normal(size=shape)
    blobs = [("wave", wave), ("hidden", RNG.normal(size=45)), ("code", np.ones(2)), ("back", wave.reshape(-1))]
    first, hidden, code, last = layer_panels(blobs).axes
    drawn = np.concatenate([line.get_ydata() for line in first.lines])
    np.testing.assert_array_equal(drawn, wave.reshape(-1))
    assert sum(len(line.get_ydata()) for line in last.lines) == size
    assert hidden.get_images()
    assert code.patches


def test_blobs_without_values_are_refused() -> None:
    with pytest.raises(DataError, match=r"blob 'x' has shape \(2, 0, 2\)"):
        layer_panels([("x", np.zeros((2, 0, 2)))], 0)
    with pytest.raises(DataError, match="no blobs"):
        layer_panels([], 0)


def test_caffe_writes_height_width_maps() -> None:
    assert caffe_size(np.zeros((8, 20, 10))) == "20x10x8"


# The decoder over the plane


def test_the_plane_is_decoded_where_the_codes_are() -> None:
    codes = RNG.uniform(-2, 4, size=(1000, 2))
    places = grid_codes(codes, rows=3, columns=5)
    assert places.shape == (15, 2)
    assert places[0, 1] > places[-1, 1]  # the top row first
    assert places[:, 0].min() >= -2
    assert places[:, 1].max() <= 4
    images = np.arange(15, dtype=float).repeat(16).reshape(15, 1, 4, 4)
    (axes,) = code_plane(places, images).axes
    picture = axes.get_images()[0]
    assert picture.get_array().shape == (12, 20)
    np.testing.assert_array_equal(picture.get_array()[0], np.arange(5).repeat(4))
    left, right, bottom, top = picture.get_extent()
    assert left < places[0, 0] < right
    assert bottom < places[0, 1] < top


def test_the_plane_refuses_what_is_no_grid() -> None:
    with pytest.raises(DataError, match="4 images for 5 codes"):
        code_plane(RNG.normal(size=(5, 2)), np.zeros((4, 3, 3)))
    with pytest.raises(DataError, match=r"shape \(N, 2\)"):
        grid_codes(np.zeros((5, 3)))


# Images side by side


def test_every_image_has_its_number_and_class_below() -> None:
    page = gallery(RNG.random((5, 1, 6, 4)), np.array([3.0, 1, 1, 2, 9]), "restored")
    assert len(boxes(page)) == 5
    assert [text.get_text() for text in page.texts][2:] == ["0 · 3", "1 · 1", "2 · 1", "3 · 2", "4 · 9"]
    assert "grey: 0 to 1.00" in page.texts[1].get_text()
    assert gallery(RNG.random((3, 6, 4))).texts[4].get_text() == "2"


def test_a_gallery_shows_values_beyond_grey_levels_and_the_first_of_many() -> None:
    stack = RNG.random((500, 5, 5)) * 8 - 4
    page = gallery(stack, limit=300)
    assert len(boxes(page)) == 300
    assert "first 300 of 500 images" in page.texts[1].get_text()
    assert "grey: -4.00 to 4.00" in page.texts[1].get_text()
    width, height = page.get_size_inches()
    assert width <= 7.3
    assert height <= 10.2
    with pytest.raises(DataError, match="no images"):
        gallery(np.zeros((0, 4, 4)))


@pytest.mark.parametrize("count", [1, 7, 400])
def test_captions_do_not_touch(count: int) -> None:
    page = gallery(RNG.random((count, 28, 28)), np.full(count, 123))
    page.draw_without_rendering()
    extents = [text.get_window_extent() for text in page.texts[2:]]
    assert all(left.x1 <= right.x0 for left, right in itertools.pairwise(extents) if left.y0 == right.y0)


# Words that are too long


def test_long_titles_are_made_to_fit() -> None:
    long = "the test data of /home/somebody/a/very/long/path/to/runs/" + "x" * 80
    scattered = scatter(RNG.random((9, 2)), title=long, note=long)
    layered = layer_panels(BLOBS, 2, long * 2)
    for page in (scattered, layered, gallery(RNG.random((2, 4, 4)), title=long)):
        page.draw_without_rendering()
        assert all(
            text.get_window_extent().x1 <= page.bbox.x1 + 1 for text in page.findobj(Text) if "/" in text.get_text()
        )


def test_a_map_of_codes_that_are_not_finite_is_refused() -> None:
    with pytest.raises(DataError, match="code 1 holds a value that is not finite"):
        scatter(np.array([[0, 1], [np.inf, 0]]))


def test_bars_that_all_point_down_stay_in_their_panel() -> None:
    (axes,) = layer_panels([("code", np.array([-1.0, -2.0]))], 2).axes
    assert axes.get_ylim()[1] > 0


def test_bars_of_classes_count_from_0_and_those_of_codes_from_1() -> None:
    code, scores = layer_panels([("code", np.arange(3.0)), ("fc", np.arange(12.0))], 2, scores=["fc"]).axes
    assert [label.get_text() for label in code.get_xticklabels()] == ["1", "2", "3"]
    assert [label.get_text() for label in scores.get_xticklabels()] == ["0", "5", "10"]


def test_panels_are_titled_by_what_is_known() -> None:
    assert titles(layer_panels(BLOBS[:1]))[0].split("\n")[1].startswith("28x28 · [")
    assert titles(layer_panels(BLOBS[:1], 1, named="sim"))[0].split("\n")[1].startswith("sim 1 · 28x28 · [")


def test_kernels_of_one_weight_are_cells_of_a_matrix() -> None:
    weights = RNG.normal(size=(4, 3, 1, 1))
    page = filters({"mix": weights, "wide": RNG.normal(size=(40, 30, 1, 1))})
    mixed, wide = (axes.get_images()[0].get_array() for axes in page.axes if axes.get_images())
    assert mixed.shape == (3 * 31 - 3, 4 * 31 - 3)  # a row per input, a column per output, a gap between the cells
    assert mixed[31, 0] == weights[0, 1, 0, 0]
    assert mixed.mask[28].all()
    assert not wide.mask.any()  # cells too small for gaps
    assert "1200 kernels" in "".join(text.get_text() for text in page.findobj(Text))
