"""Nets whose answers are known, and prepared data for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deepcae.cli import main
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from deepcae.trained.network import Named, Trained

# code: mean of the image · gain; restored: image · gain + shift
TEXT = """name: "known"
layer {{ name: "data" type: "HDF5Data" top: "data" include {{ phase: TEST }}
  hdf5_data_param {{ source: "{data}/test.txt" batch_size: 4 }}
  transform_param {{ {transform} }} }}
layer {{ name: "code" type: "Pooling" bottom: "data" top: "code"
  pooling_param {{ pool: AVE global_pooling: true }} }}
layer {{ name: "restored" type: "Power" bottom: "data" top: "restored" power_param {{ scale: {gain} shift: {shift} }} }}
layer {{ name: "l2" type: "EuclideanLoss" bottom: "restored" bottom: "data" top: "l2" }}
"""

Known = Callable[..., Trained]


@pytest.fixture
def known() -> Known:
    """A net for the data of a folder: its code is an image's mean of each channel, and it restores gain·x + shift."""

    def make(data: Path, transform: str = "", gain: float = 1.0, shift: float = 0.0) -> Trained:
        text = TEXT.format(data=data, transform=transform, gain=gain, shift=shift)
        net = Net(read_net_text(text), phase="TEST", seed=1)
        return Trained(net, "known", [data], Named("data", "code", "restored"))

    return make


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Path]:
    """`deepcae data any` of some paths; the folder."""

    def make(*words: object) -> Path:
        assert main(["data", "any", *map(str, words), "-o", str(tmp_path / "data"), "--quiet"]) == 0
        return tmp_path / "data"

    return make
