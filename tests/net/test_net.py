"""Net as a function from named blobs to named blobs; weights in and out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from deepcae.errors import DataError, SnapshotError
from deepcae.layers.base import Context
from deepcae.net.blobs import array_of, blob_of
from deepcae.net.execute import execute
from deepcae.net.graph import build_graph
from deepcae.net.net import Net
from deepcae.net.plan import make_plan
from deepcae.net.summary import summarize
from deepcae.net.weights import load_weights, save_weights, to_message
from deepcae.proto.binary import read_weights
from deepcae.proto.read import read_net_text
from reference import read_case, reference_dir

TEXT = """name: "tiny"
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 6 } } }
layer { name: "e" type: "InnerProduct" bottom: "x" top: "e"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "es" type: "Sigmoid" bottom: "e" top: "e" }
layer { name: "code" type: "InnerProduct" bottom: "e" top: "code"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "d" type: "InnerProduct" bottom: "code" top: "d"
  inner_product_param { num_output: 4 weight_filler { type: "xavier" } } }
layer { name: "ds" type: "TanH" bottom: "d" top: "d" }
layer { name: "out" type: "InnerProduct" bottom: "d" top: "out"
  inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "l2" type: "EuclideanLoss" bottom: "out" bottom: "x" top: "l2" }
"""


@pytest.fixture
def net() -> Net:
    return Net(read_net_text(TEXT), "TEST", seed=3)


def test_encoder_and_decoder_are_the_net_between_two_blobs(net: Net) -> None:
    x = np.random.default_rng(0).random((5, 6), dtype=np.float32)
    whole = net(x=x, want=["code", "out", "e"])
    codes = net(x=x, want="code")["code"]
    torch.testing.assert_close(codes, whole["code"])
    torch.testing.assert_close(net(code=codes, want=["out"])["out"], whole["out"])
    torch.testing.assert_close(net({"e": whole["e"]}, want=["code"])["code"], codes)


def test_outputs_by_default_and_errors_in_words(net: Net) -> None:
    x = torch.rand(2, 6)
    assert list(net(x=x)) == ["l2"]
    with pytest.raises(DataError, match="no blob 'z'"):
        net(z=x)
    with pytest.raises(DataError, match="needs blob"):
        net(code=torch.rand(2, 2), want=["l2"])
    with pytest.raises(DataError, match=r"shape \(N, 6\); given \[2, 7\]"):
        net(x=torch.rand(2, 7))


def test_a_given_input_may_be_rewritten_in_place() -> None:
    text = TEXT.replace(
        'layer { name: "e" ', 'layer { name: "n" type: "ReLU" bottom: "x" top: "x" }\nlayer { name: "e" '
    )
    net = Net(read_net_text(text), seed=3)
    x = torch.tensor([[-1.0, 1, -1, 1, -1, 1]])
    torch.testing.assert_close(net(x=x, want=["x"])["x"], x.clamp(min=0))


def test_equal_seeds_give_equal_weights() -> None:
    one, two, three = (Net(read_net_text(TEXT), seed=seed) for seed in (3, 3, 4))
    assert all(torch.equal(a.tensor, b.tensor) for a, b in zip(one.learnable, two.learnable, strict=True))
    assert not torch.equal(one.learnable[0].tensor, three.learnable[0].tensor)


def test_a_test_net_shares_the_train_nets_tensors(net: Net) -> None:
    other = Net(read_net_text(TEXT), "TEST", share=net)
    assert all(a.tensor is b.tensor for a, b in zip(net.learnable, other.learnable, strict=True))


@pytest.mark.parametrize(
    ("name", "message"), [("", "this is a folder, not a file"), ("nowhere.caffemodel", "there is no such file")]
)
def test_weights_of_no_file(net: Net, tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(SnapshotError, match=message):
        load_weights(net, tmp_path / name)


def test_weights_round_trip(net: Net, tmp_path: Path) -> None:
    save_weights(net, tmp_path / "w.caffemodel")
    other = Net(read_net_text(TEXT), seed=9, weights=tmp_path / "w.caffemodel")
    assert all(torch.equal(a.tensor, b.tensor) for a, b in zip(net.learnable, other.learnable, strict=True))
    message = read_weights(tmp_path / "w.caffemodel")
    assert [layer.name for layer in message.layer] == [step.name for step in net.plan.steps]
    assert any(layer.type == "Split" for layer in message.layer)
    assert message.layer[1].phase == 1


def test_the_load_report_names_what_did_not_match(net: Net) -> None:
    message = to_message(net)
    message.layer[next(i for i, layer in enumerate(message.layer) if layer.name == "out")].name = "other"
    report = load_weights(net, message)
    assert report.ignored == ["other"]
    assert report.kept == ["out"]
    with pytest.raises(SnapshotError, match="other"):
        load_weights(net, message, strict=True)
    next(layer for layer in message.layer if layer.name == "e").blobs[0].CopyFrom(blob_of(np.zeros((3, 6), np.float32)))
    with pytest.raises(SnapshotError, match=r"layer 'e': blob 0 has shape \[3, 6\] there and \[4, 6\] here"):
        load_weights(net, message)


def test_blobs_keep_every_bit() -> None:
    values = np.array([[0.1, -np.inf, 3e-45], [1e38, -0.0, 7]], np.float32)
    assert array_of(blob_of(values)).tobytes() == values.tobytes()
    assert array_of(blob_of(np.float32(4).reshape(()))).shape == ()


def test_models_that_caffe_wrote_give_its_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = reference_dir("files")
    monkeypatch.chdir(folder)
    expected = read_case(Path("ae/expected.npz"))
    for tag, name in {
        "final": "ae_iter_20.caffemodel",
        "iter10": "ae_iter_10.caffemodel",
        "hdf5": "aeh_iter_20.caffemodel.h5",
    }.items():
        if not Path("ae", name).exists():
            continue
        net = Net("ae/deploy.prototxt", weights=f"ae/{name}")
        blobs = net(data=expected["input"], want=["code", "logit", "recon"])
        for blob, value in blobs.items():
            np.testing.assert_allclose(value, expected[f"{tag}_blob_{blob}"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "verdict"),
    [
        ((2,), ""),
        ((8, 2, 8), ""),
        ((8, 2), "1 hidden layer before the code, 0 behind it"),
        ((9, 8, 2, 9), "2 hidden layers before the code, 1 behind it"),
        ((8, 2, 2, 8), ""),
        ((8, 2, 7), "ip0 has 8 elements, its counterpart ip2 7"),
    ],
)
def test_summary_says_where_a_net_is_not_symmetric(sizes: tuple[int, ...], verdict: str) -> None:
    text = 'layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 4 dim: 10 } } }'
    bottom = "data"
    for place, size in enumerate([*sizes, 10]):
        text += (
            f'layer {{ name: "ip{place}" type: "InnerProduct" bottom: "{bottom}" top: "ip{place}" '
            f"inner_product_param {{ num_output: {size} }} }}"
        )
        bottom = f"ip{place}"
    text += f'layer {{ name: "loss" type: "EuclideanLoss" bottom: "{bottom}" bottom: "data" top: "loss" }}'
    summary = summarize(make_plan(build_graph(read_net_text(text, "net.prototxt"), "TRAIN")))
    assert summary.asymmetry == verdict
    assert summary.symmetric is (verdict == "")
    assert (f"no: {verdict}" if verdict else "yes: encoder and decoder mirror") in summary.to_text()


def test_summary_counts_as_the_papers_table_2() -> None:
    from deepcae.zoo import build

    for name, parameters, size in (("cae1", 74893, 3996), ("cae2", 297391, 7990)):
        document = read_net_text(build(name, 2).net_text, f"{name}.prototxt")
        summary = summarize(make_plan(build_graph(document, "TRAIN")))
        assert summary.parameters == parameters
        assert summary.size == size
        assert summary.symmetric
        assert summary.code == "ip2encode"
        assert summary.blobs["data"] == (100, 1, 28, 28)


TWINS = """layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "a" inner_product_param { num_output: 3
  weight_filler { type: "xavier" } } }
