"""The networks with pooling: sizes that mirror each other, as large as Models 1 and 2; switches; what failed before."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import numpy as np
import pytest
import torch

from deepcae import zoo
from deepcae.cli import main
from deepcae.data.datasets import write_digits
from deepcae.errors import DataError, SpecError
from deepcae.kernels import native
from deepcae.net.graph import build_graph
from deepcae.net.net import Net
from deepcae.net.plan import Plan, make_plan
from deepcae.net.summary import summarize
from deepcae.proto.read import read_net_text
from deepcae.solver.solver import Solver
from deepcae.tape.tape import Tapes
from deepcae.zoo.pooled import DECODERS, NAMES

FAILED = Path(__file__).parents[2] / "experiments" / "pooling"
IMAGES = (20, 1, 28, 28)


def plan_of(name: str, dims: int = 10) -> Plan:
    graph = build_graph(read_net_text(zoo.build(name, dims).net_text), "TRAIN")
    return make_plan(graph, source_shapes=lambda layer, *_: [IMAGES for _ in layer.top])


def net_of(text: str) -> Net:
    return Net(read_net_text(text), "TRAIN", seed=1, input_shapes={"data": IMAGES})


def images(seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(IMAGES, np.float32))


def test_each_model_comes_with_each_decoder() -> None:
    assert list(NAMES) == [f"{model}-pool-{way}" for model in ("cae1", "cae2") for way in DECODERS]
    assert set(NAMES) <= set(zoo.names())


@pytest.mark.parametrize("dims", [2, 10, 30])
@pytest.mark.parametrize("name", NAMES)
def test_is_as_large_as_the_model_without_pooling(name: str, dims: int) -> None:
    size, plain = (summarize(plan_of(each, dims)).size for each in (name, NAMES[name][0]))
    assert abs(size - plain) <= 0.035 * plain


@pytest.mark.parametrize("name", [name for name, (_, way) in NAMES.items() if way != "deconv"])
def test_an_unpooling_decoder_mirrors_the_encoder_exactly(name: str) -> None:
    summary = summarize(plan_of(name))
    sizes = [elements for _, elements in summary.hidden]
    assert sizes == sizes[::-1]
    assert summary.symmetric
    assert summary.code == "ip2encode"
    assert [layer for layer, _ in summary.hidden if "pool" in layer] == ["pool1", "pool2", "unpool2", "unpool1"]


@pytest.mark.parametrize("model", ["cae1", "cae2"])
def test_unpooling_gives_back_the_planes_before_pooling(model: str) -> None:
    shapes = plan_of(f"{model}-pool-switch").shapes
    for number in (1, 2):
        assert shapes[f"unpool{number}"] == shapes[f"conv{number}"]
        assert shapes[f"pool{number}_switches"] == shapes[f"pool{number}"]
    assert shapes["deconv3"] == shapes["pool2"]
    assert shapes["deconv2"] == shapes["pool1"]


@pytest.mark.parametrize("name", NAMES)
def test_differs_from_its_siblings_in_the_decoder_alone(name: str) -> None:
    plan, other = plan_of(name), plan_of(NAMES[name][0] + "-pool-unpool")
    until = [step.name for step in plan.steps].index("ip2encode") + 1
    for step, sibling in zip(plan.steps[:until], other.steps, strict=False):
        assert (step.name, step.type, plan.shapes[step.tops[0]]) == (
            sibling.name,
            sibling.type,
            other.shapes[sibling.tops[0]],
        )
    assert ("pool1_switches" in plan.shapes) is name.endswith("switch")


@pytest.mark.skipif(not native.instructions(), reason="deepcae was installed without a C++ compiler")
@pytest.mark.parametrize("name", NAMES)
def test_a_training_pass_is_written_down(name: str) -> None:
    net = net_of(zoo.build(name, 10).net_text.replace("batch_size: 100", "batch_size: 20"))
    tape = Tapes(net).now()
    assert tape is not None
    assert tape.play({"data": images()}) == pytest.approx(net.loss(net.forward({"data": images()})).item(), rel=1e-5)


def test_switches_put_maxima_back_where_they_stood() -> None:
    blobs = net_of(zoo.build("cae1-pool-switch", 10).net_text).forward({"data": images()})
    before, values, after = (blobs[name].detach() for name in ("conv1sig", "deconv2sig", "unpool1"))
    cells = before.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)  # (N, C, h, w, 4)
    restored = after.unfold(2, 2, 2).unfold(3, 2, 2).flatten(4)
    place = cells.argmax(-1, keepdim=True)
    torch.testing.assert_close(restored.gather(-1, place)[..., 0], values)
    assert restored.scatter(-1, place, 0).count_nonzero() == 0


def test_the_code_alone_cannot_be_decoded_where_there_are_switches() -> None:
    code = np.zeros((3, 10), np.float32)
    without, needing = (net_of(zoo.build(f"cae1-pool-{way}", 10).net_text) for way in ("unpool", "switch"))
    assert without(ip2encode=code, want=["deconv1neursig"])["deconv1neursig"].shape == (3, 1, 28, 28)
    with pytest.raises(DataError, match="data"):
        needing(ip2encode=code, want=["deconv1neursig"])


@pytest.mark.parametrize("name", [name for name in NAMES if name.startswith("cae1")])
def test_trains_and_is_accepted_by_check(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_digits(tmp_path / "data")
    model = zoo.build(name, 5, tmp_path / "data/train.txt", tmp_path / "data/test.txt", folder=tmp_path / "net")
    net, solver = zoo.write(model, tmp_path / "net")
    assert main(["check", str(net)]) == 0
    assert "net is fine" in capsys.readouterr().out
    training = Solver(solver, overrides="random_seed: 1 snapshot: 0")
    before = training.test()
    training.step(40)
    after = training.test()
    for loss, share in (("cross_entropy_loss", 0.9), ("l2_error", 0.7)):
        assert np.all(np.asarray(after.outputs[loss]) < share * np.asarray(before.outputs[loss]))


def test_the_order_that_failed_is_refused_where_switches_do_not_meet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_digits(tmp_path)
    text = (FAILED / "failed-sizes.prototxt").read_text(encoding="utf-8").replace("../../data/mnist", str(tmp_path))
    (tmp_path / "failed-sizes.prototxt").write_text(text, encoding="utf-8")
    assert main(["check", str(tmp_path / "failed-sizes.prototxt")]) == 2
    told = capsys.readouterr()
    assert re.search(
        r"failed-sizes\.prototxt:\d+:3: layer 'unpool2' \(Unpooling\): the mask must have the data's shape "
        r"\[100, 2, 12, 12\], but has \[100, 2, 1, 1\]",
        told.out + told.err,
    )


@pytest.mark.parametrize(("change", "advice"), [
    ("kernel_size: 9|kernel_size: 7", "2 too small in width; kernel_size 9 in layer 'deconv1neur' (now 7) would fit"),
    ("num_output: 1\n    kernel_size: 9|num_output: 1\n    kernel_size: 1", "8 too small in width"),
])  # fmt: skip
def test_no_kernel_before_an_unpooling_is_advised(change: str, advice: str) -> None:
    """Its size does not depend on them."""
    old, new = change.split("|")
    before, last = zoo.build("cae1-pool-unpool", 10).net_text.rsplit(old, 1)
    with pytest.raises(SpecError) as caught:
        net_of(before + new + last)
    sentences = str(caught.value).splitlines()
    assert any(sentence.endswith(advice.replace("\n", " ")) for sentence in sentences), sentences


def test_the_order_that_failed_leaves_holes_that_no_training_fills() -> None:
    """Three pixels of four are the same grey in every image, whatever the weights are."""
    net = net_of((FAILED / "failed-holes.prototxt").read_text(encoding="utf-8"))
    restored = net.forward({"data": images()})["deconv1neursig"].detach()
    for blob in net.learnable:
        blob.tensor.data.normal_(generator=torch.Generator().manual_seed(2))
    for made in (restored, net.forward({"data": images()})["deconv1neursig"].detach()):
        hole = torch.ones(28, 28, dtype=torch.bool)
        hole[::2, ::2] = False
        assert made[:, 0, hole].unique().numel() == 1
        assert made[:, 0, ~hole].std() > 0
    works = net_of(zoo.build("cae1-pool-unpool", 10).net_text).forward({"data": images()})["deconv1neursig"].detach()
    assert works.flatten(1)[0].unique().numel() > prod(IMAGES[2:]) / 2
