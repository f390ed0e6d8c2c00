"""Networks as expressions: the texts that Caffe's own NetSpec writes, and what it refuses."""

# ruff: noqa: C408 — as scripts write it
from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from google.protobuf import text_format

from deepcae.net.graph import build_graph
from deepcae.net.plan import make_plan
from deepcae.proto import read_net
from deepcae.proto.schema import NetParameter
from deepcae.pycaffe.net_spec import Function, NetSpec, Top, layers, params, to_proto

L, P = layers, params


def message(text: str) -> Any:
    return text_format.Parse(text, NetParameter())


LENET = """\
layer {
  name: "data"
  type: "Data"
  top: "data"
  top: "label"
  transform_param {
    scale: 0.00392156862745098
  }
  data_param {
    source: "mnist/mnist_train_lmdb"
    batch_size: 64
    backend: LMDB
  }
}
layer {
  name: "conv1"
  type: "Convolution"
  bottom: "data"
  top: "conv1"
  convolution_param {
    num_output: 20
    kernel_size: 5
    weight_filler {
      type: "xavier"
    }
  }
}
layer {
  name: "pool1"
  type: "Pooling"
  bottom: "conv1"
  top: "pool1"
  pooling_param {
    pool: MAX
    kernel_size: 2
    stride: 2
  }
}
layer {
  name: "fc1"
  type: "InnerProduct"
  bottom: "pool1"
  top: "fc1"
  inner_product_param {
    num_output: 500
    weight_filler {
      type: "xavier"
    }
  }
}
layer {
  name: "relu1"
  type: "ReLU"
  bottom: "fc1"
  top: "fc1"
}
layer {
  name: "score"
  type: "InnerProduct"
  bottom: "fc1"
  top: "score"
  inner_product_param {
    num_output: 10
    weight_filler {
      type: "xavier"
    }
  }
}
layer {
  name: "loss"
  type: "SoftmaxWithLoss"
  bottom: "score"
  bottom: "label"
  top: "loss"
}
"""


def lenet() -> NetSpec:
    """As the tutorial's lenet(lmdb, batch_size), one convolution of two left out."""
    n = NetSpec()
    n.data, n.label = L.Data(
        batch_size=64,
        backend=P.Data.LMDB,
        source="mnist/mnist_train_lmdb",
        transform_param=dict(scale=1.0 / 255),
        ntop=2,
    )
    n.conv1 = L.Convolution(n.data, kernel_size=5, num_output=20, weight_filler=dict(type="xavier"))
    n.pool1 = L.Pooling(n.conv1, kernel_size=2, stride=2, pool=P.Pooling.MAX)
    n.fc1 = L.InnerProduct(n.pool1, num_output=500, weight_filler=dict(type="xavier"))
    n.relu1 = L.ReLU(n.fc1, in_place=True)
    n.score = L.InnerProduct(n.relu1, num_output=10, weight_filler=dict(type="xavier"))
    n.loss = L.SoftmaxWithLoss(n.score, n.label)
    return n


def test_the_tutorials_lenet() -> None:
    assert lenet().to_proto() == message(LENET)
    written = str(lenet().to_proto())
    assert [line.split(":")[0] for line in written.splitlines()] == [line.split(":")[0] for line in LENET.splitlines()]


def test_without_names_blobs_are_numbered_by_type() -> None:
    data, label = L.DummyData(shape=[dict(dim=[2, 3]), dict(dim=[2])], ntop=2)
    hidden = L.ReLU(L.InnerProduct(data, num_output=4), in_place=True)
    loss = L.SoftmaxWithLoss(L.InnerProduct(hidden, num_output=2), label)
    net = loss.to_proto()
    assert [layer.name for layer in net.layer] == [
        "DummyData1", "InnerProduct1", "ReLU1", "InnerProduct2", "SoftmaxWithLoss1",
    ]  # fmt: skip
    assert list(net.layer[0].top) == ["DummyData1", "DummyData2"]
    assert [list(layer.bottom) for layer in net.layer[1:]] == [
        ["DummyData1"],
        ["InnerProduct1"],
        ["InnerProduct1"],
        ["InnerProduct2", "DummyData2"],
    ]
    assert [list(shape.dim) for shape in net.layer[0].dummy_data_param.shape] == [[2, 3], [2]]


def test_to_proto_of_several_tops_holds_each_layer_once() -> None:
    data = L.Input(input_param=dict(shape=dict(dim=[1, 2])))
    one, other = L.ReLU(data), L.TanH(data)
    assert [layer.name for layer in to_proto(one, other).layer] == ["Input1", "ReLU1", "TanH1"]


def test_only_layers_that_are_needed_are_written() -> None:
    n = NetSpec()
    data = L.Input(shape=dict(dim=[1, 2]))
    L.ReLU(data)
    n.out = L.TanH(data)
    assert [layer.name for layer in n.to_proto().layer] == ["Input1", "out"]


def test_a_layer_without_tops_is_named_by_its_assignment_or_number() -> None:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 2]))
    n.quiet = L.Silence(n.data, ntop=0)
    n["more"] = L.ReLU(n["data"])
    assert isinstance(n.quiet, Function)
    assert n.to_proto() == message(
        'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 2 } } } '
        'layer { name: "quiet" type: "Silence" bottom: "data" } '
        'layer { name: "more" type: "ReLU" bottom: "data" top: "more" }'
    )
    assert n.keys() == ["data", "quiet", "more"]
    assert n.vals()[1] is n.quiet


