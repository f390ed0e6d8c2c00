"""Coordinate maps against nets that are run: where a value ends up, and how large what comes out is."""

# ruff: noqa: C408 — as scripts write it
from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.net.graph import build_graph
from deepcae.net.net import Net
from deepcae.net.plan import make_plan
from deepcae.proto import read_net
from deepcae.pycaffe.coord_map import (
    AxisMismatchException,
    UndefinedMapException,
    compose,
    conv_params,
    coord_map,
    coord_map_from_to,
    crop,
    inverse,
)
from deepcae.pycaffe.net_spec import NetSpec, Top, layers

L = layers
WINDOW = st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2), st.integers(1, 2))  # k, s, p, dilation


def shape_of(top: Top) -> tuple[int, ...]:
    net = top.to_proto()
    return make_plan(build_graph(read_net(net), "TEST")).shapes[net.layer[-1].top[0]]


def image(height: int = 60, width: int = 60) -> Top:
    return L.Input(shape=dict(dim=[1, 1, height, width]))


def mean_filter(bottom: Top, kernel: int, stride: int, pad: int, dilation: int) -> Top:
    """A convolution that gives the mean of its window: of a ramp the position of the window's middle."""
    return L.Convolution(
        bottom, num_output=1, kernel_size=kernel, stride=stride, pad=pad, dilation=dilation, bias_term=False,
        weight_filler=dict(type="constant", value=1 / kernel**2),
    )  # fmt: skip


def run(top: Top, values: np.ndarray) -> np.ndarray:
    net = top.to_proto()
    blobs = Net(net, phase="TEST", seed=0)(
        **{net.layer[0].top[0]: torch.from_numpy(values)}, want=[net.layer[-1].top[0]]
    )
    return np.asarray(blobs[net.layer[-1].top[0]])


@settings(max_examples=40)
@given(st.lists(WINDOW, min_size=1, max_size=3))
def test_the_map_to_the_input_is_the_middle_of_what_an_output_sees(windows: list[tuple[int, int, int, int]]) -> None:
    size = 240  # three windows of 9 pixels with strides of 3 see 117 of them
    data = image(size, size)
    top = data
    for window in windows:
        top = mean_filter(top, *window)
    ramp = np.broadcast_to(np.arange(size, dtype=np.float32), (1, 1, size, size)).copy()
    seen = run(top, ramp)[0, 0]
    axis, scale, shift = coord_map_from_to(top, data)
    assert axis == 1
    middle = seen.shape[0] // 2  # far from every border, where padding counts
    assert seen[middle, middle] == pytest.approx(scale[0] * middle + shift[0], abs=1e-3)


@settings(max_examples=40)
@given(WINDOW.filter(lambda w: w[0] >= w[1]), st.integers(8, 14))
def test_a_deconvolution_spreads_a_value_around_its_place(window: tuple[int, int, int, int], place: int) -> None:
    kernel, stride, pad, dilation = window
    data = image(24, 24)
    settings_ = dict(
        num_output=1, kernel_size=kernel, stride=stride, pad=pad, dilation=dilation, bias_term=False,
        weight_filler=dict(type="constant", value=1),
    )  # fmt: skip
    top = L.Deconvolution(data, convolution_param=settings_)
    spot = np.zeros((1, 1, 24, 24), np.float32)
    spot[0, 0, place, place] = 1
    spread = run(top, spot)[0, 0].sum(0)
    centre = (spread * np.arange(spread.size)).sum() / spread.sum()
    _, scale, shift = coord_map(top.fn)
    assert centre == pytest.approx(scale[0] * place + shift[0], abs=1e-4)


@settings(max_examples=60)
@given(st.integers(1, 4), st.integers(0, 40), st.integers(0, 3), st.integers(30, 50))
def test_a_crop_gives_the_reference_its_size_and_place(factor: int, pad: int, deeper: int, size: int) -> None:
    """Down by strides and up again, as in fully convolutional nets: cropped, each value lies where it came from."""
    data = image(size, size)
    top = L.Convolution(data, num_output=1, kernel_size=2 * deeper + 1, pad=pad)
    top = L.Pooling(L.ReLU(top, in_place=True), kernel_size=factor, stride=factor)
    settings_ = dict(num_output=1, kernel_size=factor, stride=factor)
    top = L.Deconvolution(top, convolution_param=settings_)
    if pad < deeper:
        with pytest.raises(AssertionError, match="cannot crop negative width"):
            crop(top, data)
        return
    cropped = crop(top, data)
    assert shape_of(top)[2] >= size
    assert list(cropped.fn.params["crop_param"]["offset"]) == [pad - deeper]
    assert shape_of(cropped)[2:] == (size, size)
    axis, scale, shift = coord_map_from_to(cropped, data)
    assert axis == 1
    np.testing.assert_array_equal([scale, shift], [[1], [0]])


def vgg(data: Top) -> tuple[Top, Top, Top]:
    """pool3, pool4 and the last layer before the scores of the 16-layer network, with FCN's padding of 100."""
    top, pools = data, []
    for block, count in enumerate((2, 2, 3, 3, 3)):
        for number in range(count):
            top = L.Convolution(top, num_output=1, kernel_size=3, pad=100 if block == number == 0 else 1)
            top = L.ReLU(top, in_place=True)
        top = L.Pooling(top, kernel_size=2, stride=2)
        pools.append(top)
    top = L.Convolution(top, num_output=1, kernel_size=7, pad=0)
    return pools[2], pools[3], L.Dropout(L.ReLU(top, in_place=True), in_place=True)


