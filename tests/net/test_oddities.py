"""What `check` warns of: where a network computes as Caffe does, and not as one would expect."""

from __future__ import annotations

import pytest

from deepcae.net.graph import build_graph
from deepcae.net.oddities import oddities
from deepcae.net.plan import make_plan
from deepcae.proto.read import read_net_text

HEAD = """layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
layer { name: "b" type: "Bias" bottom: "x" top: "y" }
"""
TAIL = 'layer { name: "l" type: "EuclideanLoss" bottom: "z" bottom: "x" top: "l" }\n'


def told(middle: str, passes: int = 1, phase: str = "TRAIN") -> list[str]:
    plan = make_plan(build_graph(read_net_text(HEAD + middle, "n.prototxt"), phase))
    return [str(problem) for problem in oddities(plan, passes)]


def one(settings: str) -> str:
    return f'layer {{ name: "o" bottom: "y" top: "z" type: {settings} }}\n'


@pytest.mark.parametrize(
    ("layer", "at", "words"),
    [
        ('"Unpooling" unpooling_param { unpool: TILE kernel_size: 2 unpool_size: 8 }', "unpool:", "mean, not its sum"),
        (
            '"Eltwise" bottom: "x" eltwise_param { operation: PROD stable_prod_grad: false }',
            "stable_prod",
            "bottom is 0",
        ),
        ('"MVN" mvn_param { eps: 0.1 }', "eps", "leaves eps 0.1 out"),
        ('"Power" power_param { power: 3 }', "power:", "shift + scale·x is 0"),
        ('"Clip"', "layer", "both bounds are 0"),
        ('"Dropout" dropout_param { dropout_ratio: 1 }', "dropout_ratio", "not finite"),
        ('"Pooling" pooling_param { kernel_size: 1 stride: 4 pool: AVE }', "pooling_param", "lies outside"),
        ('"Pooling" pooling_param { kernel_size: 1 stride: 3 }', "", ""),
        ('"Pooling" pooling_param { kernel_size: 2 stride: 3 }', "", ""),
        ('"Pooling" pooling_param { kernel_size: 1 stride: 5 }', "pooling_param", "lies outside"),
        ('"Unpooling" unpooling_param { unpool: AVE kernel_size: 2 unpool_size: 8 }', "", ""),
        ('"MVN"', "", ""),
        ('"Power" power_param { power: 2 }', "", ""),
        ('"Eltwise" bottom: "x" eltwise_param { operation: PROD }', "", ""),
        ('"Scale"', "", ""),
        ('"Sigmoid"', "", ""),
    ],
)
def test_settings(layer: str, at: str, words: str) -> None:
    found = told(one(layer))
    if not words:
        assert found == []
        return
    (line,) = found
    kind = layer.split('"')[1]
    assert line.startswith(f"n.prototxt:3:{one(layer).index(at) + 1}: layer 'o' ({kind}): ")
    assert words in line


def test_ignored_targets() -> None:
    (line,) = told(
        'layer { name: "l" type: "SigmoidCrossEntropyLoss" bottom: "y" bottom: "x" top: "l" '
        "loss_param { ignore_label: 0 } }"
    )
    assert "every target that truncates to 0 is ignored" in line


@pytest.mark.parametrize("kind", ["BNLL", "Clip", "Log", "Power", "Swish"])
def test_in_place_layers_that_need_their_bottom(kind: str) -> None:
    settings = {"Clip": "clip_param { min: 0 max: 1 }", "Power": "power_param { power: 2 }"}.get(kind, "")
    chain = f'layer {{ name: "p" type: "{kind}" bottom: "y" top: "y" {settings} }}\n' + one('"Scale"') + TAIL
    (line,) = told(chain)
    assert line.startswith("n.prototxt:3:")
    assert "in place its gradient in Caffe is wrong" in line
    assert told(chain.replace('top: "y"', 'top: "p"').replace('"o" bottom: "y"', '"o" bottom: "p"')) == []


@pytest.mark.parametrize("kind", ["ELU", "Exp", "Sigmoid", "TanH"])
def test_tops_that_are_written_over(kind: str) -> None:
    first = f'layer {{ name: "p" type: "{kind}" bottom: "y" top: "z" }}\n'
    over = 'layer { name: "q" type: "Scale" bottom: "z" top: "z" }\n'
    (line,) = told(first + over + TAIL)
    assert "layer 'q' writes over its top" in line
    assert told(first + TAIL) == []
    assert told(first.replace(kind, "ReLU") + over + TAIL) == []


def test_losses_that_are_read() -> None:
    loss = 'layer { name: "l" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "l" }\n'
    reader = 'layer { name: "r" type: "Power" bottom: "l" top: "r" loss_weight: 1 }\n'
    (line,) = told(loss + reader)
    assert line.startswith("n.prototxt:3:")
    assert "loss 'l' is read by another layer" in line
    assert told(loss) == []


def test_gradients_that_are_written_over() -> None:
    scale = one('"Scale" scale_param { axis: 0 num_axes: 2 } param { name: "w" }')
    other = (
        one('"Scale" scale_param { axis: 0 num_axes: 2 } param { name: "w" }')
        .replace('"o"', '"p"')
        .replace('"z"', '"v"')
    )
    loss = 'layer { name: "l" type: "EuclideanLoss" bottom: "z" bottom: "v" top: "l" }\n'
    (line,) = told(scale + other + loss)
    assert line.startswith("n.prototxt:4:1: layer 'p' (Scale): its gradient of a shared blob is lost")
    assert told(scale + TAIL) == []
    (line,) = told(scale + TAIL, passes=4)
    assert "of 4 passes (iter_size) only the last one's gradient counts" in line
