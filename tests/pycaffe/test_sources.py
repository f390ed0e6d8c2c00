"""Which blobs of data layers keep what a script made of them, value and shape, as in Caffe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import deepcae.pycaffe as caffe
from deepcae.errors import DataError

CONSTANT, RANDOM = 'data_filler { type: "constant" value: 3 }', 'data_filler { type: "gaussian" std: 1 }'


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)

    def build(text: str) -> Any:
        Path("net.prototxt").write_text(text)
        return caffe.Net("net.prototxt", caffe.TRAIN)

    return build


def dummy(param: str, tops: str = "a b", more: str = "") -> str:
    named = " ".join(f'top: "{top}"' for top in tops.split())
    return f'layer {{ name: "dummy" type: "DummyData" {named} dummy_data_param {{ {param} }} }} {more}'


TWICE = 'layer { name: "y" type: "Power" bottom: "a" top: "y" power_param { scale: 2 } }'


@pytest.mark.parametrize(
    ("param", "constant", "value"),
    [
        ("shape { dim: 2 dim: 3 }", "ab", 0),
        ("shape { dim: 2 dim: 3 } " + CONSTANT, "ab", 3),
        ("shape { dim: 2 dim: 3 } shape { dim: 4 } " + CONSTANT + CONSTANT, "ab", 3),
        ("shape { dim: 2 dim: 3 } " + CONSTANT + RANDOM, "a", 3),
        ("num: 2 channels: 1 height: 1 width: 3 " + RANDOM + CONSTANT, "b", 3),
        ("num: 2 num: 5 channels: 1 height: 1 width: 3 " + RANDOM, "", 3),
    ],
)
def test_constant_blobs_are_filled_once_and_random_ones_every_time(
    make: Any, param: str, constant: str, value: float
) -> None:
    net = make(dummy(param))
    for name in "ab":
        assert (net.blobs[name].data == (value if name in constant else 0)).all()  # from set-up on
    net.forward()
    for name in "ab":
        net.blobs[name].data[...] = 7
    for _ in range(2):
        net.forward()
        for name in "ab":
            assert (net.blobs[name].data == 7).all() == (name in constant)
    first = {name: blob.data.copy() for name, blob in net.blobs.items()}
    net.forward()
    for name, blob in net.blobs.items():
        assert np.array_equal(first[name], blob.data) == (name in constant)


def test_a_constant_blob_keeps_the_shape_that_a_script_gave_it(make: Any) -> None:
    net = make(dummy("shape { dim: 2 dim: 3 } " + CONSTANT, "a", TWICE))
    net.blobs["a"].reshape(4, 3)
    net.blobs["a"].data[...] = 5
    for _ in range(2):
        assert net.forward()["y"].shape == (4, 3)
        assert (net.blobs["y"].data == 10).all()
    net.blobs["a"].reshape(1, 3)
    net.reshape()
    assert net.blobs["y"].shape == (1, 3)
    assert (net.forward()["y"] == 10).all()


def test_a_random_blob_is_drawn_in_the_shape_that_stands(make: Any) -> None:
    net = make(dummy("shape { dim: 2 dim: 3 } " + RANDOM, "a", TWICE))
    net.blobs["a"].reshape(50, 4)
    assert net.forward()["y"].shape == (50, 4)
    assert len(np.unique(net.blobs["a"].data)) == 200


def test_a_shape_without_dims_is_a_scalar(make: Any) -> None:
    net = make(dummy("shape { } " + CONSTANT, "a", TWICE))
    assert net.blobs["a"].shape == ()
    assert net.forward()["y"] == 6
    with pytest.raises(DataError, match="a xavier filler needs a shape of at least one axis"):
        make(dummy('shape { } data_filler { type: "xavier" }', "a"))


SOLVER = """net: "net.prototxt" base_lr: 0.01 lr_policy: "fixed" test_iter: 1 test_interval: 2 random_seed: 1
max_iter: 4 snapshot_after_train: false"""
CLASSIFIER = """
layer { name: "ip" type: "InnerProduct" bottom: "a" top: "ip"
  inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "b" top: "loss" }"""


def test_labels_that_a_script_writes_train(make: Any) -> None:
    make(dummy("num: 6 channels: 2 height: 1 width: 1 num: 6 channels: 1 height: 1 width: 1 "
               + RANDOM + 'data_filler { type: "constant" }', "a b", CLASSIFIER))  # fmt: skip
    Path("solver.prototxt").write_text(SOLVER)
    caffe.init_log(2)
    solver = caffe.SGDSolver("solver.prototxt")
    labels = np.arange(6).reshape(6, 1, 1, 1) % 5
    for net in (solver.net, solver.test_nets[0]):
        net.blobs["b"].data[...] = labels
    solver.solve()
    caffe.init_log(0)
    for net in (solver.net, solver.test_nets[0]):
        np.testing.assert_array_equal(net.blobs["b"].data, labels)
    probabilities = np.exp(solver.net.blobs["ip"].data)
    probabilities /= probabilities.sum(1, keepdims=True)
    probabilities[np.arange(6), labels.ravel()] -= 1
    np.testing.assert_allclose(solver.net.blobs["ip"].diff, probabilities / 6, rtol=1e-4, atol=1e-6)


def test_an_input_keeps_value_and_shape(make: Any) -> None:
    net = make('layer { name: "in" type: "Input" top: "a" input_param { shape { dim: 2 } } }' + TWICE)
    net.blobs["a"].reshape(3)
    net.blobs["a"].data[...] = 4
    for _ in range(2):
        assert net.forward()["y"].tolist() == [8, 8, 8]


def test_rows_of_a_file_fill_the_blob_as_it_was_reshaped(make: Any, tmp_path: Path) -> None:
    rows = np.arange(48, dtype=np.float32).reshape(8, 1, 2, 3)
    with h5py.File("rows.h5", "w") as file:
        file["a"] = rows
    Path("list.txt").write_text("rows.h5\n")
    layer = 'layer { name: "d" type: "HDF5Data" top: "a" hdf5_data_param { source: "list.txt" batch_size: 4 } }'
    net = make(layer + TWICE)
    net.blobs["a"].reshape(4, 6)
    np.testing.assert_array_equal(net.forward()["y"], 2 * rows[:4].reshape(4, 6))
    net.blobs["a"].reshape(2, 3, 2)
    np.testing.assert_array_equal(net.forward()["y"], 2 * rows[4:6].reshape(2, 3, 2))
    for wrong in [(5, 6), (4, 7), ()]:
        net.blobs["a"].reshape(*wrong)
        with pytest.raises(
            DataError, match=r"layer 'd' .*was reshaped to .*; it can take up to 4 rows of shape \[1, 2, 3\]"
        ):
            net.forward()


def test_a_memory_layer_takes_its_own_shape_again(make: Any) -> None:
    text = """layer { name: "m" type: "MemoryData" top: "a" top: "t"
      memory_data_param { batch_size: 2 channels: 1 height: 1 width: 3 } }"""
    net = make(text + TWICE)
    net.set_input_arrays(np.arange(6, dtype=np.float32).reshape(2, 1, 1, 3), np.zeros(2, np.float32))
    net.blobs["a"].reshape(5, 1, 1, 3)
    assert net.forward()["y"].ravel().tolist() == [0, 2, 4, 6, 8, 10]
