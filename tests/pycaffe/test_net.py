"""What a script may do with a Net: its arrays are the net's memory, and passes begin and end where it says."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import deepcae.pycaffe as caffe
from deepcae.errors import DeepcaeError

TEXT = """
name: "small"
force_backward: true
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 2 dim: 3 dim: 8 dim: 8 } } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
  convolution_param { num_output: 4 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "flat" type: "Flatten" bottom: "conv1" top: "flat" }
layer { name: "ip" type: "InnerProduct" bottom: "flat" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
layer { name: "score" type: "Power" bottom: "ip" top: "score" power_param { scale: 3 } }
"""
POOLED = TEXT.replace(
    'type: "Flatten" bottom: "conv1" top: "flat" }',
    'type: "Pooling" bottom: "conv1" top: "flat" pooling_param { pool: AVE global_pooling: true } }',
)
IMAGES = np.random.default_rng(1).random((2, 3, 8, 8), dtype=np.float32)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def build(text: str = TEXT, phase: int = caffe.TEST, **options: Any) -> Any:
        Path("net.prototxt").write_text(text)
        return caffe.Net("net.prototxt", phase, **options)

    return build


# What it is made of


def test_names_and_order_are_caffes(make: Any) -> None:
    net = make()
    assert net._layer_names == ["in", "conv1", "relu1", "flat", "ip", "ip_ip_0_split", "prob", "score"]
    split = ["ip_ip_0_split_0", "ip_ip_0_split_1"]
    assert net._blob_names == list(net.blobs) == ["data", "conv1", "flat", "ip", *split, "prob", "score"]
    assert (net.inputs, net.outputs) == (["data"], ["prob", "score"])
    assert list(net.params) == ["conv1", "ip"]
    assert [list(blob.shape) for blob in net.params["conv1"]] == [[4, 3, 3, 3], [4]]
    assert list(net.layer_dict) == net._layer_names
    assert [layer.type for layer in net.layers][:4] == ["Input", "Convolution", "ReLU", "Flatten"]
    assert isinstance(net.layer_dict["conv1"], caffe.Layer)
    assert len(net.layer_dict["conv1"].blobs) == 2
    assert net.top_names["ip_ip_0_split"] == split
    assert net.bottom_names["relu1"] == ["conv1"]
    assert set(net.blob_loss_weights.values()) == {0.0}
    assert net.name == "small"


def test_a_loss_without_a_top_is_automatic(make: Any) -> None:
    text = """layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "l" type: "EuclideanLoss" bottom: "a" bottom: "b" loss_weight: 0.5 }"""
    net = make(text)
    assert net.blob_loss_weights == {"a": 0.0, "b": 0.0, "(automatic)": 0.5}
    assert net.outputs == []


def test_blob_sizes(make: Any) -> None:
    blob = make().blobs["data"]
    assert (blob.num, blob.channels, blob.height, blob.width, blob.count) == (2, 3, 8, 8, 384)
    flat = make().blobs["prob"]
    assert (flat.num, flat.channels, flat.height, flat.width) == (2, 5, 1, 1)
    flat.reshape(1, 1, 1, 1, 10)
    with pytest.raises(ValueError, match="up to 4 axes"):
        _ = flat.num


def test_both_forms_of_the_constructor(make: Any) -> None:
    net = make()
    net.save("w.caffemodel")
    with pytest.warns(DeprecationWarning, match="the old form"):
        old = caffe.Net("net.prototxt", "w.caffemodel", caffe.TEST)
    new = caffe.Net("net.prototxt", caffe.TEST, weights="w.caffemodel")
    for loaded in (old, new):
        np.testing.assert_array_equal(loaded.params["ip"][0].data, net.params["ip"][0].data)


def test_levels_and_stages_come_from_the_arguments(make: Any) -> None:
    text = """state { phase: TRAIN level: 9 stage: "own" }
    layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 } } }
    layer { name: "deep" type: "ReLU" bottom: "x" top: "a" include { min_level: 3 } }
    layer { name: "staged" type: "ReLU" bottom: "x" top: "b" include { stage: "extra" stage: "own" phase: TEST } }"""
    assert "deep" not in make(text).layer_dict
    assert "deep" in make(text, level=3).layer_dict
    assert "staged" in make(text, stages=["extra"]).layer_dict
    assert "staged" not in make(text, caffe.TRAIN, stages=["extra"]).layer_dict


# Aliasing


def test_arrays_are_the_nets_memory(make: Any) -> None:
    net = make()
    held = net.blobs["data"].data
    net.blobs["data"].data[...] = IMAGES
    np.testing.assert_array_equal(held, IMAGES)
    out = net.forward()["prob"]
    assert out.dtype == np.float32
    assert np.shares_memory(out, net.blobs["prob"].data)
    before = out.copy()
    held *= -3  # through the array that was taken long ago
    net.forward()
    assert not np.array_equal(out, before)  # forward wrote where the array looks
    assert np.shares_memory(net.params["ip"][0].data, net.layers[4].blobs[0].data)


def test_an_array_outlives_its_net(make: Any) -> None:
    net = make()
    net.blobs["data"].data[...] = IMAGES
    values = net.blobs["data"].data
    del net
    gc.collect()
    np.testing.assert_array_equal(values, IMAGES)


def test_what_shares_memory_in_caffe_shares_it_here(make: Any) -> None:
    net = make()
    data = {name: blob.data for name, blob in net.blobs.items()}
    assert np.shares_memory(data["conv1"], data["flat"])
    assert np.shares_memory(data["ip"], data["ip_ip_0_split_0"])
    assert np.shares_memory(net.blobs["conv1"].diff, net.blobs["flat"].diff)
    assert not np.shares_memory(net.blobs["ip"].diff, net.blobs["ip_ip_0_split_0"].diff)
    assert not np.shares_memory(data["ip"], data["prob"])


def test_a_shared_blob_that_is_rewritten_in_place_leaves_its_bottom_alone(make: Any) -> None:
    late = """
    layer { name: "late" type: "Reshape" bottom: "prob" top: "late" reshape_param { shape { dim: -1 } } }
    layer { name: "power" type: "Power" bottom: "late" top: "late" power_param { shift: 5 } }"""
    net = make(TEXT + late)
    out = net.forward(data=IMAGES)
    np.testing.assert_allclose(out["late"].reshape(2, 5), net.blobs["prob"].data + 5)


def test_weights_written_into_arrays_count(make: Any) -> None:
    net = make()
    net.params["ip"][0].data[...] = 0
    net.params["ip"][1].data.flat = [0, 0, 0, 0, np.log(4)]
    out = net.forward(data=IMAGES)
    np.testing.assert_allclose(out["prob"], np.tile([1, 1, 1, 1, 4], (2, 1)) / 8, rtol=1e-6)
    np.testing.assert_allclose(out["score"][0], [0, 0, 0, 0, 3 * np.log(4)], rtol=1e-6)


def test_a_learned_blob_keeps_its_size(make: Any) -> None:
    with pytest.raises(ValueError, match="keeps its 4 values"):
        make().params["conv1"][1].reshape(5)


# Passes


def test_a_pass_may_begin_at_values_that_were_written(make: Any) -> None:
    net = make()
    net.forward(data=IMAGES)
    net.blobs["ip"].data[...] = np.eye(2, 5)
    out = net.forward(start="prob")
    assert set(out) == {"prob", "score"}
    np.testing.assert_allclose(out["score"], 3 * np.eye(2, 5))
    assert out["prob"][0].argmax() == 0
    assert out["prob"][1].argmax() == 1


def test_a_pass_may_end_early(make: Any) -> None:
    net = make()
    net.blobs["data"].data[...] = IMAGES
    out = net.forward(end="conv1")
    assert list(out) == ["conv1"]
    assert out["conv1"].min() < 0  # relu1 has not run
    assert not net.blobs["prob"].data.any()
    assert set(net.forward(blobs=["flat"], end="relu1")) == {"conv1", "flat"}
    assert out["conv1"].min() == 0


def test_diffs_that_were_written_go_back(make: Any) -> None:
    net = make()
    net.forward(data=IMAGES)
    weights = net.params["ip"][0].data
    net.blobs["ip"].diff[...] = np.eye(2, 5)
    back = net.backward(start="ip", end="ip")
    assert list(back) == ["flat"]
    np.testing.assert_allclose(back["flat"], weights[:2], rtol=1e-6)
    np.testing.assert_allclose(net.params["ip"][1].diff, [1, 1, 0, 0, 0])
    assert not net.blobs["data"].diff.any()
    assert set(net.backward(diffs=["conv1"], start="ip")) == {"data", "conv1"}
    assert net.blobs["data"].diff.any()


def test_diffs_as_arguments(make: Any) -> None:
    net = make()
    net.forward(data=IMAGES)
    back = net.backward(prob=np.zeros((2, 5)), score=np.ones((2, 5)))
    np.testing.assert_allclose(net.params["ip"][1].diff, np.full(5, 6.0))
    assert np.shares_memory(back["data"], net.blobs["data"].diff)
    net.backward()
    np.testing.assert_allclose(net.params["ip"][1].diff, np.full(5, 12.0))  # they add up
    net.clear_param_diffs()
    assert not net.params["ip"][1].diff.any()


def test_a_loss_weight_stands_in_the_diff(make: Any) -> None:
    text = """force_backward: true
    layer { name: "in" type: "Input" top: "a" top: "b" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "l" type: "EuclideanLoss" bottom: "a" bottom: "b" top: "loss" loss_weight: 0.5 }"""
    net = make(text)
    net.forward(a=np.ones((2, 3)), b=np.zeros((2, 3)))
    assert net.blobs["loss"].diff == 0.5
    np.testing.assert_allclose(net.backward()["a"], np.full((2, 3), 0.25))
    net.blobs["loss"].diff[...] = 2
    np.testing.assert_allclose(net.backward()["a"], np.ones((2, 3)))
    assert net._forward(0, 1) == 3.0


def test_frozen_blobs_get_no_gradient_unless_it_is_forced(make: Any) -> None:
    text = """layer { name: "in" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "ip" type: "InnerProduct" bottom: "x" top: "y" param { lr_mult: 1 } param { lr_mult: 0 }
      inner_product_param { num_output: 3 } }
    layer { name: "loss" type: "EuclideanLoss" bottom: "y" bottom: "t" top: "loss" }"""
    for forced in (False, True):
        net = make(f"force_backward: {str(forced).lower()}\n{text}")
        net.forward(x=np.ones((2, 3)), t=np.ones((2, 3)))
        net.backward()
        np.testing.assert_array_equal(net.params["ip"][0].diff, -np.ones((3, 3)))
        assert net.params["ip"][1].diff.any() == forced


def test_watchers_see_each_layer(make: Any) -> None:
    net = make()
    seen: list[Any] = []
    net.before_forward(lambda i: seen.append(("before", i)))
    net.after_forward(lambda i: seen.append(("after", i)))
    net.before_backward(lambda i: seen.append(("down", i)))
    net.after_backward(lambda i: seen.append(("up", i)))
    net.forward(start="conv1", end="relu1")
    net.backward(start="relu1", end="conv1")
    assert seen == [
        ("before", 1), ("after", 1), ("before", 2), ("after", 2), ("down", 2), ("up", 2), ("down", 1), ("up", 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda net: net.forward(dat=IMAGES), "Input blob arguments do not match net inputs"),
        (lambda net: net.forward(data=IMAGES[:1]), "Input is not batch sized"),
        (lambda net: net.backward(prob=np.zeros((2, 5))), "Top diff arguments do not match net outputs"),
        (lambda net: net.backward(prob=np.zeros((1, 5)), score=np.zeros((2, 5))), "Diff is not batch sized"),
        (lambda net: net.forward(end="cnv1"), "no layer 'cnv1'; did you mean 'conv1'"),
        (lambda net: net.forward(blobs=["flt"]), "no blob 'flt'; did you mean 'flat'"),
        (lambda net: net.set_input_arrays(IMAGES, np.zeros(2, np.float32)), "the first layer is a MemoryDataLayer"),
        (lambda net: net.copy_from("missing.caffemodel"), "Could not open file missing.caffemodel"),
        (lambda net: caffe.Net("missing.prototxt", caffe.TEST), "Could not open file missing.prototxt"),
        (lambda net: net.forward_all(), "no samples are given"),
    ],
)
def test_mistakes_are_exceptions(make: Any, call: Any, sentence: str) -> None:
    with pytest.raises(Exception, match=sentence):
        call(make())


def test_a_missing_file_is_a_runtime_error(make: Any) -> None:
    with pytest.raises(RuntimeError):
        caffe.Net("missing.prototxt", caffe.TEST)
    with pytest.raises(RuntimeError):
        make(weights="missing.caffemodel")
    with pytest.raises(DeepcaeError, match=r"net.prototxt:1:1"):
        make("layers { }}")


# Shapes


def test_reshaping_follows_the_input(make: Any) -> None:
    net = make(POOLED)
    net.blobs["data"].reshape(3, 3, 10, 9)
    net.reshape()
    assert net.blobs["conv1"].shape == (3, 4, 8, 7)
    assert net.blobs["prob"].data.shape == (3, 5)
    big = np.random.default_rng(0).random((3, 3, 10, 9))
    all_of_it = net.forward(data=big)["prob"].copy()
    net.blobs["data"].reshape(1, 3, 10, 9)
    alone = net.forward(data=big[:1])["prob"]  # without reshape()
    np.testing.assert_allclose(alone, all_of_it[:1], rtol=1e-5, atol=1e-6)


def test_memory_stays_while_it_is_large_enough(make: Any) -> None:
    net = make(POOLED)
    held = net.blobs["data"].data
    net.blobs["data"].reshape(1, 3, 8, 8)
    net.blobs["data"].data[...] = 7
    assert (held[:1] == 7).all()
    net.blobs["data"].reshape(4, 3, 8, 8)
    assert not np.shares_memory(held, net.blobs["data"].data)
    assert not net.blobs["data"].data.any()


def test_an_input_that_does_not_fit_is_refused_by_name(make: Any) -> None:
    net = make()
    net.blobs["data"].reshape(2, 3, 9, 9)
    with pytest.raises(DeepcaeError, match=r"layer 'ip' \(InnerProduct\)"):
        net.reshape()
    with pytest.raises(DeepcaeError, match=r"layer 'ip' \(InnerProduct\)"):
        net.forward()


def test_a_pass_that_ends_before_the_layer_that_refuses_takes_any_size(make: Any) -> None:
    net = make()  # as in scripts that climb a gradient: the classifier behind never fits the larger image
    net.blobs["data"].reshape(1, 3, 12, 11)
    image = np.random.default_rng(2).random((1, 3, 12, 11), dtype=np.float32)
    features = net.forward(data=image, end="relu1")["conv1"]
    assert features.shape == (1, 4, 10, 9)
    other = make(POOLED)
    other.params["conv1"][0].data[...] = net.params["conv1"][0].data
    other.blobs["data"].reshape(1, 3, 12, 11)
    other.forward(data=image)
    np.testing.assert_array_equal(features, other.blobs["conv1"].data)
    net.blobs["conv1"].diff[...] = 1
    assert net.backward(start="relu1")["data"].shape == (1, 3, 12, 11)
    with pytest.raises(DeepcaeError, match=r"layer 'ip' \(InnerProduct\)"):
        net.forward(start="flat")
    with pytest.raises(DeepcaeError, match=r"layer 'ip' \(InnerProduct\)"):
        net.forward()


# Many samples


def test_forward_all_pads_and_cuts(make: Any) -> None:
    net = make()
    many = np.random.default_rng(2).random((5, 3, 8, 8), dtype=np.float32)
    out = net.forward_all(blobs=["ip"], data=many)
    assert {name: values.shape for name, values in out.items()} == {"prob": (5, 5), "score": (5, 5), "ip": (5, 5)}
    for k in range(5):
        alone = net.forward(data=np.repeat(many[k : k + 1], 2, axis=0))
        np.testing.assert_allclose(out["prob"][k], alone["prob"][0], rtol=1e-5, atol=1e-6)


def test_forward_backward_all(make: Any) -> None:
    net = make()
    many = np.random.default_rng(2).random((3, 3, 8, 8), dtype=np.float32)
    given = {"prob": np.zeros((3, 5), np.float32), "score": np.ones((3, 5), np.float32)}
    outs, diffs = net.forward_backward_all(blobs=["flat"], diffs=["ip"], data=many, **given)
    assert outs["flat"].shape == (3, 144)
    assert diffs["data"].shape == many.shape
    np.testing.assert_allclose(diffs["ip"], np.full((3, 5), 3.0))
    np.testing.assert_allclose(net.params["ip"][1].diff, np.full(5, 9.0))  # of all batches


# Weights


@pytest.mark.parametrize("ending", ["caffemodel", "caffemodel.h5"])
def test_weights_go_out_and_come_back(make: Any, ending: str) -> None:
    net, other = make(), make()
    assert not np.array_equal(net.params["ip"][0].data, other.params["ip"][0].data)
    (net.save_hdf5 if ending.endswith("h5") else net.save)(f"w.{ending}")
    held = other.params["ip"][0].data
    (other.load_hdf5 if ending.endswith("h5") else other.copy_from)(f"w.{ending}")
    np.testing.assert_array_equal(held, net.params["ip"][0].data)


def test_shared_weights_are_one(make: Any) -> None:
    net, other = make(), make(POOLED.replace('"ip"', '"other"'))
    other.share_with(net)
    net.params["conv1"][0].data[...] = 0.25
    net.params["conv1"][1].data[...] = 2
    assert (other.params["conv1"][0].data == 0.25).all()
    other.forward(data=IMAGES)
    net.forward(data=IMAGES, end="relu1")
    np.testing.assert_allclose(other.blobs["conv1"].data, net.blobs["conv1"].data, rtol=1e-6)
    assert not np.shares_memory(net.params["conv1"][0].diff, other.params["conv1"][0].diff)
    del net
    assert (other.params["conv1"][0].data == 0.25).all()


def test_shapes_that_differ_are_not_shared(make: Any) -> None:
    with pytest.raises(DeepcaeError, match="'ip': blobs are"):
        make().share_with(make(POOLED))


# Data


MEMORY = """
layer { name: "mem" type: "MemoryData" top: "data" top: "label"
  memory_data_param { batch_size: 2 channels: 1 height: 2 width: 2 } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param { num_output: 1 } }
