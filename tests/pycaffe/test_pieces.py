"""Whatever pieces a script makes of its passes, and whatever shapes it went through, the numbers are the same."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import deepcae.pycaffe as caffe

TEXT = """
force_backward: true
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 2 dim: 6 dim: 5 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 3 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "tanh" type: "TanH" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { pool: AVE global_pooling: true } }
layer { name: "flat" type: "Flatten" bottom: "pool" top: "flat" }
layer { name: "ip" type: "InnerProduct" bottom: "flat" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "relu" type: "ReLU" bottom: "ip" top: "relu" relu_param { negative_slope: 0.1 } }
layer { name: "sum" type: "Eltwise" bottom: "ip" bottom: "relu" top: "sum" }
"""
LAST = 8  # the layers are 0 to 8: a Split stands behind ip
SHAPES = st.tuples(st.integers(1, 4), st.integers(3, 8), st.integers(3, 8))
LENIENT = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A net to play with, and one with the same weights that only makes whole passes."""
    path = tmp_path_factory.mktemp("pieces") / "net.prototxt"
    Path(path).write_text(TEXT)
    net, whole = (caffe.Net(str(path), caffe.TEST) for _ in range(2))
    for name, blobs in net.params.items():
        for mine, theirs in zip(whole.params[name], blobs, strict=True):
            mine.data[...] = theirs.data
    return net, whole


def draw(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@LENIENT
@given(sizes=st.lists(SHAPES, min_size=1, max_size=4), explicit=st.booleans(), seed=st.integers(0, 99))
def test_shapes_leave_no_trace(pair: Any, sizes: list[tuple[int, int, int]], explicit: bool, seed: int) -> None:
    net, whole = pair
    for n, h, w in sizes:
        net.blobs["x"].reshape(n, 2, h, w)
        if explicit:
            net.reshape()
        net.blobs["x"].data[...] = draw((n, 2, h, w), seed)
        got = net.forward()["sum"].copy()
    whole.blobs["x"].reshape(n, 2, h, w)
    whole.reshape()
    np.testing.assert_allclose(got, whole.forward(x=draw((n, 2, h, w), seed))["sum"], rtol=1e-5, atol=1e-6)
    assert [blob.shape for blob in net.blobs.values()] == [blob.shape for blob in whole.blobs.values()]


@LENIENT
@given(cuts=st.sets(st.integers(1, LAST)), seed=st.integers(0, 99))
def test_pieces_of_passes_make_the_whole(pair: Any, cuts: set[int], seed: int) -> None:
    net, whole = pair
    x = draw((2, 2, 6, 5), seed)
    for each in pair:
        each.blobs["x"].reshape(*x.shape)
        each.reshape()
        each.blobs["x"].data[...] = x
        each.clear_param_diffs()
        each.blobs["sum"].diff[...] = draw((2, 4), seed + 1)
    borders = [0, *sorted(cuts), LAST + 1]
    names = net._layer_names
    spans = [(names[begin], names[end - 1]) for begin, end in pairwise(borders)]
    for first, last in spans:
        net.forward(start=first, end=last)
    for first, last in reversed(spans):
        net.backward(start=last, end=first)
    whole.forward()
    whole.backward()
    for name, blob in net.blobs.items():
        np.testing.assert_array_equal(blob.data, whole.blobs[name].data, err_msg=name)
        np.testing.assert_array_equal(blob.diff, whole.blobs[name].diff, err_msg=name)
    for name, blobs in net.params.items():
        for mine, theirs in zip(blobs, whole.params[name], strict=True):
            np.testing.assert_array_equal(mine.diff, theirs.diff, err_msg=name)
