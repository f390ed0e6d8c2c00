"""The shape rules against Caffe's formulas, and against what the layers then make."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import oracle
from deepcae.errors import LayerError
from deepcae.layers import Context, Layer, make_layer
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import TEST, TRAIN

small = st.integers(1, 5)
quick = settings(max_examples=150)


def build(text: str, phase: int = TRAIN) -> Layer:
    return make_layer(read_net_text(f'layer {{ name: "l" bottom: "x" top: "y" {text} }}').message.layer[0], phase)


def made(layer: Layer, shape: tuple[int, ...]) -> list[tuple[int, ...]] | None:
    """The shapes that the rule gives, once the layer has kept to them; None for a refusal."""
    try:
        learned = layer.learned([shape])
        wanted = layer.shapes([shape])
    except LayerError:
        return None
    tops = layer.forward([torch.zeros(shape)], [torch.zeros(blob.shape) for blob in learned], Context())
    assert [tuple(top.shape) for top in tops] == wanted
    return wanted


@quick
@given(st.integers(1, 9), st.integers(1, 9), small, small, st.integers(0, 4), st.booleans())
def test_pooling_follows_caffes_rounding(
    height: int, width: int, kernel: int, stride: int, pad: int, ceil: bool
) -> None:
    text = f"kernel_size: {kernel} stride: {stride} pad_h: {min(pad, kernel - 1)} pad_w: 0"
    layer = build(f'type: "Pooling" pooling_param {{ {text} round_mode: {"CEIL" if ceil else "FLOOR"} }}')
    pads = (min(pad, kernel - 1), 0)
    wanted = [
        oracle.pooled_size(size, kernel, stride, p, any(pads), ceil)
        for size, p in zip((height, width), pads, strict=True)
    ]
    assert made(layer, (1, 2, height, width)) == ([(1, 2, *wanted)] if min(wanted) > 0 else None)


def test_pooling_without_padding_keeps_a_window_outside_the_image() -> None:
    layer = build('top: "mask" type: "Pooling" pooling_param { kernel_size: 1 stride: 3 }')
    y, mask = layer.forward([torch.arange(36.0).reshape(1, 1, 6, 6)], [], Context())
    assert mask[0, 0].tolist() == [[0, 3, -1], [18, 21, -1], [-1, -1, -1]]
    assert y[0, 0, 2, 2] == torch.finfo(torch.float32).min


@quick
@given(st.integers(1, 9), small, small, st.integers(0, 3), st.integers(1, 3))
def test_deconvolution_undoes_the_size_of_convolution(
    size: int, kernel: int, stride: int, pad: int, dilation: int
) -> None:
    fields = f"num_output: 2 kernel_size: {kernel} stride: {stride} pad: {pad} dilation: {dilation}"
    small_shape = made(build(f'type: "Convolution" convolution_param {{ {fields} }}'), (1, 1, size))
    room = size + 2 * pad - (dilation * (kernel - 1) + 1)
    assert (small_shape is None) == (int(room / stride) + 1 < 1)
    if small_shape is None or room < 0:
        return
    back = made(build(f'type: "Deconvolution" convolution_param {{ {fields} }}'), small_shape[0])
    lost = room % stride  # rows that no window covers do not come back
    assert back == ([(1, 2, size - lost)] if size > lost else None)


@pytest.mark.parametrize(
    ("size", "settings_text", "wanted"),
    [(28, "kernel_size: 2 stride: 2", 14), (7, "kernel_size: 2 stride: 2", 4), (28, "kernel_size: 3 stride: 2", 14)],
)
def test_pooling_sizes_that_networks_rely_on(size: int, settings_text: str, wanted: int) -> None:
    layer = build(f'type: "Pooling" pooling_param {{ {settings_text} }}')
    assert layer.shapes([(1, 1, size, size)]) == [(1, 1, wanted, wanted)]


def test_batch_norm_without_statistics_yet_takes_them_as_zero() -> None:
    layer = build('type: "BatchNorm" batch_norm_param { eps: 0.25 }', TEST)
    (y,) = layer.forward([torch.full((1, 2, 2), 3.0)], [torch.zeros(2), torch.zeros(2), torch.zeros(1)], Context())
    assert y.tolist() == [[[6, 6], [6, 6]]]


@pytest.mark.parametrize(
    ("text", "shape", "wanted"),
    [
        ('type: "Reshape" reshape_param { axis: -1 shape { dim: 1 } }', (2, 6), (2, 6, 1)),
        ('type: "Reshape" reshape_param { axis: 1 num_axes: 0 shape { dim: 1 } }', (2, 6), (2, 1, 6)),
        ('type: "Reshape" reshape_param { axis: 1 shape { dim: 0 dim: -1 dim: 3 } }', (2, 4, 6), (2, 4, 2, 3)),
        ('type: "Flatten" flatten_param { axis: 1 end_axis: 0 }', (2, 6), (2, 1, 6)),
        ('type: "Concat" concat_param { concat_dim: 0 }', (2, 6), (2, 6)),
        ('type: "Slice" slice_param { slice_dim: 0 }', (2, 6), (2, 6)),
        ('type: "Tile" tile_param { axis: -1 tiles: 2 }', (2, 6), (2, 12)),
        ('type: "Convolution" convolution_param { num_output: 5 kernel_size: 1 }', (2, 6), (2, 5)),
        ('type: "Deconvolution" convolution_param { num_output: 5 kernel_size: 1 }', (2, 6), (2, 5)),
        ('type: "InnerProduct" inner_product_param { num_output: 5 axis: 0 }', (2, 6), (5,)),
    ],
)
def test_special_spellings(text: str, shape: tuple[int, ...], wanted: tuple[int, ...]) -> None:
    assert made(build(text), shape) == [wanted]


def test_sources_tell_the_shapes_that_their_text_holds() -> None:
    def shapes(text: str) -> list[tuple[int, ...]]:
        return make_layer(read_net_text(f'layer {{ name: "l" {text} }}').message.layer[0], TRAIN).shapes([])

    two = 'top: "a" top: "b"'
    assert shapes(f'type: "Input" {two} input_param {{ shape {{ dim: 3 }} }}') == [(3,), (3,)]
    assert shapes(f'type: "DummyData" {two} dummy_data_param {{ num: 1 num: 2 channels: 3 height: 4 width: 5 }}') == [
        (1, 3, 4, 5),
        (2, 3, 4, 5),
    ]
    memory = "memory_data_param { batch_size: 2 channels: 3 height: 4 width: 5 }"
    assert shapes(f'type: "MemoryData" {two} {memory}') == [(2, 3, 4, 5), (2,)]