"""


def test_arrays_feed_a_memory_layer(make: Any) -> None:
    net = make(MEMORY)
    with pytest.raises(DeepcaeError, match="set_input_arrays"):
        net.forward()
    data = np.arange(16, dtype=np.float32).reshape(4, 1, 2, 2)
    net.set_input_arrays(data, np.arange(4, dtype=np.float32))
    seen = []
    for _ in range(3):
        net.forward()
        seen.append(net.blobs["label"].data.ravel().tolist())
    assert seen == [[0, 1], [2, 3], [0, 1]]
    np.testing.assert_array_equal(net.blobs["data"].data, data[:2])


@pytest.mark.parametrize(
    ("data", "labels", "sentence"),
    [
        (np.zeros((2, 1, 2, 2)), np.zeros(2, np.float32), "data array must be float32"),
        (np.zeros((2, 4), np.float32), np.zeros(2, np.float32), "data array must be 4-d"),
        (np.zeros((2, 1, 2, 4), np.float32)[..., ::2], np.zeros(2, np.float32), "must be C contiguous"),
        (np.zeros((2, 3, 2, 2), np.float32), np.zeros(2, np.float32), "wrong number of channels"),
        (np.zeros((2, 1, 2, 2), np.float32), np.zeros(4, np.float32), "same first dimension"),
        (np.zeros((3, 1, 2, 2), np.float32), np.zeros(3, np.float32), "multiple of batch size"),
    ],
)
def test_arrays_that_a_memory_layer_cannot_read(make: Any, data: Any, labels: Any, sentence: str) -> None:
    with pytest.raises(RuntimeError, match=sentence):
        make(MEMORY).set_input_arrays(data, labels)


def test_a_data_layer_gives_the_next_batch(make: Any, tmp_path: Path) -> None:
    import h5py

    with h5py.File("rows.h5", "w") as file:
        file["x"] = np.arange(6, dtype=np.float32).reshape(6, 1)
    Path("list.txt").write_text("rows.h5\n")
    net = make("""layer { name: "d" type: "HDF5Data" top: "x" hdf5_data_param { source: "list.txt" batch_size: 4 } }
    layer { name: "p" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }""")
    assert net.inputs == []
    assert net.forward()["y"].ravel().tolist() == [0, 2, 4, 6]
    assert net.forward()["y"].ravel().tolist() == [8, 10, 0, 2]
    net.forward(start="p")
    assert net.blobs["x"].data.ravel().tolist() == [4, 5, 0, 1]


def test_an_output_layer_writes_when_its_net_goes(make: Any) -> None:
    import h5py

    text = """layer { name: "in" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 3 } } }
    layer { name: "out" type: "HDF5Output" bottom: "x" bottom: "t" hdf5_output_param { file_name: "out.h5" } }"""
    net = make(text)
    for k in range(2):
        net.forward(x=np.full((2, 3), k), t=np.zeros((2, 3)))
    del net
    with h5py.File("out.h5") as file:
        assert file["data"][:, 0].ravel().tolist() == [0, 0, 1, 1]


def test_a_seed_repeats_the_weights(make: Any) -> None:
    caffe.set_random_seed(5)
    first = make().params["ip"][0].data.copy()
    second = make().params["ip"][0].data.copy()
    caffe.set_random_seed(5)
    np.testing.assert_array_equal(make().params["ip"][0].data, first)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((70000, 70000), "be 70000x70000; at most 2147483647"),
        ((1,) * 33, "33 axes"),
        *((shape, r"a blob's axes are 0 or more, not \[.*-\d") for shape in [(-1,), (2, -3), (-2, -3), (0, -1)]),
    ],
)
def test_a_reshape_beyond_caffes_limits_changes_nothing(make: Any, shape: tuple[int, ...], words: str) -> None:
    net = make()
    before = net.blobs["data"].data.copy()
    with pytest.raises(ValueError, match=words):
        net.blobs["data"].reshape(*shape)
    np.testing.assert_array_equal(net.blobs["data"].data, before)
