"""Which weights of a trained net are shown as pictures."""

from __future__ import annotations

from pathlib import Path

from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.trained.kernels import kernels
from deepcae.trained.network import Trained
from deepcae.zoo import build


def test_shared_weights_are_shown_once() -> None:
    shapes = {"pair_data": (4, 2, 28, 28), "sim": (4,)}
    net = Net(read_net_text(build("siamese", 2).net_text), "TEST", seed=0, input_shapes=shapes)
    shown = kernels(Trained(net, "a net", [Path()]))
    assert {name: blob.shape for name, blob in shown.items()} == {
        "conv1": (20, 1, 5, 5),
        "conv2": (50, 20, 5, 5),
        "ip1": (500, 50, 4, 4),
    }
