"""Whole networks as ONNX: which part goes, under which names, for which batch sizes, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepcae import zoo
from deepcae.convert import OnnxModel, compare, random_inputs, to_onnx
from deepcae.convert.comparison import run, session
from deepcae.convert.extent import default_outputs
from deepcae.errors import DataError, LayerError, SpecError
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text


def net_of(layers: str, shape: tuple[int, ...] = (3, 2, 6, 7), phase: str = "TEST", name: str = "x") -> Net:
    dims = " ".join(f"dim: {size}" for size in shape)
    data = f'layer {{ name: "d" type: "Input" top: "{name}" input_param {{ shape {{ {dims} }} }} }}\n'
    return Net(read_net_text(data + layers, "net.prototxt"), phase, seed=1)


def off(net: Net, model: OnnxModel, *batches: int | None) -> float:
    """The largest relative difference over all outputs, for random inputs of these batch sizes."""
    cases = [("random", random_inputs(net, model, batch)) for batch in batches]
    return max(each.relative for each in compare(net, model, cases))


@pytest.mark.parametrize("name", ["cae1", "cae2", "classic-300"])
def test_the_papers_auto_encoders_give_the_same_codes_and_images(name: str) -> None:
    model = zoo.build(name, dims=2, train_list="none.txt", test_list="none.txt")
    document = read_net_text(model.net_text, "net.prototxt")
    net = Net(document, seed=1, stages=["test-on-test"], input_shapes={"data": (9, 1, 28, 28)})
    converted = to_onnx(net)
    assert list(converted.inputs) == ["data"]
    assert converted.inputs["data"] == (None, 1, 28, 28)
    code, restored = converted.outputs
    assert net.plan.shapes[code] == (9, 2)
    assert np.prod(net.plan.shapes[restored]) == 9 * 784
    assert off(net, converted, 1, 4, 100) <= 1e-5


POOLED = """
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" top: "mask" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "ip1" type: "InnerProduct" bottom: "pool" top: "code"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "ip2" type: "InnerProduct" bottom: "code" top: "wide"
  inner_product_param { num_output: 48 weight_filler { type: "xavier" } } }
layer { name: "image" type: "Reshape" bottom: "wide" top: "small"
  reshape_param { shape { dim: 0 dim: 4 dim: 3 dim: 4 } } }
layer { name: "unpool" type: "Unpooling" bottom: "small" MASK top: "large"
  unpooling_param { unpool: METHOD kernel_size: 2 stride: 2 unpool_h: 6 unpool_w: 7 } }
