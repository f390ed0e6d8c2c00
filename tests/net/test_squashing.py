"""A loss that applies an activation itself, behind the same one; and one that needs probabilities and gets none."""

from __future__ import annotations

import pytest

from deepcae.net.graph import build_graph
from deepcae.net.oddities import oddities
from deepcae.net.plan import make_plan
from deepcae.proto.read import read_net_text

HEAD = """layer { name: "in" type: "Input" top: "x" top: "t" input_param { shape { dim: 2 dim: 6 } } }
layer { name: "labels" type: "Input" top: "y" input_param { shape { dim: 2 } } }
layer { name: "many" type: "InnerProduct" bottom: "x" top: "many" inner_product_param { num_output: 6 } }
"""
SIGMOID = 'layer { name: "s" type: "Sigmoid" bottom: "many" top: "s" }\n'
SOFTMAX = SIGMOID.replace('"Sigmoid"', '"Softmax"')
CROSS = 'layer { name: "l" type: "SigmoidCrossEntropyLoss" bottom: "s" bottom: "t" top: "l" }\n'
WITH = 'layer { name: "l" type: "SoftmaxWithLoss" bottom: "s" bottom: "y" top: "l" }\n'
LOGS = WITH.replace("SoftmaxWithLoss", "MultinomialLogisticLoss")


def between(settings: str) -> str:
    """The loss reads what this layer makes of the activation."""
    return f'layer {{ name: "o" bottom: "s" top: "o" type: {settings} }}\n' + CROSS.replace('"s"', '"o"')


def told(text: str, phase: str = "TRAIN") -> list[str]:
    plan = make_plan(build_graph(read_net_text(HEAD + text, "n.prototxt"), phase))
    return [str(problem) for problem in oddities(plan)]


def made_before(settings: str, text: str) -> str:
    return f'layer {{ name: "r" type: {settings} }}\n{text}'


TWO_ROWS = "reshape_param { shape { dim: 0 dim: 2 dim: 3 } }"


@pytest.mark.parametrize(
    "text",
    [
        SIGMOID + CROSS,
        SIGMOID.replace('top: "s"', 'top: "many"') + CROSS.replace('"s"', '"many"'),  # in place
        SIGMOID + 'layer { name: "n" type: "Silence" bottom: "s" }\n' + CROSS,  # behind a Split
        made_before(
            f'"Reshape" bottom: "t" top: "t2" {TWO_ROWS}',
            SIGMOID + between(f'"Reshape" {TWO_ROWS}').replace('"t"', '"t2"'),
        ),
        SIGMOID + between('"Flatten"'),
        SIGMOID + between('"Dropout"'),
        SIGMOID + 'layer { name: "d" type: "Dropout" bottom: "s" top: "s" }\n' + CROSS,
        made_before(
            '"Concat" bottom: "t" bottom: "t" top: "c"', SIGMOID + between('"Concat" bottom: "x"').replace('"t"', '"c"')
        ),
        SOFTMAX + CROSS,
        SOFTMAX + WITH,
        SIGMOID + WITH,
        made_before(
            '"Input" top: "h" input_param { shape { dim: 6 dim: 6 } }',
            SOFTMAX + WITH.replace("SoftmaxWithLoss", "InfogainLoss").replace('"y"', '"y" bottom: "h"'),
        ),
    ],
)
def test_an_activation_that_is_applied_twice(text: str) -> None:
    (line,) = [line for line in told(text) if "in Caffe is wrong" not in line]
    assert "layer 'l' (" in line
    assert "itself, but layer 's' before it is a S" in line
    assert "squeezed twice" in line
    assert len(line) <= 250


@pytest.mark.parametrize(
    "text",
    [
        CROSS.replace('"s"', '"many"'),
        SIGMOID.replace("Sigmoid", "ReLU") + CROSS,
        SIGMOID + CROSS.replace('"s"', '"many"'),  # the activation is for the eye
        SIGMOID + CROSS.replace("SigmoidCrossEntropyLoss", "EuclideanLoss"),
        SIGMOID + between('"InnerProduct" inner_product_param { num_output: 6 }'),
        CROSS.replace('"s"', '"many"').replace('"t"', '"u"').replace('"l"', '"l2"'),
        SOFTMAX + LOGS,
        SIGMOID + LOGS,
        LOGS.replace('"s"', '"x"'),  # the data's own
    ],
)
def test_what_is_as_it_should_be(text: str) -> None:
    targets = 'layer { name: "u" type: "Sigmoid" bottom: "x" top: "u" }\n'  # a target may be a sigmoid's
    assert told(targets + text + ('layer { name: "q" type: "Silence" bottom: "u" }\n')) == []


def test_probabilities_that_are_none() -> None:
    (line,) = told(LOGS.replace('"s"', '"many"'))
    assert line.startswith("n.prototxt:4:")
    assert "needs probabilities, but layer 'many' (InnerProduct) gives any numbers; put a Softmax" in line
