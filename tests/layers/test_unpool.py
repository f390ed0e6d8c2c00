"""Unpooling by the places of a mask: Unpooling without a size of its own, and SegNet's Upsample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import deepcae.pycaffe as caffe
import oracle
from deepcae.convert import compare, random_inputs, to_onnx
from deepcae.errors import DataError, SpecError
from deepcae.layers import Context
from deepcae.net.graph import build_graph
from deepcae.net.net import Net
from deepcae.net.oddities import oddities
from deepcae.net.plan import make_plan
from deepcae.proto.read import read_net_text

POOL = 'layer {{ name: "p" type: "Pooling" bottom: "x" top: "small" top: "where" pooling_param {{ {} }} }}\n'
TWICE = "kernel_size: 2 stride: 2"
UPSAMPLE = 'layer {{ name: "u" type: "Upsample" bottom: "small" bottom: "where" top: "big" upsample_param {{ {} }} }}\n'
UNPOOLING = UPSAMPLE.replace("Upsample", "Unpooling").replace("upsample_", "unpooling_")


def text(up: str, height: int = 8, width: int = 6, pool: str = TWICE) -> str:
    head = 'layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 dim: {} dim: {} }} }} }}\n'
    return head.format(height, width) + POOL.format(pool) + up


@pytest.mark.parametrize(
    ("up", "plane", "pool", "size"),
    [
        (UPSAMPLE.format("scale: 2"), (8, 6), TWICE, (8, 6)),
        (UPSAMPLE.format(""), (8, 6), TWICE, (8, 6)),
        (UPSAMPLE.format("scale_h: 2 scale_w: 3"), (8, 6), "kernel_h: 2 kernel_w: 3 stride_h: 2 stride_w: 3", (8, 6)),
        (UPSAMPLE.format("pad_out_h: true"), (7, 6), TWICE, (7, 6)),
        (UPSAMPLE.format("scale: 2 pad_out_w: true pad_out_h: true"), (7, 5), TWICE, (7, 5)),
        (UPSAMPLE.format("upsample_h: 7 upsample_w: 5"), (7, 5), TWICE, (7, 5)),
        (UPSAMPLE.format("scale: 2 upsample_w: 5 upsample_h: 7"), (7, 5), TWICE, (7, 5)),
        (UPSAMPLE.format("scale: 3"), (9, 6), "kernel_size: 3 stride: 3", (9, 6)),
        (UNPOOLING.format(TWICE), (8, 6), TWICE, (8, 6)),
        (UNPOOLING.format(TWICE), (7, 5), TWICE, (7, 5)),
        (UNPOOLING.format("kernel_size: 3 stride: 2"), (9, 7), "kernel_size: 3 stride: 2", (9, 7)),
    ],
)
def test_values_go_to_where_the_maxima_stood(up: str, plane: tuple[int, int], pool: str, size: tuple[int, int]) -> None:
    net = Net(read_net_text(text(up, *plane, pool)), "TEST")
    x = np.random.default_rng(0).normal(size=(2, 3, *plane)).astype(np.float32)
    found = net(x=x, want=["small", "where", "big"])
    expected = oracle.unpool(found["small"].numpy(), "max", found["where"].numpy(), (2, 2), (2, 2), size)
    assert found["big"].shape == (2, 3, *size)
    np.testing.assert_array_equal(found["big"].numpy(), expected)
    assert list(oddities(net.plan)) == []


def test_the_gradient_is_what_lies_at_the_places() -> None:
    net = Net(read_net_text(text(UPSAMPLE.format("scale: 2"))), "TEST")
    found = net(x=torch.randn(2, 3, 8, 6), want=["small", "where"])
    small, where = found["small"], found["where"]
    leaf = small.clone().requires_grad_()
    weights = torch.randn(2, 3, 8, 6)
    layer = net.plan.steps[-1].layer
    assert layer is not None
    (layer.forward([leaf, where], [], Context())[0] * weights).sum().backward()
    taken = weights.flatten(2).gather(2, where.flatten(2).long()).reshape(small.shape)
    torch.testing.assert_close(leaf.grad, taken)


def test_a_mask_is_followed_through_splits() -> None:
    """Two decoders read one mask; the maps in between are convolved, as in SegNet."""
    conv = 'layer { name: "c" type: "Convolution" bottom: "big" top: "c" convolution_param { num_output: 3 pad: 0 '
    conv += "kernel_size: 1 } }\n"
    again = UNPOOLING.format(TWICE).replace('"u"', '"v"').replace('"big"', '"big2"')
    plan = make_plan(build_graph(read_net_text(text(UPSAMPLE.format("scale: 2") + again + conv, 8, 6)), "TRAIN"))
    assert plan.shapes["big2"] == plan.shapes["c"] == (2, 3, 8, 6)


@pytest.mark.parametrize(
    ("up", "at", "words"),
    [
        (UPSAMPLE.format("scale: 1"), "scale", "scale must be at least 2, but is 1"),
        (UPSAMPLE.format("scale: 2 scale_h: 2 scale_w: 2"), "scale_h", "not both"),
        (UPSAMPLE.format("scale_h: 2"), "scale_h", "scale_h needs scale_w"),
        (UPSAMPLE.format("upsample_h: 8"), "upsample_h", "upsample_h needs upsample_w beside it"),
        (UPSAMPLE.format("scale: 3 pad_out_h: true"), "pad_out_h", "goes with scale 2, not 3"),
        (UPSAMPLE.format("").replace('bottom: "where" ', ""), "bottom", "2 bottoms, but 1 is given"),
        (UNPOOLING.format(TWICE).replace('bottom: "where" ', ""), "unpooling_param", "unpool_size is missing"),
        (UNPOOLING.format(TWICE).replace("where", "small"), "unpooling_param", "the mask is not made by a Pooling"),
    ],
)
def test_what_is_refused(up: str, at: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        make_plan(build_graph(read_net_text(text(up), "n.prototxt"), "TRAIN"))
    (problem,) = caught.value.problems
    assert words in problem.message
    assert str(problem).startswith(f"n.prototxt:3:{text(up).splitlines()[2].index(at) + 1}: ")


def test_a_top_of_another_size_than_the_masks_plane_is_told() -> None:
    plan = make_plan(build_graph(read_net_text(text(UPSAMPLE.format("scale: 2"), 7, 6), "n.prototxt"), "TRAIN"))
    (line,) = map(str, oddities(plan))
    assert "its mask names places in a plane of another size than its top (7x6 and 8x6)" in line


def test_a_mask_from_elsewhere_is_judged_by_its_values() -> None:
    net = Net(read_net_text(text(UPSAMPLE.format("scale: 2"))), "TEST")
    with pytest.raises(DataError, match=r"the mask holds 48, but places in a plane of 8x6 go from 0 to 47"):
        net({"small": torch.ones(1, 3, 4, 3), "where": torch.full((1, 3, 4, 3), 48.0)}, want=["big"])


def test_texts_of_2014_spell_it_in_capitals() -> None:
    old = UPSAMPLE.format("scale: 2").replace("layer {", "layers {").replace('"Upsample"', "UPSAMPLE")
    pool = POOL.format(TWICE).replace("layer {", "layers {").replace('"Pooling"', "POOLING")
    head = 'input: "x" input_dim: 1 input_dim: 2 input_dim: 8 input_dim: 8\n'
    plan = make_plan(build_graph(read_net_text(head + pool + old), "TEST"))
    assert plan.shapes["big"] == (1, 2, 8, 8)
    assert [step.type for step in plan.steps][-1] == "Upsample"


def test_onnx(tmp_path: Path) -> None:
    for up in (UPSAMPLE.format("scale: 2"), UNPOOLING.format(TWICE)):
        net = Net(read_net_text(text(up)), "TEST")
        model = to_onnx(net)
        assert max(each.relative for each in compare(net, model, [("random", random_inputs(net, model, 2))])) <= 1e-6


def test_pycaffe_reshapes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("n.prototxt").write_text(text(UNPOOLING.format(TWICE)))
    net = caffe.Net("n.prototxt", caffe.TEST)
    net.blobs["x"].reshape(1, 3, 5, 7)
    net.blobs["x"].data[...] = np.random.default_rng(1).random((1, 3, 5, 7))
    net.forward()
    assert net.blobs["big"].data.shape == (1, 3, 5, 7)
    assert net.blobs["big"].data.sum() == pytest.approx(net.blobs["small"].data.sum(), rel=1e-6)