layer { name: "deconv" type: "Deconvolution" bottom: "large" top: "restored"
  convolution_param { num_output: 2 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "restored" bottom: "x" top: "loss" }
"""


@pytest.mark.parametrize(("method", "mask"), [("MAX", True), ("MAX", False), ("AVE", False), ("TILE", False)])
def test_a_pooled_auto_encoder_is_unpooled_alike(method: str, mask: bool) -> None:
    text = POOLED.replace("METHOD", method).replace("MASK", 'bottom: "mask"' if mask else "")
    if not mask:
        text = text.replace('top: "mask"', "")
    net = net_of(text)
    model = to_onnx(net)
    assert list(model.outputs) == ["code", "restored"]
    assert off(net, model, 1, 4) <= 1e-5


def test_the_decoder_goes_alone() -> None:
    net = net_of(POOLED.replace("METHOD", "MAX").replace("MASK", 'bottom: "mask"'))
    model = to_onnx(net, outputs=["restored"], inputs=["code", "mask"])
    assert model.inputs == {"code": (None, 3), "mask": (None, 4, 3, 4)}
    assert {tensor.name for tensor in model.proto.graph.initializer if "/" in tensor.name} >= {"ip2/0", "deconv/1"}
    assert not any(tensor.name.startswith(("conv/", "ip1/")) for tensor in model.proto.graph.initializer)
    assert off(net, model, 1, 4) <= 1e-5


def test_a_loss_can_be_asked_for() -> None:
    net = net_of(POOLED.replace("METHOD", "TILE").replace("MASK", "").replace('top: "mask"', ""))
    model = to_onnx(net, outputs=["loss"])
    assert off(net, model, 1, 4) <= 1e-5


IN_PLACE = """
layer { name: "shift" type: "Power" bottom: "x" top: "x" power_param { shift: -0.5 } }
layer { name: "relu" type: "ReLU" bottom: "x" top: "x" }
layer { name: "double" type: "Power" bottom: "x" top: "y" power_param { scale: 2 } }
layer { name: "drop" type: "Dropout" bottom: "y" top: "y" }
layer { name: "minus" type: "Power" bottom: "y" top: "y" power_param { shift: -0.1 } }
layer { name: "flat" type: "Dropout" bottom: "y" top: "z" }
"""


def test_a_blob_has_its_last_value_and_its_name() -> None:
    net = net_of(IN_PLACE)
    model = to_onnx(net, outputs=["z", "y", "x"])
    assert model.outputs == {"z": "z", "y": "y", "x": "x.1"}  # the input has the name x
    x = np.random.default_rng(0).random((2, 2, 6, 7), dtype=np.float32)
    blobs = run(session(model), model, {"x": x})
    np.testing.assert_array_equal(blobs["x"], np.maximum(x - np.float32(0.5), 0))
    np.testing.assert_array_equal(blobs["z"], blobs["y"])
    assert off(net, model, 1, 5) <= 1e-5


def test_an_input_can_be_an_output() -> None:
    net = net_of('layer { name: "r" type: "ReLU" bottom: "x" top: "y" }')
    model = to_onnx(net, outputs=["x", "y"])
    assert model.outputs == {"x": "x.1", "y": "y"}
    assert off(net, model, 2) == 0


TIED = """
layer { name: "enc" type: "InnerProduct" bottom: "x" top: "e" param { name: "w" }
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "dec" type: "InnerProduct" bottom: "e" top: "r" param { name: "w" }
  inner_product_param { num_output: 5 transpose: true weight_filler { type: "xavier" } } }
layer { name: "odd" type: "InnerProduct" bottom: "e" top: "o" param { name: "w" share_mode: PERMISSIVE }
  inner_product_param { num_output: 5 bias_term: false weight_filler { type: "xavier" } } }
"""


def test_shared_weights_stand_once() -> None:
    net = net_of(TIED, (3, 5))
    model = to_onnx(net)
    weights = [tensor.name for tensor in model.proto.graph.initializer if not tensor.name.startswith("constant")]
    assert weights == ["enc/0", "enc/1", "dec/1"]
    assert list(model.outputs) == ["e", "r", "o"]
    assert off(net, model, 1, 4) <= 1e-5


def test_a_batch_size_in_the_text_stays() -> None:
    net = net_of(
        'layer { name: "r" type: "Reshape" bottom: "x" top: "y" reshape_param { shape { dim: 3 dim: 84 } } }\n'
        'layer { name: "s" type: "Slice" bottom: "y" top: "a" top: "b" slice_param { axis: 0 slice_point: 1 } }'
    )
    model = to_onnx(net, outputs=["a", "b"])
    assert not model.free_batch
    assert model.inputs == {"x": (3, 2, 6, 7)}
    assert [dim.dim_value for dim in model.proto.graph.output[1].type.tensor_type.shape.dim] == [2, 84]
    assert off(net, model, None) == 0


def test_inputs_of_other_counts_have_their_own_size() -> None:
    net = net_of(
        'layer { name: "i" type: "Input" top: "which" input_param { shape { dim: 5 } } }\n'
        'layer { name: "b" type: "BatchReindex" bottom: "x" bottom: "which" top: "y" }'
    )
    model = to_onnx(net)
    names = [
        [dim.dim_param or dim.dim_value for dim in each.type.tensor_type.shape.dim] for each in model.proto.graph.input
    ]
    assert names == [["N", 2, 6, 7], ["N_which"]]
    which = np.array([2, 0, 2, 1, 1, 1, 0], np.float32)
    x = np.random.default_rng(0).random((4, 2, 6, 7), dtype=np.float32)
    np.testing.assert_array_equal(run(session(model), model, {"x": x, "which": which})["y"], x[which.astype(int)])


def test_where_not_all_sizes_can_be_free_those_of_the_largest_input_are() -> None:
    net = net_of(
        'layer { name: "i" type: "Input" top: "which" input_param { shape { dim: 5 } } }\n'
        'layer { name: "r" type: "Reshape" bottom: "x" top: "r" reshape_param { shape { dim: 6 dim: -1 } } }\n'
        'layer { name: "b" type: "BatchReindex" bottom: "r" bottom: "which" top: "b" }\n'
        'layer { name: "one" type: "Reshape" bottom: "b" top: "y" '
        "reshape_param { axis: 0 num_axes: 0 shape { dim: 1 } } }",
        (7, 6),
    )
    model = to_onnx(net)  # (1, which, N): one Reshape cannot leave both open
    assert (model.free_batch, model.inputs) == (True, {"x": (None, 6), "which": (5,)})
    assert off(net, model, 1, 4) == 0


REFUSED = """
layer { name: "label" type: "Input" top: "label" input_param { shape { dim: 36 } } }
layer { name: "drop" type: "Dropout" bottom: "x" top: "a" }
layer { name: "pool" type: "Pooling" bottom: "a" top: "b" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 } }
layer { name: "right" type: "Accuracy" bottom: "b" bottom: "label" top: "right" }
"""


def test_all_layers_that_cannot_go_are_listed_with_their_places() -> None:
    net = net_of(REFUSED, phase="TRAIN", shape=(36, 1, 2, 2))
    with pytest.raises(SpecError) as refused:
        to_onnx(net, outputs=["right"])
    assert str(refused.value).splitlines() == [
        "net.prototxt:4:22: layer 'drop' (Dropout): cannot go to ONNX: drops at random in the TRAIN phase; the TEST "
        "phase has nothing to drop",
        "net.prototxt:5:75: layer 'pool' (Pooling): cannot go to ONNX: draws at random in the TRAIN phase; the TEST "
        "phase has a rule instead",
        "net.prototxt:6:23: layer 'right' (Accuracy): cannot go to ONNX: counts right answers: a measure of the net, "
        "not a part of it",
    ]
    assert to_onnx(net_of(REFUSED, shape=(36, 1, 2, 2)), outputs=["b"])


PYTHON = """
import caffe
class Double(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top): top[0].reshape(*bottom[0].shape)
    def forward(self, bottom, top): top[0].data[...] = 2 * bottom[0].data
