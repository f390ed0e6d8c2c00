"""What a layer refuses, and whether it tells the author of the text what was given and what is allowed."""

from __future__ import annotations

import json

import pytest
import torch

from deepcae.errors import DataError, LayerError
from deepcae.layers import Context, make_layer
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import TRAIN
from reference import reference_dir


def plan(text: str) -> list[tuple[int, ...]]:
    """Shapes through a text's layers, one after the other: whatever a layer refuses comes up here."""
    blobs: dict[str, tuple[int, ...]] = {}
    tops: list[tuple[int, ...]] = []
    for param in read_net_text(text).message.layer:
        layer = make_layer(param, TRAIN)
        bottoms = [blobs[name] for name in param.bottom]
        if not layer.is_source:
            layer.learned(bottoms)
        tops = layer.shapes(bottoms)
        blobs.update(zip(param.top, tops, strict=False))
    return tops


def _fatal(*parts: str) -> dict[str, dict]:
    path = reference_dir(*parts)
    return {case["name"]: case for case in json.loads(path.read_text())["cases"]} if path.is_file() else {}


CAFFE = _fatal("fatal.json")
FORK = _fatal("unpooling", "fatal.json")

# name of the case: words that its message must hold
CAFFE_WORDS = {
    "unknown_layer_type": ["NoSuchLayer"],
    "type_is_case_sensitive": ["'relu'", "did you mean 'ReLU'"],
    "wrong_bottom_count": ["ReLU has 1 bottom", "2 are given"],
    "wrong_top_count": ["1 top", "2 are given"],
    "conv_no_kernel": ["kernel_size is missing", "once per spatial axis (2 here)"],
    "conv_kernel_twice": ["kernel_size", "kernel_h and kernel_w", "not both"],
    "conv_group_channels": ["4 channels", "group 3"],
    "conv_group_outputs": ["num_output 3", "group 2"],
    "conv_zero_outputs": ["num_output must be at least 1"],
    "pool_no_kernel": ["kernel_size is missing"],
    "pool_pad_too_big": ["pad is 2", "kernel_size 2"],
    "pool_3d_input": ["4 axes", "[2, 3, 4]"],
    "ip_size_changes_axis": ["axis 2", "[3, 5]"],
    "reshape_count": ["[4, 4]", "16", "[3, 5]", "15"],
    "reshape_two_unknown": ["at most one", "[-1, -1]"],
    "reshape_in_place": ["in place", "'x'"],
    "absval_in_place": ["in place", "'x'"],
    "eltwise_shapes": ["[3, 5]", "[3, 4]"],
    "concat_shapes": ["axis 1", "[3, 5]", "[2, 5]"],
    "euclidean_counts": ["[3, 5] has 5", "[3, 4] has 4"],
    "softmaxloss_label_count": ["3 labels", "[3, 2] has 6"],
    "softmaxloss_two_tops": ["Softmax layer"],
    "sce_counts": ["15", "12"],
    "lrn_even_size": ["local_size", "odd", "is 4"],
    "filler_unknown": ["'he'", "msra", "xavier"],
    "filler_sparse_too_many": ["sparse: 3", "at most 2"],
    "filler_uniform_range": ["min is 1", "max 0"],
}
FORK_WORDS = {
    "no_size": ["unpool_size is missing", "unpool_h and unpool_w"],
    "size_and_h": ["unpool_size", "not both"],
    "pad": ["pad must be 0"],
    "no_kernel": ["kernel_size is missing"],
    "two_tops": ["1 top", "2 are given"],
}
WANTED = [(CAFFE, n, w) for n, w in CAFFE_WORDS.items()] + [(FORK, n, w) for n, w in FORK_WORDS.items()]


@pytest.mark.parametrize(("cases", "name", "words"), WANTED, ids=[name for _, name, _ in WANTED])
def test_refuses_what_caffe_refuses(cases: dict, name: str, words: list[str]) -> None:
    if name not in cases:
        pytest.skip("this case is not among the reference data here")
    with pytest.raises(LayerError) as caught:
        plan(cases[name]["net"])
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert "\n" not in message


def test_accepts_dropout_ratio_one_as_caffe_does() -> None:
    assert plan(net('type: "Dropout" dropout_param { dropout_ratio: 1 }')) == [(3, 5)]


