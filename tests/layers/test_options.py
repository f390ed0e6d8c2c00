"""Options that no reference case sets: each does what its name says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcae.layers import Context, make_layer
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import TRAIN

INPUT = 'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 4 dim: 3 dim: 3 } } }\n'
CONSTANT = '{ type: "constant" value: %s }'


@pytest.mark.parametrize(
    ("layer", "values"),
    [
        ('"Convolution" convolution_param { num_output: 2 kernel_size: 2 weight_filler W bias_filler B }', "WB"),
        ('"Deconvolution" convolution_param { num_output: 2 kernel_size: 2 weight_filler W bias_filler B }', "WB"),
        ('"InnerProduct" inner_product_param { num_output: 2 weight_filler W bias_filler B }', "WB"),
        ('"Embed" embed_param { num_output: 2 input_dim: 5 weight_filler W bias_filler B }', "WB"),
        ('"Scale" scale_param { filler W bias_term: true bias_filler B }', "WB"),
        ('"Bias" bias_param { filler B }', "B"),
        ('"PReLU" prelu_param { filler W }', "W"),
        ('"BN" bn_param { scale_filler W shift_filler B }', "WB"),
    ],
)
def test_fillers_fill_what_they_are_named_for(layer: str, values: str) -> None:
    text = layer.replace(" W", " " + CONSTANT % 0.3).replace(" B", " " + CONSTANT % -0.7)
    net = Net(read_net_text(f'{INPUT} layer {{ name: "l" bottom: "x" top: "y" type: {text} }}'), "TRAIN", seed=0)
    wanted = [{"W": 0.3, "B": -0.7}[value] for value in values]
    for tensor, value in zip(net.tensors, wanted, strict=True):
        torch.testing.assert_close(tensor.detach(), torch.full_like(tensor, value))


def run(text: str, *bottoms: np.ndarray) -> list[np.ndarray]:
    names = " ".join(f'bottom: "x{n}"' for n in range(len(bottoms)))
    layer = make_layer(read_net_text(f'layer {{ name: "l" {names} top: "y" type: {text} }}').message.layer[0], TRAIN)
    tops = layer.forward([torch.from_numpy(bottom) for bottom in bottoms], [], Context())
    assert [tuple(top.shape) for top in tops] == layer.shapes([bottom.shape for bottom in bottoms])
    return [top.numpy() for top in tops]


def test_the_older_names_of_the_axis() -> None:
    x = np.arange(12.0).reshape(2, 3, 2)
    np.testing.assert_array_equal(run('"Concat" concat_param { concat_dim: 2 }', x, x)[0], np.concatenate([x, x], 2))
    parts = run('"Slice" top: "z" slice_param { slice_dim: 0 }', x)
    np.testing.assert_array_equal(parts, [x[:1], x[1:]])


@settings(max_examples=50)
@given(st.integers(0, 999), st.integers(-3, 2), st.integers(1, 3), st.booleans())
def test_accuracy_over_any_axis(seed: int, axis: int, top_k: int, ignored: bool) -> None:
    generator = np.random.default_rng(seed)
    scores = generator.integers(0, 4, (3, 3, 3)) * 1.0  # few values, so that ties happen
    labels = generator.integers(0, 3, (3, 3)) * 1.0
    text = f"axis: {axis} top_k: {top_k}" + (" ignore_label: 1" if ignored else "")
    right, counted = np.zeros(3), np.zeros(3)
    for row, label in zip(np.moveaxis(scores, axis, -1).reshape(-1, 3), labels.reshape(-1).astype(int), strict=True):
        if not (ignored and label == 1):
            counted[label] += 1
            right[label] += sum(score >= row[label] for score in row) - 1 < top_k
    whole, per_class = run(f'"Accuracy" top: "c" accuracy_param {{ {text} }}', scores, labels)
    assert whole == pytest.approx(right.sum() / max(counted.sum(), 1))
    np.testing.assert_allclose(per_class, right / np.maximum(counted, 1))