def test_settings_go_where_they_belong() -> None:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 1, 4, 4]))
    n.conv = L.Convolution(
        n.data,
        num_output=2,
        kernel_size=[3, 1],
        pad=np.int64(1),
        param=[dict(lr_mult=1), dict(lr_mult=np.float32(2), decay_mult=0)],
        include=dict(phase=0),
        loss_weight=0.5,
        name="named",
    )
    n.up = L.Deconvolution(n.conv, convolution_param=dict(num_output=1, kernel_size=2), param=dict(lr_mult=0))
    assert (
        n.to_proto().layer[1:]
        == message(
            'layer { name: "named" type: "Convolution" bottom: "data" top: "conv" loss_weight: 0.5 '
            "param { lr_mult: 1 } param { lr_mult: 2 decay_mult: 0 } include { phase: TRAIN } "
            "convolution_param { num_output: 2 kernel_size: 3 kernel_size: 1 pad: 1 } } "
            'layer { name: "up" type: "Deconvolution" bottom: "conv" top: "up" param { lr_mult: 0 } '
            "convolution_param { num_output: 1 kernel_size: 2 } }"
        ).layer
    )


def test_update_replaces_and_adds_settings() -> None:
    n = lenet()
    n.update("conv1", dict(kernel_size=3, stride=2))
    conv = n.to_proto().layer[1].convolution_param
    assert (list(conv.kernel_size), list(conv.stride), conv.num_output) == ([3], [2], 20)


def test_a_spec_may_be_written_twice_and_copied() -> None:
    n = lenet()
    assert n.to_proto() == n.to_proto() == copy.deepcopy(n).to_proto()
    del n["loss"]
    assert "loss" not in n
    assert not hasattr(n, "loss")
    assert [layer.name for layer in n.to_proto().layer][-1] == "score"


def test_a_deep_net_needs_no_deep_stack() -> None:
    top = L.Input(shape=dict(dim=[1]))
    for _ in range(5000):
        top = L.ReLU(top)
    assert top.to_proto().layer[-1].name == "ReLU5000"


def test_the_net_can_be_planned() -> None:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[2, 1, 8, 8]))
    n.pool = L.Pooling(n.data, kernel_size=2, stride=2, pool=P.Pooling.AVE)
    assert make_plan(build_graph(read_net(n.to_proto()), "TEST")).shapes["pool"] == (2, 1, 4, 4)


def test_enum_values() -> None:
    assert (P.Pooling.MAX, P.Pooling.AVE, P.Eltwise.SUM, P.Data.LMDB) == (0, 1, 1, 1)


def fails(kind: type[Exception], make: Any) -> str:
    with pytest.raises(kind) as caught:
        make()
    return str(caught.value)


def test_inputs_are_tops() -> None:
    data = L.Input(shape=dict(dim=[1]))
    pair = L.Slice(data, ntop=2)
    assert fails(TypeError, lambda: L.Concat(data, pair)) == "Concat input 1 is not a Top (type is <class 'tuple'>)"
    assert fails(TypeError, lambda: L.ReLU("data")) == "ReLU input 0 is not a Top (type is <class 'str'>)"
    n = NetSpec()
    n.pair = pair
    assert fails(TypeError, n.to_proto).startswith("'pair' is not a Top (type is <class 'tuple'>)")


@pytest.mark.parametrize(
    ("kind", "make", "sentence"),
    [
        (AttributeError, lambda d: L.Pooling(d, kernelsize=3), "no setting 'kernelsize'; did you mean 'kernel_size'?"),
        (AttributeError, lambda d: L.ReLU(d, relu_parm=3), "no setting 'relu_parm'; did you mean 'relu_param'?"),
        (
            AttributeError,
            lambda d: L.Pooling(d, pooling_param=dict(strid=2)),
            "no field of PoolingParameter 'strid'; did you mean 'stride'?",
        ),
        (ValueError, lambda d: L.Pooling(d, pool="MOST"), "pool is one of MAX, AVE, STOCHASTIC; 'MOST' is given"),
        (TypeError, lambda d: L.Pooling(d, kernel_size=1.5), "kernel_size is a whole number; 1.5 is given"),
        (TypeError, lambda d: L.ReLU(d, relu_param=2), "relu_param is a ReLUParameter: a dict is needed, 2 is given"),
        (TypeError, lambda d: L.Pooling(d, name=2), "name is a text; 2 is given"),
    ],
)
def test_settings_that_do_not_fit(kind: type[Exception], make: Any, sentence: str) -> None:
    top: Top = make(L.Input(shape=dict(dim=[1])))
    assert fails(kind, top.to_proto) == f"layer '{top.fn.type_name}1' ({top.fn.type_name}): {sentence}"


def test_a_layer_that_borrows_its_message_says_so() -> None:
    top = L.Deconvolution(L.Input(shape=dict(dim=[1])), num_output=2)
    sentence = "no setting 'num_output'; this type is set by convolution_param=dict(...)"
    assert fails(AttributeError, top.to_proto) == f"layer 'Deconvolution1' (Deconvolution): {sentence}"


def test_scripts_may_name_the_message_of_a_type(monkeypatch: pytest.MonkeyPatch) -> None:
    from deepcae.pycaffe.net_spec import _param_names

    assert _param_names["InnerProduct"] == "inner_product"
    monkeypatch.setitem(_param_names, "Deconvolution", "convolution")
    top = L.Deconvolution(L.Input(shape=dict(dim=[1])), num_output=2)
    assert top.to_proto().layer[-1].convolution_param.num_output == 2


def test_names_that_are_not_there() -> None:
    n = lenet()
    for kind in (KeyError, AttributeError):
        assert fails(kind, lambda: n.scor) == "no top 'scor'; did you mean 'score'?"
    with pytest.raises(KeyError):
        n["nothing"]
    assert fails(AttributeError, lambda: P.Poling) == "no layer type with settings 'Poling'; did you mean 'Pooling'?"
    with pytest.raises(AttributeError):
        _ = P.Pooling.MOST