def net(layer: str, *shapes: str, tops: str = 'top: "y"') -> str:
    """A text with Input layers x0, x1, ... of the shapes ("3 5") and one layer on them."""
    shapes = shapes or ("3 5",)
    inputs = "".join(
        f'layer {{ name: "i{n}" type: "Input" top: "x{n}" input_param {{ shape {{ {_dims(shape)} }} }} }}\n'
        for n, shape in enumerate(shapes)
    )
    bottoms = " ".join(f'bottom: "x{n}"' for n in range(len(shapes)))
    return f'{inputs}layer {{ name: "l" {bottoms} {tops} {layer} }}'


def _dims(shape: str) -> str:
    return " ".join(f"dim: {size}" for size in shape.split())


IMAGE = "2 4 6 6"
REFUSED = [
    ("Convolution { num_output: 2 kernel_size: 9 }", [IMAGE],
     "convolution_param.kernel_size", ["kernel size 9", "6 long"]),
    ("Convolution { num_output: 2 kernel_size: 0 }", [IMAGE], "convolution_param.kernel_size", ["at least 1", "is 0"]),
    ("Convolution { num_output: 2 kernel_h: 3 }", [IMAGE], "convolution_param.kernel_w", ["at least 1", "[3, 0]"]),
    ("Convolution { num_output: 2 kernel_h: 3 kernel_w: 3 }", ["2 4 6"],
     "convolution_param.kernel_h", ["2 spatial axes", "1"]),
    ("Convolution { num_output: 2 kernel_size: 3 stride: 0 }", [IMAGE], "convolution_param.stride", ["stride", "is 0"]),
    ("Convolution { num_output: 2 kernel_size: [3, 3, 3] }", [IMAGE],
     "convolution_param.kernel_size", ["3 times", "2 here"]),
    ("Convolution { num_output: 2 kernel_size: 3 axis: 4 }", [IMAGE],
     "convolution_param.axis", ["axis 4", "[2, 4, 6, 6]"]),
    ("Convolution { num_output: 2 kernel_size: 1 }", ["1 1 2 2 2 2"], "bottom", ["4 spatial axes", "3 are supported"]),
    ("Deconvolution { num_output: 2 kernel_size: 3 pad: 4 }", [IMAGE],
     "convolution_param.pad", ["pad 4", "8, minus 2·4"]),
    ("InnerProduct { }", [IMAGE], "inner_product_param.num_output", ["at least 1"]),
    ("Pooling { kernel_size: 9 }", [IMAGE], "pooling_param.kernel_size", ["9x9", "6x6"]),
    ("Pooling { kernel_h: 2 }", [IMAGE], "pooling_param.kernel_h", ["kernel_h needs kernel_w"]),
    ("Pooling { kernel_size: 2 stride: 0 }", [IMAGE], "pooling_param", ["stride must be at least 1"]),
    ("Pooling { global_pooling: true kernel_size: 2 }", [IMAGE],
     "pooling_param.kernel_size", ["leave kernel_size out"]),
    ("Pooling { global_pooling: true pad: 1 }", [IMAGE], "pooling_param.global_pooling", ["pad 0 and stride 1"]),
    ("Pooling { pool: STOCHASTIC kernel_size: 2 pad: 1 }", [IMAGE], "pooling_param.pad", ["MAX and AVE"]),
    ("Unpooling { unpool: AVE kernel_size: 2 unpool_size: 4 }", ["1 1 2 2", "1 1 2 2"], "bottom.1", ["MAX"]),
    ("Unpooling { kernel_size: 2 unpool_h: 4 }", ["1 1 2 2"], "unpooling_param.unpool_h", ["unpool_h needs unpool_w"]),
    ("Unpooling { kernel_size: 2 unpool_size: 4 }", ["1 1 2 2", "1 1 3 3"],
     "bottom.1", ["[1, 1, 2, 2]", "[1, 1, 3, 3]"]),
    ("Exp { base: 0 }", [], "exp_param.base", ["positive", "is 0"]),
    ("Log { base: 1 }", [], "log_param.base", ["base 1"]),
    ("Dropout { dropout_ratio: 1.5 }", [], "dropout_param.dropout_ratio", ["between 0 and 1", "1.5"]),
    ("PReLU { }", ["3"], "bottom", ["at least 2 axes", "[3]"]),
    ("Reshape { shape { dim: -1 dim: 4 } }", [], "reshape_param.shape.dim", ["15 elements", "multiple of 4"]),
    ("Reshape { shape { dim: -2 } }", [], "reshape_param.shape.dim", ["-1 (infer)", "[-2]"]),
    ("Reshape { shape { dim: 15 dim: 1 dim: 0 } }", [], "reshape_param.shape.dim.2", ["no axis 2"]),
    ("Reshape { axis: 3 shape { dim: 15 } }", [], "reshape_param.axis", ["axis 3", "2 axes"]),
    ("Reshape { axis: 1 num_axes: 2 shape { dim: 15 } }", [], "reshape_param.num_axes", ["beyond", "[3, 5]"]),
    ("Flatten { axis: 2 }", [], "flatten_param.axis", ["axis 2", "2 axes"]),
    ("Flatten { axis: 2 end_axis: 0 }", [IMAGE], "flatten_param.axis", ["axis 2", "end_axis 0"]),
    ("Slice { slice_point: 2 slice_point: 3 }", [], "slice_param.slice_point", ["1 tops need 0", "2 are given"]),
    ("Slice { axis: 1 slice_dim: 1 }", [], "slice_param.slice_dim", ["not both"]),
    ("Concat { axis: 1 concat_dim: 1 }", [], "concat_param.concat_dim", ["not both"]),
    ("Eltwise { coeff: 1 }", ["2", "2"], "eltwise_param.coeff", ["2 bottoms", "1 coeff"]),
    ("Eltwise { operation: MAX coeff: 1 coeff: 1 }", ["2", "2"], "eltwise_param.coeff", ["SUM only"]),
    ("Crop { }", [IMAGE, "2 4 7 6"], "bottom.1", ["7", "axis 2", "6 long"]),
    ("Crop { offset: [1, 2, 3] }", [IMAGE, "2 4 2 2"], "crop_param.offset", ["2 here", "3 times"]),
    ("Tile { }", [], "tile_param.tiles", ["at least 1"]),
    ("BatchNorm { }", ["3"], "bottom", ["at least 2 axes"]),
    ("Scale { axis: 1 num_axes: 2 }", [], "scale_param.num_axes", ["num_axes 2", "axis 1", "[3, 5]"]),
    ("Scale { }", ["3 5", "4"], "bottom.1", ["[4]", "[5]"]),
    ("Softmax { axis: 2 }", [], "softmax_param.axis", ["axis 2"]),
    ("EuclideanLoss { }", ["3 5", "4 5"], "bottom.1", ["axis 0", "[3, 5]", "[4, 5]"]),
    ("ContrastiveLoss { }", ["3 5", "3 4", "3"], "bottom.1", ["[3, 5]", "[3, 4]"]),
    ("ContrastiveLoss { }", ["3 5", "3 5", "4"], "bottom.2", ["(3)", "[4]"]),
    ("ContrastiveLoss { }", ["3 5 2 1", "3 5 2 1", "3"], "bottom.0", ["(N, C, 1, 1)", "[3, 5, 2, 1]"]),
    ("Accuracy { top_k: 6 }", ["3 5", "3"], "accuracy_param.top_k", ["top_k 6", "5 classes"]),
    ("LRN { }", ["2 4 6"], "bottom", ["4 axes", "[2, 4, 6]"]),
    ("LRN { local_size: 0 }", [IMAGE], "lrn_param.local_size", ["odd", "is 0"]),
    ("MVN { }", ["1 1 2 2 2"], "bottom", ["1 to 4 axes"]),
    ("Reduction { axis: 2 }", [], "reduction_param.axis", ["axis 2", "[3, 5]"]),
    ("ArgMax { top_k: 0 }", [], "argmax_param.top_k", ["at least 1"]),
    ("ArgMax { top_k: 6 }", [], "argmax_param.top_k", ["top_k 6", "5 values"]),
    ("ArgMax { top_k: 4 axis: 0 }", [], "argmax_param.top_k", ["top_k 4", "3 values"]),
    ("ArgMax { axis: 2 }", [], "argmax_param.axis", ["axis 2"]),
    ("HingeLoss { }", ["3 5", "3 2"], "bottom.1", ["one label per sample (3)", "[3, 2]"]),
    ("HingeLoss { }", ["3 5", "4"], "bottom.1", ["axis 0", "[3, 5]", "[4]"]),
    ("MultinomialLogisticLoss { }", ["3 5", "3 5"], "bottom.1", ["one label per sample (3)", "[3, 5]"]),
    ("InfogainLoss { }", ["3 5", "3"], "infogain_loss_param", ["third bottom", "source"]),
    ("InfogainLoss { }", ["3 5", "3", "3 5"], "bottom.2", ["5x5", "[3, 5]"]),
    ("InfogainLoss { }", ["3 5", "3 2", "5 5"], "bottom.1", ["3 labels", "[3, 2] has 6"]),
    ("InfogainLoss { axis: 2 }", ["3 5", "3", "5 5"], "infogain_loss_param.axis", ["axis 2"]),
    ("InfogainLoss { } loss_param { normalize: true }", ["3 5", "3", "5 5"],
     "loss_param.normalize", ["normalization"]),
    ("SPP { }", [IMAGE], "spp_param.pyramid_height", ["at least 1"]),
    ("SPP { pyramid_height: 4 }", [IMAGE], "spp_param.pyramid_height", ["6x6", "8x8", "pyramid_height 4"]),
    ("SPP { pyramid_height: 3 pool: STOCHASTIC }", [IMAGE], "spp_param.pool", ["STOCHASTIC", "4x4 windows"]),
    ("SPP { pyramid_height: 1 }", [], "bottom", ["4 axes"]),
    ("Im2col { }", [IMAGE], "convolution_param", ["kernel_size is missing"]),
    ("Im2col { kernel_size: 9 }", [IMAGE], "convolution_param.kernel_size", ["kernel size 9", "6 long"]),
    ("Filter { }", ["3 5", "4"], "bottom.0", ["[3, 5]", "[4]"]),
    ("Filter { }", ["3 5", "3 2"], "bottom.1", ["one number per sample", "[3, 2]"]),
    ("Filter { }", ["3 5", "3 5", "3"], "top", ["3 bottoms", "1 top"]),
    ("BatchReindex { }", ["3 5", "4 1"], "bottom.1", ["1 axis", "[4, 1]"]),
    ("Embed { num_output: 2 }", [], "embed_param.input_dim", ["at least 1"]),
    ("Embed { input_dim: 2 }", [], "embed_param.num_output", ["at least 1"]),
    ("Embed { input_dim: 2 num_output: 2 weight_filler { type: 'x' } }", [],
     "embed_param.weight_filler.type", ["'x'"]),
]  # fmt: skip
FIELDS = {
    "Deconvolution": "convolution_param",
    "Im2col": "convolution_param",
    "BatchNorm": "batch_norm_param",
    "ArgMax": "argmax_param",
    **dict.fromkeys(["EuclideanLoss", "MultinomialLogisticLoss"], "loss_param"),
    **dict.fromkeys(["Filter", "BatchReindex"], "loss_param"),
}