"""


def test_a_python_layer_stays_and_what_is_before_it_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "doubling_for_onnx.py").write_text(PYTHON)
    monkeypatch.syspath_prepend(str(tmp_path))
    text = """layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 } } }
layer { name: "r" type: "ReLU" bottom: "x" top: "y" }
layer { name: "p" type: "Python" bottom: "y" top: "z"
  python_param { module: "doubling_for_onnx" layer: "Double" } }
"""
    net = Net(read_net_text(text, "net.prototxt"), allow_python_layers=True)
    with pytest.raises(
        SpecError, match=r"^net.prototxt:3:19: layer 'p' \(Python\): cannot go to ONNX: runs Python code$"
    ):
        to_onnx(net)
    model = to_onnx(net, outputs=["y"])
    assert model.free_batch
    assert off(net, model, 2) == 0


def test_blobs_that_are_not_there_are_named() -> None:
    net = net_of('layer { name: "r" type: "ReLU" bottom: "x" top: "relu" }')
    with pytest.raises(DataError, match="has no blob 'rely'; did you mean 'relu'"):
        to_onnx(net, outputs=["rely"])
    with pytest.raises(DataError, match="'relu' is given as input, but nothing of x depends on it"):
        to_onnx(net, outputs=["x"], inputs=["relu"])


def test_a_net_of_nothing_but_losses_wants_outputs_named() -> None:
    net = net_of(
        'layer { name: "t" type: "Input" top: "t" input_param { shape { dim: 3 dim: 2 dim: 6 dim: 7 } } }\n'
        'layer { name: "l" type: "EuclideanLoss" bottom: "x" bottom: "t" top: "l" }'
    )
    with pytest.raises(DataError, match="computes nothing but losses; name the blobs"):
        to_onnx(net)
    assert off(net, to_onnx(net, outputs=["l"]), 1, 4) <= 1e-5


def test_a_classifiers_scores_are_its_outputs_and_labels_are_not() -> None:
    net = net_of(
        'layer { name: "l" type: "Input" top: "label" input_param { shape { dim: 3 } } }\n'
        'layer { name: "f" type: "Flatten" bottom: "x" top: "f" }\n'
        'layer { name: "lf" type: "Flatten" bottom: "label" top: "lf" flatten_param { axis: 0 } }\n'
        'layer { name: "ip" type: "InnerProduct" bottom: "f" top: "ip" inner_product_param { num_output: 4 } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "lf" top: "loss" }\n'
        'layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc" }\n'
        'layer { name: "aside" type: "Sigmoid" bottom: "f" top: "aside" }\n'
        'layer { name: "quiet" type: "Silence" bottom: "aside" }\n'
    )
    assert default_outputs(net.plan) == ["ip"]
    assert list(to_onnx(net).inputs) == ["x"]


def test_a_wrong_weight_is_seen() -> None:
    net = net_of(POOLED.replace("METHOD", "TILE").replace("MASK", "").replace('top: "mask"', ""))
    model = to_onnx(net)
    with torch.no_grad():
        net.params["deconv"][1][1] += 0.01
    wrong = [each.output for each in compare(net, model, [("random", random_inputs(net, model, 2))]) if each.too_large]
    assert wrong == ["restored"]


def test_nan_is_a_difference_unless_both_have_it() -> None:
    net = net_of('layer { name: "l" type: "Log" bottom: "x" top: "y" }')
    model = to_onnx(net)
    inputs = {"x": np.full((1, 2, 6, 7), -1, np.float32)}
    (both,) = compare(net, model, [("below zero", inputs)])
    assert not both.too_large
    for node in model.proto.graph.node:
        node.op_type = "Abs"
    (one,) = compare(net, model, [("below zero", inputs)])
    assert one.too_large
    net = net_of('layer { name: "a" type: "AbsVal" bottom: "x" top: "y" }')
    model = to_onnx(net)
    for node in model.proto.graph.node:
        node.op_type = "Log"
    (other,) = compare(net, model, [("below zero", inputs)])
    assert other.too_large


def test_a_hopeless_guess_costs_as_much_as_in_caffe() -> None:
    net = net_of(
        'layer { name: "l" type: "Input" top: "label" input_param { shape { dim: 1 } } }\n'
        'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "x" bottom: "label" top: "loss" }',
        (1, 2),
    )
    model = to_onnx(net, outputs=["loss"])
    inputs = {"x": np.array([[0, 200]], np.float32), "label": np.zeros(1, np.float32)}
    assert run(session(model), model, inputs)["loss"] == pytest.approx(87.33654)  # -log of the least normal float


def test_the_model_is_one_that_others_read() -> None:
    net = net_of(POOLED.replace("METHOD", "MAX").replace("MASK", 'bottom: "mask"'))
    proto = onnx.load_from_string(to_onnx(net).to_bytes())
    assert {node.domain for node in proto.graph.node} == {""}
    assert [(each.domain, each.version) for each in proto.opset_import] == [("", 18)]
    assert [dim.dim_param or dim.dim_value for dim in proto.graph.output[0].type.tensor_type.shape.dim] == ["N", 3]


# Properties: every geometry that a layer takes


def agrees(layer: str, shape: tuple[int, ...], outputs: list[str], *, positive: bool = False) -> None:
    try:
        net = net_of(layer, shape)
    except (SpecError, LayerError):
        assume(False)
    model = to_onnx(net, outputs=outputs)
    x = np.random.default_rng(1).standard_normal((2, *shape[1:])).astype(np.float32)
    for each in compare(net, model, [("normal", {"x": np.abs(x) if positive else x})]):
        assert not each.too_large, each


def pair(low: int, high: int) -> Any:
    return st.tuples(st.integers(low, high), st.integers(low, high))


@settings(max_examples=60)
@given(
    size=pair(1, 7), kernel=pair(1, 4), stride=pair(1, 4), pad=pair(0, 3), rounding=st.sampled_from(["CEIL", "FLOOR"]),
    method=st.sampled_from(["MAX", "MAX with mask", "AVE", "STOCHASTIC"]),
)  # fmt: skip
def test_every_pooling(size: Any, kernel: Any, stride: Any, pad: Any, rounding: str, method: str) -> None:
    name, _, mask = method.partition(" ")
    agrees(
        f'layer {{ name: "p" type: "Pooling" bottom: "x" top: "y" {"top: " + repr("m") if mask else ""} '
        "pooling_param { "
        f"pool: {name} kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} stride_w: {stride[1]} "
        f"pad_h: {pad[0]} pad_w: {pad[1]} round_mode: {rounding} }} }}",
        (3, 2, *size),
        ["y", "m"] if mask else ["y"],
        positive=name == "STOCHASTIC",  # it divides by a window's sum
    )


@settings(max_examples=60)
@given(
    size=pair(1, 6), kernel=pair(1, 3), stride=pair(1, 3), pad=pair(0, 2), dilation=pair(1, 2), group=st.integers(1, 2),
    kind=st.sampled_from(["Convolution", "Deconvolution", "Im2col"]),
)  # fmt: skip
def test_every_window(size: Any, kernel: Any, stride: Any, pad: Any, dilation: Any, group: int, kind: str) -> None:
    repeated = " ".join(
        f"{name}: {value}"
        for name, values in {"kernel_size": kernel, "stride": stride, "pad": pad, "dilation": dilation}.items()
        for value in values
    )
    filler = 'weight_filler { type: "xavier" } bias_filler { type: "uniform" }'
    agrees(
        f'layer {{ name: "c" type: "{kind}" bottom: "x" top: "y" convolution_param {{ num_output: 4 group: {group} '
        f"{repeated} {filler} }} }}",
        (3, 2, *size),
        ["y"],
    )


@settings(max_examples=40)
@given(
    size=pair(1, 4),
    kernel=pair(1, 3),
    stride=pair(1, 3),
    large=pair(1, 9),
    method=st.sampled_from(["MAX", "AVE", "TILE"]),
)
def test_every_unpooling(size: Any, kernel: Any, stride: Any, large: Any, method: str) -> None:
    agrees(
        f'layer {{ name: "u" type: "Unpooling" bottom: "x" top: "y" unpooling_param {{ unpool: {method} '
        f"kernel_h: {kernel[0]} kernel_w: {kernel[1]} stride_h: {stride[0]} stride_w: {stride[1]} "
        f"unpool_h: {large[0]} unpool_w: {large[1]} }} }}",
        (3, 2, *size),
        ["y"],
    )
