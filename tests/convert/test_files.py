"""Weights files that Caffe wrote in older forms, brought to today's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepcae.cli import main
from deepcae.convert import to_onnx
from deepcae.convert.comparison import run, session
from deepcae.net.net import Net
from deepcae.proto.binary import read_weights
from reference import read_case, reference_dir

FOLDER = reference_dir("files", "legacy_model")
EXPECTED: dict[str, Any] = read_case(FOLDER / "expected.npz") if (FOLDER / "expected.npz").is_file() else {}
FILES = [str(name) for name in EXPECTED.get("files", ())]


def test_the_old_files_are_there() -> None:
    assert FILES


@pytest.mark.parametrize("index", range(len(FILES)), ids=FILES)
def test_an_old_file_becomes_todays_bit_for_bit(index: int, tmp_path: Path) -> None:
    text, old, new = str(FOLDER / "net.prototxt"), str(FOLDER / FILES[index]), tmp_path / "new.caffemodel"
    assert main(["convert", text, old, "--to", "caffemodel", "-o", str(new)]) == 0
    message = read_weights(new)
    assert not message.layers  # no V1 layer
    assert [layer.name for layer in message.layer if layer.blobs] == ["conv1", "ip1", "ip2", "up"]
    net = Net(text, weights=new)
    values = {param.name: tensor.detach().numpy() for param, tensor in zip(net.plan.params, net.tensors, strict=True)}
    for j, name in enumerate(EXPECTED["param_names"]):
        assert values[str(name)].tobytes() == EXPECTED[f"file{index}_param_{j}"].tobytes()


@pytest.mark.parametrize("index", range(len(FILES)), ids=FILES)
def test_an_old_file_gives_caffes_blobs_through_onnx(index: int) -> None:
    model = to_onnx(Net(FOLDER / "net.prototxt", weights=FOLDER / FILES[index]), outputs=["ip2", "up"])
    for name, values in run(session(model), model, {"data": EXPECTED["input"]}).items():
        np.testing.assert_allclose(values, EXPECTED[f"file{index}_{name}"], rtol=1e-4, atol=1e-6)