def full(short: str) -> str:
    """`Tile { tiles: 2 }` → `type: "Tile" tile_param { tiles: 2 }`."""
    kind, settings = short.split(" ", 1)
    words = "".join(
        f"_{c.lower()}" if c.isupper() and kind[i - 1 : i].islower() else c.lower() for i, c in enumerate(kind)
    )
    field = FIELDS.get(kind, f"{words}_param").replace("pre_lu", "prelu").replace("re_lu", "relu")
    return f'type: "{kind}" {field} {settings}'


@pytest.mark.parametrize(("short", "shapes", "at", "words"), REFUSED, ids=lambda value: str(value)[:60])
def test_says_what_is_wrong_and_where(short: str, shapes: list[str], at: str, words: list[str]) -> None:
    with pytest.raises(LayerError) as caught:
        plan(net(full(short), *shapes))
    message = str(caught.value)
    assert all(word in message for word in words), message
    assert caught.value.at == at
    assert "\n" not in message


@pytest.mark.parametrize(
    ("layer", "at", "words"),
    [
        ('type: "HDF5Data" hdf5_data_param { batch_size: 3 }', "hdf5_data_param", ["source is missing"]),
        ('type: "HDF5Data" hdf5_data_param { source: "a" }', "hdf5_data_param", ["batch_size", "missing"]),
        ('type: "Data" data_param { source: "a" batch_size: 0 }', "data_param.batch_size", ["at least 1"]),
        ('type: "MemoryData" top: "l" memory_data_param { batch_size: 1 channels: 1 width: 2 }', "memory_data_param",
         ["height"]),
        ('type: "ImageData" top: "l" image_data_param { source: "a" new_width: 3 }', "image_data_param.new_width",
         ["0 and 3"]),
        ('type: "ImageData" image_data_param { source: "a" }', "top", ["2 tops", "1 is given"]),
        ('type: "Data" data_param { source: "a" batch_size: 1 } transform_param { mean_file: "m" mean_value: 1 }',
         "transform_param.mean_file", ["not both"]),
        ('type: "DummyData" dummy_data_param { shape { dim: 1 } num: 1 }', "dummy_data_param.shape", ["not both"]),
        ('type: "DummyData" dummy_data_param { num: 1 height: 1 width: 1 }', "dummy_data_param", ["channels"]),
        ('type: "DummyData" dummy_data_param { data_filler { type: "x" } shape { dim: 1 } }',
         "dummy_data_param.data_filler.0.type", ["'x'"]),
        ('type: "DummyData"', "dummy_data_param", ["shape once"]),
        ('type: "Input" top: "z" input_param { shape { } shape { } shape { } }', "input_param.shape",
         ["2 here", "3 times"]),
        ('type: "Input"', "input_param", ["shape"]),
        ('type: "Input" input_param { shape { dim: 0 } }', "input_param.shape.0.dim", ["at least 1", "[0]"]),
        ('type: "BatchNorm" bottom: "y" param { lr_mult: 1 }', "param.0", ["lr_mult: 0"]),
        ('type: ""', "type", ["type is missing"]),
        ('type: "Parameter" parameter_param { shape { dim: 0 } }', "parameter_param.shape.dim", ["at least 1", "[0]"]),
        ('type: "InfogainLoss" bottom: "x" bottom: "y" bottom: "H" top: "p"', "loss_weight", ["twice"]),
        ('type: "LSTM"', "type", ["'LSTM'", "recurrent", "Slice, InnerProduct"]),
        ('type: "RNN"', "type", ["'RNN'", "recurrent", "Slice, InnerProduct"]),
        ('type: "LSTMUnit"', "type", ["'LSTMUnit'", "recurrent", "Slice, InnerProduct"]),
        ('type: "WindowData"', "type", ["'WindowData'", "windows of an R-CNN list", "ImageData", "HDF5Data"]),
        ('type: "HDF5Output"', "bottom", ["2 bottoms", "0 are given"]),
        ('type: "HDF5Output" bottom: "a" bottom: "b"', "top", ["0 tops", "1 is given"]),
        ('type: "Convoluton"', "type", ["did you mean 'Convolution'"]),
    ],
)  # fmt: skip
def test_checks_a_layer_by_itself(layer: str, at: str, words: list[str]) -> None:
    with pytest.raises(LayerError) as caught:
        plan(f'layer {{ name: "l" top: "y" {layer} }}')
    assert caught.value.at == at
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_mask_made_for_another_plane_is_refused() -> None:
    param = read_net_text(net(full("Unpooling { kernel_size: 2 stride: 2 unpool_size: 3 }"), "1 1 2 2", "1 1 2 2"))
    layer = make_layer(param.message.layer[-1], TRAIN)
    for wrong in (9.0, -1.0, float("nan")):
        mask = torch.tensor([0.0, wrong, 1.0, 2.0]).reshape(1, 1, 2, 2)
        with pytest.raises(DataError, match="3x3 go from 0 to 8"):
            layer.forward([torch.zeros(1, 1, 2, 2), mask], [], Context())


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "Accuracy", "HingeLoss", "MultinomialLogisticLoss"])
def test_a_label_outside_the_classes_is_refused(kind: str) -> None:
    layer = make_layer(read_net_text(net(f'type: "{kind}"', "2 3", "2")).message.layer[-1], TRAIN)
    with pytest.raises(DataError, match="label 3 is outside the 3 classes 0 to 2"):
        layer.forward([torch.zeros(2, 3), torch.tensor([1.0, 3.0])], [], Context())
