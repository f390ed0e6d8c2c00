"""What each changed network of the paper is, layer by layer, beside the one that it was made of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deepcae.paper.experiment import Data, Experiment
from deepcae.paper.experiments import DIMS, FINDINGS, LARGE, ORDERED, found, in_file_order, tamed, training
from deepcae.proto.read import read_net_text
from deepcae.proto.schema import FillerParameter, NetParameter

DATA = Data(Path("train.txt"), Path("test.txt"), Path("pairs"))
DENSE, XAVIER = FillerParameter(type="gaussian", std=0.01), FillerParameter(type="xavier")


def message(experiment: Experiment) -> Any:
    return read_net_text(experiment.texts(DATA)[0]).message


def filler(layer: Any) -> Any:
    """A learned layer's; None of others."""
    for name in ("convolution_param", "inner_product_param"):
        if layer.HasField(name):
            return getattr(layer, name).weight_filler
    return None


def of_finding(variant: str) -> tuple[Any, Any]:
    """The network as in Table IV, and changed."""
    (finding,) = [each for each in FINDINGS if each.variant == variant]
    (experiment,) = found(finding, 1, False)
    return message(replace(experiment, changes="")), message(experiment)


@pytest.mark.parametrize(
    ("variant", "weights"),
    [
        ("entropy-alone", {"cross_entropy_loss": [1], "l2_error": [0]}),
        ("euclidean-alone", {"cross_entropy_loss": [0], "l2_error": [1]}),
    ],
)
def test_one_of_both_losses_is_left(variant: str, weights: dict[str, list[float]]) -> None:
    base, net = of_finding(variant)
    assert {layer.name: list(layer.loss_weight) for layer in net.layer if layer.loss_weight} == weights
    for each in (base, net):
        for layer in each.layer:
            layer.ClearField("loss_weight")
    assert net == base


def test_all_sigmoids_but_the_images_become_relus() -> None:
    base, net = of_finding("relu")
    assert [layer.name for layer in net.layer if layer.type == "Sigmoid"] == ["deconv1neursig"]
    assert len([layer for layer in net.layer if layer.type == "ReLU"]) == 6
    for layer in net.layer:
        layer.type = layer.type.replace("ReLU", "Sigmoid")
    assert net == base


@pytest.mark.parametrize(("variant", "wanted"), [("gaussian", DENSE), ("xavier", XAVIER)])
def test_one_filler_is_everywhere(variant: str, wanted: Any) -> None:
    base, net = of_finding(variant)
    fillers = [each for layer in net.layer if (each := filler(layer)) is not None]
    assert len(fillers) == 8
    assert all(each == wanted for each in fillers)
    for changed, layer in zip(net.layer, base.layer, strict=True):
        if filler(layer) is not None:
            filler(changed).CopyFrom(filler(layer))
    assert net == base


@pytest.mark.parametrize("network", LARGE)
@pytest.mark.parametrize("dims", DIMS)
def test_a_tamed_network_has_a_sparser_last_layer(network: str, dims: int) -> None:
    base, net = message(training(network, dims, 1)), message(tamed(network, dims, 1, False))
    changed = [layer.name for layer, before in zip(net.layer, base.layer, strict=True) if layer != before]
    assert changed == ["decode1"]
    (last,) = [layer for layer in net.layer if layer.name == "decode1"]
    assert last.inner_product_param.num_output == 784
    assert filler(last) == FillerParameter(
        type="gaussian", std=1, sparse={"classic-2000": 8, "classic-3000": 5}[network]
    )


@pytest.mark.parametrize("network", ORDERED)
def test_in_the_order_of_the_file_nothing_is_shuffled(network: str) -> None:
    base, net = message(training(network, 10, 1)), message(in_file_order(network, 10, 1, False))
    assert not any(layer.hdf5_data_param.HasField("shuffle") for layer in net.layer)
    wanted = NetParameter()
    wanted.CopyFrom(base)
    (shuffled,) = [layer for layer in wanted.layer if layer.hdf5_data_param.shuffle]
    shuffled.hdf5_data_param.ClearField("shuffle")
    assert net == wanted
