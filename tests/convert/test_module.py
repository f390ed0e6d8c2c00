"""A net as a torch.nn.Module: the same numbers, the same names, and weights that learn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deepcae.convert import as_module
from deepcae.errors import DataError
from deepcae.net.net import Net
from deepcae.net.weights import save_weights, to_state_dict
from deepcae.proto.read import read_net_text

TEXT = """
layer { name: "d" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
layer { name: "enc.1" type: "InnerProduct" bottom: "x" top: "e" param { name: "w" } param { lr_mult: 0 }
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } bias_filler { type: "uniform" } } }
layer { name: "norm/1" type: "BatchNorm" bottom: "e" top: "n" }
layer { name: "drop" type: "Dropout" bottom: "n" top: "n" }
layer { name: "dec" type: "InnerProduct" bottom: "n" top: "r" param { name: "w" }
  inner_product_param { num_output: 3 transpose: true weight_filler { type: "xavier" } } }
layer { name: "odd" type: "InnerProduct" bottom: "n" top: "o" param { name: "w" share_mode: PERMISSIVE }
  inner_product_param { num_output: 3 bias_term: false weight_filler { type: "xavier" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "r" bottom: "x" top: "loss" }
"""


def net_of(phase: str = "TEST", text: str = TEXT) -> Net:
    net = Net(read_net_text(text), phase, seed=3)
    for name, tensor in zip([param.name for param in net.plan.params], net.tensors, strict=True):
        if name.startswith("norm"):
            tensor.fill_(2.0)
    return net


def test_it_gives_what_the_net_gives() -> None:
    net = net_of()
    module = as_module(net)
    assert (module.inputs, module.outputs) == (("x",), ("e", "r", "o"))
    x = torch.rand(7, 3)
    blobs = module(x)
    for name, blob in net(x=x, want=module.outputs).items():
        torch.testing.assert_close(blobs[name], blob)


def test_its_names_are_the_files(tmp_path: Path) -> None:
    net = net_of()
    module = as_module(net)
    state = module.state_dict()
    assert set(state) == set(to_state_dict(net))
    assert set(state) == {
        "enc.1.weight", "enc.1.bias", "norm/1.sum_mean", "norm/1.sum_var", "norm/1.factor", "dec.weight", "dec.bias",
    }  # fmt: skip
    save_weights(net, tmp_path / "w.pt")
    other = as_module(Net(read_net_text(TEXT), seed=4))
    other.load_state_dict(torch.load(tmp_path / "w.pt", weights_only=True))
    x = torch.rand(2, 3)
    torch.testing.assert_close(other(x)["o"], module(x)["o"])


def test_its_weights_learn_and_shared_ones_are_one() -> None:
    net = net_of()
    module = as_module(net, outputs=["loss"])
    assert sum(parameter.numel() for parameter in module.parameters()) == 6 + 2 + 3
    frozen = {name for name, parameter in module.named_parameters() if not parameter.requires_grad}
    assert frozen == {"enc.1.bias"}
    optimizer = torch.optim.SGD([each for each in module.parameters() if each.requires_grad], lr=0.05)
    x = torch.rand(16, 3, generator=torch.Generator().manual_seed(0))
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = module(x)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    assert torch.equal(module.state_dict()["enc.1.weight"], module.state_dict()["dec.weight"])
    assert not torch.equal(module.state_dict()["dec.weight"], net.params["dec"][0])  # the net keeps its own


def test_the_phase_decides_what_dropout_and_statistics_do() -> None:
    module = as_module(net_of("TRAIN"), outputs=["n"])
    before = module.state_dict()["norm/1.factor"].clone()
    with torch.no_grad():
        kept = module(torch.rand(50, 3))["n"] != 0
    assert 0.2 < kept.float().mean() < 0.8
    assert module.state_dict()["norm/1.factor"] == before * 0.999 + 1


def test_a_part_goes_alone() -> None:
    net = net_of()
    decoder = as_module(net, outputs=["r"], inputs=["e"])
    e = torch.rand(5, 2)
    torch.testing.assert_close(decoder(e)["r"], net(e=e, want=["r"])["r"])
    with pytest.raises(DataError, match=r"wants 1 input\(s\), e, but is given 2"):
        decoder(e, e)
    x = torch.rand(5, 3)
    both = as_module(net, outputs=["loss"], inputs=["e"])
    assert both.inputs == ("e", "x")
    torch.testing.assert_close(both(e, x)["loss"], net(e=e, x=x, want=["loss"])["loss"])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name: "dec"', 'name: "half"', "layer 'half' cannot be kept in a torch.nn.Module: 'half' is taken"),
        ('name: "dec"', 'name: "enc.1"', "two layers with weights are named 'enc.1'"),
    ],
)
def test_names_that_a_module_cannot_have_are_refused(old: str, new: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        as_module(net_of(text=TEXT.replace(old, new)))
