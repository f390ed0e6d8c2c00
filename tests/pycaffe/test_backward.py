"""A backward pass computes with what stands in the blobs, whoever wrote it, after a forward pass or without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepcae.pycaffe as caffe
from deepcae.errors import LayerError
from reference import cases, outline, read_case, write_extra_files

RANDOM = np.random.default_rng(3)
X, D = RANDOM.normal(size=(2, 6)).astype(np.float32), RANDOM.normal(size=(2, 6)).astype(np.float32)
IMAGE = RANDOM.normal(size=(2, 3, 6, 6)).astype(np.float32)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def build(layers: str, shape: tuple[int, ...] = X.shape, phase: int = caffe.TRAIN) -> Any:
        dims = " ".join(f"dim: {size}" for size in shape)
        head = f'layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ {dims} }} }} }}'
        Path("net.prototxt").write_text(f"force_backward: true {head} {layers}")
        return caffe.Net("net.prototxt", phase)

    return build


def one(kind: str, more: str = "", bottom: str = "x", top: str = "y") -> str:
    return f'layer {{ name: "{top}" type: "{kind}" bottom: "{bottom}" top: "{top}" {more} }}\n'


INNER = one("InnerProduct", 'inner_product_param { num_output: 4 weight_filler { type: "xavier" } }')
CONV = one("Convolution", 'convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } }')


# Without a forward pass


def _has_gradients(path: Path) -> bool:
    case = outline(path)
    in_place = any(set(layer.bottom) & set(layer.top) for layer in case.net.layer)  # what the passes read is gone then
    return case.known and not in_place and not case.random and case.has_backward


@pytest.mark.parametrize("path", [path for path in cases("layers") if _has_gradients(path)], ids=lambda path: path.stem)
def test_gradients_are_those_of_a_whole_pass(make: Any, tmp_path: Path, path: Path) -> None:
    """Of every recorded layer and net, once with a forward pass, once with its values written into the blobs."""
    case = read_case(path)
    write_extra_files(case, tmp_path)
    Path("net.prototxt").write_text(str(case["prototxt"]))
    phase = getattr(caffe, str(case["phase"]))
    passed, written = caffe.Net("net.prototxt", phase), caffe.Net("net.prototxt", phase)
    for name, blobs in passed.params.items():
        for ours, theirs in zip(written.params[name], blobs, strict=True):
            ours.data[...] = theirs.data
    for i, name in enumerate(case["bottom_names"]):
        passed.blobs[str(name)].data[...] = case[f"bottom_{i}"]
    passed.forward()
    for name, blob in passed.blobs.items():
        written.blobs[name].reshape(*blob.shape)
        written.blobs[name].data[...] = blob.data
    for net in (passed, written):
        for i, name in enumerate(case["top_names"]):
            net.blobs[str(name)].diff[...] = case[f"top_diff_{i}"].reshape(net.blobs[str(name)].shape)
        net.backward()
    for name, blob in passed.blobs.items():
        np.testing.assert_array_equal(written.blobs[name].diff, blob.diff, err_msg=name)
    for name, blobs in passed.params.items():
        for k, (ours, theirs) in enumerate(zip(written.params[name], blobs, strict=True)):
            np.testing.assert_array_equal(ours.diff, theirs.diff, err_msg=f"{name}[{k}]")


def test_of_a_product_it_is_that_of_the_written_values(make: Any) -> None:
    net = make(INNER)
    net.blobs["x"].data[...] = X
    net.blobs["y"].diff[...] = D[:, :4]
    assert net.backward(start="y", end="y").keys() == {"x"}
    weights, bias = net.params["y"]
    np.testing.assert_allclose(net.blobs["x"].diff, D[:, :4] @ weights.data, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weights.diff, D[:, :4].T @ X, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(bias.diff, D[:, :4].sum(0), rtol=1e-5, atol=1e-6)
    net.backward()
    np.testing.assert_allclose(weights.diff, 2 * D[:, :4].T @ X, rtol=1e-5, atol=1e-6)


SLOPES: dict[str, tuple[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]] = {
    "Sigmoid": ("", lambda x, y: y * (1 - y)),
    "TanH": ("", lambda x, y: 1 - y * y),
    "Exp": ("exp_param { base: 2 scale: 3 shift: 1 }", lambda x, y: y * 3 * np.log(2)),
    "Power": ("power_param { power: 3 scale: 2 shift: 1 }", lambda x, y: 3 * 2 * y / (1 + 2 * x)),
    "ReLU": ("", lambda x, y: (x > 0).astype(np.float32)),
    "BNLL": ("", lambda x, y: 1 / (1 + np.exp(-x))),
    "AbsVal": ("", lambda x, y: np.sign(x)),
    "Log": ("log_param { base: 2 shift: 20 }", lambda x, y: 1 / ((x + 20) * np.log(2))),
}


@pytest.mark.parametrize("kind", SLOPES)
@pytest.mark.parametrize("before", ["nothing", "a forward pass", "a look at all blobs"])
def test_each_layer_reads_what_caffes_reads(make: Any, kind: str, before: str) -> None:
    """Its top or its bottom: both are written, and do not belong together."""
    settings, slope = SLOPES[kind]
    net = make(one(kind, settings))
    if before != "nothing":
        net.forward(x=X[::-1])
    if before == "a look at all blobs":
        held = [blob.data for blob in net.blobs.values()]
        net.backward(y=D)
        assert all(array.any() for array in held)
    y = RANDOM.random(X.shape, np.float32)
    net.blobs["x"].data[...], net.blobs["y"].data[...] = X, y
    np.testing.assert_allclose(net.backward(y=D)["x"], D * slope(X, y), rtol=1e-4, atol=1e-6)


def test_softmax_reads_its_top(make: Any) -> None:
    net = make(one("Softmax"))
    y = RANDOM.random(X.shape, np.float32)
    net.blobs["y"].data[...] = y
    expected = y * (D - (D * y).sum(1, keepdims=True))
    np.testing.assert_allclose(net.backward(y=D)["x"], expected, rtol=1e-4, atol=1e-6)


def test_a_net_of_losses_computes_with_what_stands(make: Any) -> None:
    loss = 'layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }'
    target = 'layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 2 dim: 4 } } }'
    net = make(INNER + target + loss)
    net.blobs["x"].data[...], net.blobs["y"].data[...], net.blobs["t"].data[...] = X, D[:, :4], X[:, :4]
    net.backward()
    gradient = (D[:, :4] - X[:, :4]) / 2
    np.testing.assert_allclose(net.blobs["y"].diff, gradient, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net.params["y"][0].diff, gradient.T @ X, rtol=1e-5, atol=1e-6)


# After a forward pass of other values


@pytest.mark.parametrize("looked", [False, True])
def test_values_written_after_a_forward_pass_count(make: Any, looked: bool) -> None:
    net, fresh = make(CONV, IMAGE.shape), make(CONV, IMAGE.shape)
    for k in range(2):
        fresh.params["y"][k].data[...] = net.params["y"][k].data
    diff = RANDOM.normal(size=net.blobs["y"].shape).astype(np.float32)
    fresh.forward(x=-IMAGE)
    expected = fresh.backward(y=diff)["x"].copy()
    array = net.blobs["x"].data if looked else None
    for _ in range(2):
        net.clear_param_diffs()
        net.forward(x=IMAGE)
        if array is None:
            net.blobs["x"].data[...] = -IMAGE
        else:
            array[...] = -IMAGE
        np.testing.assert_array_equal(net.backward(y=diff)["x"], expected)
        np.testing.assert_array_equal(net.params["y"][0].diff, fresh.params["y"][0].diff)
    net.params["y"][0].data[...] *= 2
    np.testing.assert_allclose(net.backward(y=diff)["x"], 2 * expected, rtol=1e-5, atol=1e-6)


def test_weights_that_came_another_way_count(make: Any) -> None:
    other = make(INNER)
    other.save("other.caffemodel")
    net = make(INNER)
    net.forward(x=X)
    net.copy_from("other.caffemodel")
    expected = D[:, :4] @ other.params["y"][0].data
    np.testing.assert_allclose(net.backward(y=D[:, :4])["x"], expected, rtol=1e-5, atol=1e-6)
    third = make(INNER)
    third.forward(x=X)
    third.share_with(other)
    np.testing.assert_allclose(third.backward(y=D[:, :4])["x"], expected, rtol=1e-5, atol=1e-6)
    other.params["y"][0].data[...] = 0
    assert not third.backward()["x"].any()


def test_what_a_forward_pass_left_in_a_layer_stays(make: Any) -> None:
    """The places of the greatest values, a mask, a difference: as in Caffe they are those of the last forward pass."""
    pool = make(one("Pooling", "pooling_param { kernel_size: 2 stride: 2 }"), (1, 1, 2, 2))
    pool.forward(x=np.array([[[[1, 2], [3, 0]]]]))
    pool.blobs["x"].data[...] = [[[[9, 2], [3, 0]]]]
    assert pool.backward(y=np.ones((1, 1, 1, 1)))["x"].ravel().tolist() == [0, 0, 1, 0]
    drop = make(one("Dropout"))
    mask = drop.forward(x=np.ones(X.shape))["y"].copy()
    drop.blobs["x"].data[...] = X
    for _ in range(2):
        np.testing.assert_array_equal(drop.backward(y=D)["x"], D * mask)


def test_a_pass_of_what_stands_leaves_no_trace(make: Any) -> None:
    """No random number is taken, no running sum moves, no blob changes."""
    norm, drop = one("BatchNorm", top="n"), one("Dropout", bottom="n", top="y")
    masks = []
    for backward_first in (False, True):
        caffe.set_random_seed(4)
        net = make(norm + drop, (8, 6))
        net.blobs["x"].data[...] = RANDOM.normal(size=(8, 6))
        if backward_first:
            net.blobs["y"].diff[...] = 1
            before = {name: blob.data.copy() for name, blob in net.blobs.items()}
            net.backward()
            assert net.blobs["x"].diff.any() or net.blobs["n"].diff.any()
            assert not any(blob.data.any() for blob in net.params["n"])
            for name, blob in net.blobs.items():
                np.testing.assert_array_equal(blob.data, before[name])
        masks.append(net.forward()["y"] != 0)
    np.testing.assert_array_equal(masks[0], masks[1])


def test_in_place_the_true_gradient_of_the_forward_pass_stays(make: Any) -> None:
    chain = INNER + one("Sigmoid", bottom="y", top="y").replace('name: "y"', 'name: "s"')
    chain += one("Power", "power_param { scale: -1 }", bottom="y", top="y").replace('name: "y"', 'name: "p"')
    net = make(chain)
    y = -net.forward(x=X)["y"].copy()
    np.testing.assert_allclose(
        net.backward(y=D[:, :4])["x"], (-D[:, :4] * y * (1 - y)) @ net.params["y"][0].data, rtol=1e-4
    )
    clipped = make(INNER + one("ReLU", bottom="y", top="y").replace('name: "y"', 'name: "r"'))
    clipped.forward(x=X)
    values = RANDOM.normal(size=(2, 4)).astype(np.float32)
    clipped.blobs["y"].data[...] = values
    expected = (D[:, :4] * (values > 0)) @ clipped.params["y"][0].data
    np.testing.assert_allclose(clipped.backward(y=D[:, :4])["x"], expected, rtol=1e-4, atol=1e-6)


# Parts, and shapes


def test_a_backward_pass_may_go_over_more_than_the_forward_pass(make: Any) -> None:
    net = make(INNER + one("TanH", bottom="y", top="z") + one("Power", "power_param { scale: 3 }", bottom="z", top="u"))
    net.forward(end="y", x=X)
    net.blobs["z"].data[...] = 0.5
    net.backward(u=D[:, :4])
    np.testing.assert_allclose(net.blobs["y"].diff, 3 * D[:, :4] * 0.75, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net.params["y"][0].diff, (3 * D[:, :4] * 0.75).T @ X, rtol=1e-4, atol=1e-6)
    net.blobs["z"].diff[...] = 1
    net.forward(start="z", end="z")
    found = net.backward(start="z", end="z")
    np.testing.assert_allclose(found["y"], 1 - net.blobs["z"].data ** 2, rtol=1e-4, atol=1e-6)


def test_what_another_pass_wrote_counts(make: Any) -> None:
    net = make(one("Power", "power_param { scale: 2 }") + one("ReLU", bottom="y", top="z"))
    net.forward(x=X)
    net.forward(end="y", x=-X)
    np.testing.assert_array_equal(net.backward(z=D)["x"], 2 * D * (X < 0))


def test_another_shape_needs_its_tops_reshaped(make: Any) -> None:
    net = make(INNER)
    net.forward(x=X)
    net.blobs["x"].reshape(5, 6)
    with pytest.raises(LayerError, match=r"top 'y' is of shape \[2, 4\], its bottoms make one of \[5, 4\]; call net"):
        net.backward()
    net.reshape()
    assert net.blobs["y"].shape == (5, 4)
    values, diff = RANDOM.normal(size=(5, 6)).astype(np.float32), RANDOM.normal(size=(5, 4)).astype(np.float32)
    net.blobs["x"].data[...] = values
    np.testing.assert_allclose(net.backward(y=diff)["x"], diff @ net.params["y"][0].data, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net.params["y"][0].diff, diff.T @ values, rtol=1e-4, atol=1e-6)
    net.blobs["x"].reshape(1, 6)
    net.forward()
    assert net.backward(y=np.ones((1, 4)))["x"].shape == (1, 6)


LAYER = """
import caffe
calls = []
class Times(caffe.Layer):
    def setup(self, bottom, top):
        self.factor = float(self.param_str)
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top):
        calls.append("forward")
        top[0].data[...] = self.factor * bottom[0].data
    def backward(self, top, propagate_down, bottom):
        calls.append("backward")
        assert propagate_down == [True]
        bottom[0].diff[...] = self.factor * top[0].diff + top[0].data