layer { name: "fc" type: "InnerProduct" bottom: "a" top: "b" inner_product_param { num_output: 3
  weight_filler { type: "xavier" } } }
layer { name: "l" type: "EuclideanLoss" bottom: "b" bottom: "x" top: "l" }
"""


def test_two_layers_of_one_name_keep_their_own_weights(tmp_path: Path) -> None:
    """In a file, and between a train and a test net: each gets its own, not the other's."""
    net = Net(read_net_text(TWINS), "TRAIN", seed=1)
    assert not torch.equal(net.tensors[0], net.tensors[2])
    save_weights(net, tmp_path / "w.caffemodel")
    other = Net(read_net_text(TWINS), "TRAIN", seed=2)
    report = load_weights(other, tmp_path / "w.caffemodel", strict=True)
    assert report.matched == ["fc", "fc"]
    shared = Net(read_net_text(TWINS), "TEST", share=net)
    for mine, loaded, used in zip(net.tensors, other.tensors, shared.tensors, strict=True):
        assert torch.equal(mine, loaded)
        assert used is mine


def test_where_a_name_stands_more_often_on_one_side_the_first_gets_the_last(tmp_path: Path) -> None:
    """As in Caffe, whose net looks up the first layer of a name for each layer of the file in turn."""
    twins = Net(read_net_text(TWINS), "TRAIN", seed=1)
    single = Net(read_net_text(TWINS.replace('"fc"', '"other"', 1)), "TRAIN", seed=2)
    report = load_weights(single, to_message(twins))
    assert (report.matched, report.kept, report.duplicates) == (["fc"], ["other"], ["fc"])
    assert torch.equal(single.tensors[2], twins.tensors[2])
    fresh = Net(read_net_text(TWINS), "TRAIN", seed=3)
    before = fresh.tensors[2].clone()
    report = load_weights(fresh, to_message(single))
    assert (report.matched, report.kept, report.ignored) == (["fc"], ["fc"], ["other"])
    assert torch.equal(fresh.tensors[0], single.tensors[2])
    assert torch.equal(fresh.tensors[2], before)
    with pytest.raises(SnapshotError, match="kept at initial values: fc"):
        load_weights(fresh, to_message(single), strict=True)


