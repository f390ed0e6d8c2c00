"""Filtering, split insertion, wiring and need_backward, exactly as Caffe's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deepcae.errors import SpecError
from deepcae.net.graph import build_graph
from deepcae.net.plan import draft_plan, make_plan
from deepcae.proto.read import read_net_text
from reference import reference_dir

CASES = json.loads((reference_dir() / "filter_split.json").read_text())["cases"]
RUNS = [pytest.param(case, run, id=f"{case['name']}-{i}") for case in CASES for i, run in enumerate(case["runs"])]


@pytest.mark.parametrize(("case", "run"), RUNS)
def test_as_caffe(case: dict[str, Any], run: dict[str, Any]) -> None:
    graph = build_graph(read_net_text(case["net"], "net.prototxt"), run["phase"], run["level"], run["stages"])
    if "fatal" in run:
        with pytest.raises(SpecError) as caught:
            make_plan(graph)
        assert str(caught.value).startswith("net.prototxt:")
        return
    document = graph.document
    document.message.force_backward = False
    plan = make_plan(graph)
    layers = [
        {
            "name": step.name,
            "type": step.type,
            "bottoms": list(step.bottoms),
            "tops": [top for top in step.tops if not top.startswith("(automatic")],
            "param_shapes": [list(plan.params[i].shape or ()) for i in step.params],
            "needs_backward": step.needs_backward,
        }
        for step in plan.steps
    ]
    assert layers == run["layers"]
    blobs = [
        {"name": name, "shape": list(shape or ())}
        for name, shape in plan.shapes.items()
        if not name.startswith("(automatic")
    ]
    assert blobs == run["blobs"]
    assert list(plan.inputs) == run["inputs"]
    assert list(plan.outputs) == run["outputs"]
    weights = {t: w for s in plan.steps for t, w in zip(s.tops, s.loss_weights, strict=True) if w}
    assert weights == pytest.approx(run["loss_weights"])


def test_all_problems_at_once_with_their_places() -> None:
    text = """layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "a" type: "InnerProdukt" bottom: "x" top: "a" }
layer { name: "b" type: "InnerProduct" bottom: "y" top: "b"
  inner_product_param { num_output: 3 } }
layer { name: "c" type: "Sigmoid" bottom: "x" bottom: "b" top: "c" }
"""
    graph = build_graph(read_net_text(text, "net.prototxt"), "TEST")
    draft_plan(graph)
    found = [str(problem) for problem in graph.problems]
    assert len(found) == 3
    assert any(line.startswith("net.prototxt:2:") and "InnerProduct" in line for line in found)
    assert any(line.startswith("net.prototxt:3:") and "bottom 'y'" in line for line in found)
    assert any(line.startswith("net.prototxt:5:") and "bottom" in line for line in found)


def test_a_text_without_layers_is_no_network() -> None:
    with pytest.raises(SpecError, match=r"net.prototxt.*: holds no layers"):
        make_plan(build_graph(read_net_text("", "net.prototxt"), "TEST"))


DECODER = """
layer {{ name: "data" type: "HDF5Data" top: "data" hdf5_data_param {{ source: "no-such-list.txt" batch_size: 7 }} }}
layer {{ name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param {{ num_output: 4 kernel_size: 9 }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "conv" top: "ip" inner_product_param {{ num_output: 5 }} }}
layer {{ name: "rs" type: "Reshape" bottom: "ip" top: "rs"
  reshape_param {{ shape {{ dim: 0 dim: 5 dim: 1 dim: 1 }} }} }}
layer {{ name: "deconv" type: "Deconvolution" bottom: "rs" top: "out"
  convolution_param {{ num_output: 1 kernel_size: {kernel} }} }}
layer {{ name: "loss" type: "EuclideanLoss" bottom: "out" bottom: "data" top: "loss" }}
"""


def test_the_shape_of_a_missing_input_is_taken_from_the_loss() -> None:
    plan = make_plan(build_graph(read_net_text(DECODER.format(kernel=28)), "TRAIN"))
    assert plan.shapes["data"] == (7, 1, 28, 28)
    assert plan.shapes["conv"] == (7, 4, 20, 20)
    assert "data" in plan.assumed
    assert plan.num_parameters == 4 * 82 + (1600 + 1) * 5 + 5 * 28 * 28 + 1


def test_a_decoder_of_the_wrong_size_is_told_which_kernel_would_fit() -> None:
    graph = build_graph(read_net_text(DECODER.format(kernel=27), "net.prototxt"), "TRAIN")
    with pytest.raises(SpecError, match=r"1 too small in height and 1 too small in width; kernel_size 28 in layer 'd"):
        make_plan(graph, source_shapes=lambda *_: [(7, 1, 28, 28)])