"""


def test_of_a_layer_in_python_backward_alone_runs(make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("times_layer.py").write_text(LAYER)
    times = one("Python", 'python_param { module: "times_layer" layer: "Times" param_str: "10" }')
    net = make(times + times.replace('"y"', '"z"').replace('"x"', '"y"'))
    net.blobs["z"].diff[...] = 7
    net.backward()
    assert (net.blobs["x"].diff == 700).all()
    import times_layer  # type: ignore[import-not-found]

    assert times_layer.calls == ["backward", "backward"]
    net.forward(x=X)
    net.blobs["y"].data[...], net.blobs["z"].data[...] = 0, D
    np.testing.assert_allclose(net.backward(z=X)["x"], 10 * (10 * X + D), rtol=1e-5, atol=1e-6)
    assert times_layer.calls.count("forward") == 2


def test_an_update_between_two_backward_passes_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"""force_backward: true
    layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 dim: 6 dim: 6 }} }} }}
    {CONV} layer {{ name: "loss" type: "Reduction" bottom: "y" top: "loss" loss_weight: 1 }}"""
    Path("net.prototxt").write_text(text)
    Path("solver.prototxt").write_text('net: "net.prototxt" base_lr: 0.5 lr_policy: "fixed"')
    solver = caffe.SGDSolver("solver.prototxt")
    net, fresh = solver.net, caffe.Net("net.prototxt", caffe.TRAIN)
    net.forward(x=IMAGE)
    net.backward()
    solver.apply_update()
    net.backward()
    for k in range(2):
        fresh.params["y"][k].data[...] = net.params["y"][k].data
    fresh.forward(x=IMAGE)
    fresh.backward()
    np.testing.assert_array_equal(net.blobs["x"].diff, fresh.blobs["x"].diff)