RESIDUAL = """
layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 2 dim: 16 dim: 6 dim: 6 } } }
layer { name: "a" type: "Convolution" bottom: "x" top: "a"
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "ar" type: "ReLU" bottom: "a" top: "a" }
layer { name: "b" type: "Convolution" bottom: "a" top: "b"
  convolution_param { num_output: 16 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "e" type: "Eltwise" bottom: "a" bottom: "b" top: "e" eltwise_param { operation: OPERATION } }
layer { name: "er" type: "ReLU" bottom: "e" top: "e" }
layer { name: "l2" type: "EuclideanLoss" bottom: "e" bottom: "x" top: "l2" }
"""


@pytest.mark.parametrize("operation", ["SUM", "PROD", "MAX"])
def test_activations_over_their_bottoms_change_no_number(operation: str) -> None:
    """In a pass that nobody watches, ReLU takes its bottom's memory where no gradient reads it."""
    net = Net(read_net_text(RESIDUAL.replace("OPERATION", operation)), "TRAIN", seed=1)
    x = torch.rand(2, 16, 6, 6, generator=torch.Generator().manual_seed(0)) - 0.5
    given, results = x.clone(), []
    for watch in (None, lambda step, bottoms, tops: None):
        for blob in net.learnable:
            blob.tensor.grad = None
        blobs = net.forward({"x": x}, hook=watch)
        net.loss(blobs).backward()
        results.append([*blobs.values(), *(blob.tensor.grad for blob in net.learnable)])
        assert torch.equal(x, given)
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)


def test_blobs_that_nobody_asked_for_are_let_go(net: Net) -> None:
    """Behind their last reader; the net's memory is that of a few layers then."""
    x = torch.rand(2, 6)
    steps = [net.bound[i] for i in net.between(frozenset({"x"}), frozenset({"code", "out"}))]
    kept, found = {"x": x}, {"x": x}
    execute(steps, kept, Context())
    execute(steps, found, Context(), wanted=("code", "out"))
    assert sorted(found) == ["code", "out"]
    assert {"code", "d", "e", "out", "x"} <= set(kept)
    for name, blob in found.items():
        torch.testing.assert_close(blob, kept[name], rtol=0, atol=0)