def score(top: Top) -> Top:
    return L.Convolution(top, num_output=1, kernel_size=1, pad=0)


def up(top: Top, kernel: int, stride: int) -> Top:
    return L.Deconvolution(top, convolution_param=dict(num_output=1, kernel_size=kernel, stride=stride))


def offset(top: Top) -> Any:
    return top.fn.params["crop_param"]["offset"]


def test_the_offsets_of_the_published_fcns() -> None:
    """19 in FCN-32s; 5 and 27 in FCN-16s; 5, 9 and 31 in FCN-8s (voc-fcn*/train.prototxt)."""
    data = image(500, 375)
    pool3, pool4, deep = vgg(data)
    assert offset(crop(up(score(deep), 64, 32), data)) == [19]
    up2 = up(score(deep), 4, 2)
    pool4c = crop(score(pool4), up2)
    assert offset(pool4c) == [5]
    fused = L.Eltwise(up2, pool4c)
    assert offset(crop(up(fused, 32, 16), data)) == [27]
    up4 = up(fused, 4, 2)
    pool3c = crop(score(pool3), up4)
    assert offset(pool3c) == [9]
    assert offset(crop(up(L.Eltwise(up4, pool3c), 16, 8), data)) == [31]


def test_a_window_may_differ_by_axis_and_stand_in_its_message() -> None:
    data = image()
    by_keyword = L.Convolution(data, num_output=1, kernel_size=[3, 4], stride=[1, 2], pad=[1, 3])
    in_message = L.Convolution(data, convolution_param=dict(kernel_size=[3, 4], stride=[1, 2], pad=[1, 3]))
    for top in (by_keyword, in_message):
        axis, scale, shift = coord_map(top.fn)
        assert axis == 1
        np.testing.assert_array_equal(scale, [1, 0.5])
        np.testing.assert_array_equal(shift, [0, 0.75])
    pool = L.Pooling(data, pooling_param=dict(kernel_size=2))
    assert [list(values) for values in conv_params(pool.fn)[1:]] == [[1], [2], [0]]
    up_again = L.Deconvolution(by_keyword, convolution_param=dict(num_output=1, kernel_size=[1, 2], stride=[1, 2]))
    assert offset(crop(up_again, data)) == [0, 2]


def test_a_crop_can_be_cropped() -> None:
    data = image(20, 20)
    small = L.Convolution(data, num_output=1, kernel_size=5)
    smaller = L.Convolution(small, num_output=1, kernel_size=3)
    first = crop(data, small)
    second = crop(first, smaller)
    assert (offset(first), offset(second)) == ([2], [1])
    assert first.fn.params["crop_param"]["axis"] == 2
    assert shape_of(second) == (1, 1, 14, 14)


def test_blobs_of_equal_coordinates_are_cropped_by_nothing() -> None:
    data = image()
    made = crop(L.ReLU(data), data)
    assert made.fn.params["crop_param"] == {"axis": 2, "offset": [0]}
    assert shape_of(made) == (1, 1, 60, 60)


def test_inverse_and_composition() -> None:
    base, following = (1, 0.5, 3.0), (None, 4.0, -2.0)
    assert compose(base, following) == (1, 2.0, 2.0)
    assert compose(base, inverse(base)) == (1, 1.0, 0.0)
    with pytest.raises(AxisMismatchException, match="along axis 1 and along axis 2 do not compose"):
        compose(base, (2, 1, 0))


def test_what_has_no_map() -> None:
    data = image()
    with pytest.raises(UndefinedMapException, match="InnerProduct has no coordinate map"):
        coord_map(L.InnerProduct(data, num_output=3).fn)
    with pytest.raises(UndefinedMapException, match="Pooling without kernel_size"):
        coord_map(L.Pooling(data, global_pooling=True).fn)
    with pytest.raises(AssertionError, match=r"does not support legacy _h/_w params \(Convolution: kernel_h\)"):
        coord_map(L.Convolution(data, kernel_h=3, kernel_size=3).fn)
    other = L.ReLU(L.InnerProduct(data, num_output=3))
    with pytest.raises(RuntimeError, match="Could not compute map between tops; are they connected by spatial layers"):
        coord_map_from_to(other, data)
    with pytest.raises(RuntimeError, match="Could not compute map"):
        coord_map_from_to(data, image())


def test_what_cannot_be_cropped() -> None:
    data = image()
    with pytest.raises(AssertionError, match="scale mismatch on crop"):
        crop(L.Pooling(data, kernel_size=2, stride=2), data)
    with pytest.raises(AssertionError, match="cannot crop negative width"):
        crop(L.Convolution(data, num_output=1, kernel_size=3), data)
    with pytest.raises(AssertionError, match="cannot crop noninteger width"):
        crop(L.Convolution(data, num_output=1, kernel_size=4, pad=2), data)


def test_a_diamond_of_paths_is_walked_once() -> None:
    n = NetSpec()
    top = n.data = image()
    for _ in range(60):
        top = L.Eltwise(L.ReLU(top), L.TanH(top))
    assert coord_map_from_to(top, n.data)[0] is None
