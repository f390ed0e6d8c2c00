"""Parts of a net that are written down forward alone: against what the net itself computes, and against each other."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from deepcae.errors import SpecError
from deepcae.kernels import choice, native
from deepcae.kernels.products import rows_alike
from deepcae.kernels.rule import Products, Rule
from deepcae.kernels.rulecache import FoundRule
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.tape import parts
from deepcae.tape.parts import Parts

from .test_tape import chains, close

pytestmark = pytest.mark.skipif(not native.instructions(), reason="deepcae was installed without a C++ compiler")

CAE = """name: "cae" input: "x" input_shape { dim: 4 dim: 2 dim: 12 dim: 12 }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv"
  convolution_param { num_output: 3 kernel_size: 5 weight_filler { type: "xavier" } bias_filler { type: "gaussian" } } }
layer { name: "sig" type: "Sigmoid" bottom: "conv" top: "conv" }
layer { name: "code" type: "InnerProduct" bottom: "conv" top: "code"
  inner_product_param { num_output: 3 weight_filler { type: "xavier" } bias_filler { type: "gaussian" } } }
layer { name: "tanh" type: "TanH" bottom: "code" top: "bent" }
layer { name: "up" type: "InnerProduct" bottom: "bent" top: "up"
  inner_product_param { num_output: 288 weight_filler { type: "xavier" } } }
layer { name: "back" type: "Reshape" bottom: "up" top: "y" reshape_param { shape { dim: 0 dim: 2 dim: 12 dim: 12 } } }
layer { name: "l2" type: "EuclideanLoss" bottom: "y" bottom: "x" top: "l2" }
"""


def net_of(text: str, phase: str = "TEST", seed: int = 1) -> Net:
    return Net(read_net_text(text), phase, seed=seed)


def samples(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


@settings(max_examples=100)
@given(text=chains(), seed=st.integers(0, 1000), count=st.sampled_from([1, 3, 16, 40]), data=st.data())
def test_every_part_of_every_chain(text: str, seed: int, count: int, data: st.DataObject) -> None:
    """Any blobs, of another number of samples than the net's, though memory serves several of them in turn."""
    try:
        net = net_of(text, "TRAIN", seed)
    except SpecError:
        assume(False)
    names = [name for name, shape in net.plan.shapes.items() if shape and name != "t"]
    wanted = data.draw(st.lists(st.sampled_from(names), min_size=1, unique=True))
    own = Parts(net)
    for turn in range(2):  # the second pass finds what the first one left
        images = samples(count, *(net.plan.shapes["x"] or ())[1:], seed=seed + turn)
        expected = net({"x": images}, want=wanted)
        assume(all(blob.abs().max() < 1e30 for blob in expected.values()))  # a window outside the image: -FLT_MAX
        made = own.made("x", images, wanted)
        assert made is not None
        assert list(made) == wanted
        for name, blob in made.items():
            close(blob, expected[name], name)


def test_a_part_begins_at_an_inner_blob_and_ends_before_the_losses() -> None:
    net, codes = net_of(CAE), samples(40, 3)
    own = Parts(net)
    made = own.made("code", codes, ["y"])
    assert made is not None
    close(made["y"], net({"code": codes}, want=["y"])["y"], "y")
    images = samples(40, 2, 12, 12)
    both = own.made("x", images, ["code", "bent", "x"])  # the curve behind the code has its bias to add
    assert both is not None
    for name, blob in net({"x": images}, want=["code", "bent", "x"]).items():
        close(both[name], blob, name)


def test_weights_that_move_are_those_that_count() -> None:
    net, images = net_of(CAE), samples(16, 2, 12, 12)
    own = Parts(net)
    own.made("x", images, ["y"])
    with torch.no_grad():
        for tensor in net.tensors:
            tensor.mul_(1.5)
    made = own.made("x", images, ["y"])
    assert made is not None
    close(made["y"], net({"x": images}, want=["y"])["y"], "y")


@pytest.mark.parametrize(
    ("given_", "shape", "wanted"),
    [
        ("x", (4, 2, 12, 11), "y"),
        ("code", (4, 5), "y"),
        ("x", (4, 2, 12, 12), "l2"),
        ("y", (4, 2, 12, 12), "code"),
        ("z", (4, 2), "y"),
    ],
)
def test_what_the_net_complains_of_or_gives_no_rows_of_is_left_to_it(
    given_: str, shape: tuple[int, ...], wanted: str
) -> None:
    assert Parts(net_of(CAE)).made(given_, samples(*shape), [wanted]) is None


def test_layers_that_cannot_be_written_are_left_to_the_net() -> None:
    net = net_of(CAE.replace('type: "Sigmoid"', 'type: "BatchNorm"'))
    assert Parts(net).made("x", samples(4, 2, 12, 12), ["y"]) is None
    assert Parts(net).made("code", samples(4, 3), ["y"]) is not None  # it has no part in this


def test_without_the_core_there_is_none() -> None:
    before = choice.preference()
    choice.prefer("torch")
    try:
        assert Parts(net_of(CAE)).made("x", samples(4, 2, 12, 12), ["y"]) is None
    finally:
        choice.prefer(before)


@pytest.mark.parametrize("library", ["mkl", "onednn"])
def test_a_sample_has_the_same_bits_wherever_it_stands(library: str) -> None:
    """Whatever library this processor's rule multiplies by: products of many weights, in a net of a million."""
    wide = CAE.replace("num_output: 3 weight", "num_output: 3001 weight")
    net, images = net_of(wide), samples(48, 2, 12, 12)
    choice.take(
        FoundRule(Rule(few=Products(library, library, library), many=Products(library, library, library)), "test")
    )
    try:
        own = Parts(net)
        for order in (np.arange(48)[::-1].copy(), np.roll(np.arange(48), 5)):
            with rows_alike():
                first, second = (own.made("x", rows, ["code", "y"]) for rows in (images, images[order]))
            assert first is not None
            assert second is not None
            for name in first:
                assert torch.equal(first[name][order], second[name])
        (tape,) = own._own.passes.values()
        assert tape is not None
        assert tape.steady, "all products are the core's"
    finally:
        choice.take(None)


def test_each_thread_has_its_own() -> None:
    net = net_of(CAE)
    own, wrong = Parts(net), []
    images = [samples(16, 2, 12, 12, seed=seed) for seed in range(2)]
    expected = [net({"x": each}, want=["y"])["y"] for each in images]

    def work(which: int) -> None:
        for _ in range(300):
            made = own.made("x", images[which], ["y"])
            if made is None or not torch.allclose(made["y"], expected[which], rtol=1e-4, atol=1e-5):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_only_a_few_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, ...]] = []
    plain = Parts._written
    monkeypatch.setattr(
        Parts, "_written", lambda self, *what: (written.append(what[2]), plain(self, *what))[1]
    )  # fmt: skip
    own, images = Parts(net_of(CAE)), samples(4, 2, 12, 12)
    wishes = ["conv", "code", "bent", "up", "y"][: parts.KEPT + 1]
    for wish in [*wishes, *wishes[1:], wishes[0]]:
        own.made("x", images, [wish])
    assert written == [(wish,) for wish in [*wishes, wishes[0]]]
