"""Every case that Caffe and its 2015 fork computed for us, through onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepcae.convert.comparison import Difference, compare, random_inputs, run, session
from deepcae.convert.model import OnnxModel, to_onnx
from deepcae.errors import SpecError
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from layer_driver import Case
from reference import cases, write_extra_files

ALL = [Case(path) for path in [*cases("layers"), *cases("unpooling/layers")]]
HERE = [case for case in ALL if case.outline.known and case.outline.tops]
REFUSED = {
    "accuracy": "counts right answers",
    "dropout_train": "drops at random",
    "infogain": "no counterpart",
}
"""The cases, by the beginning of their names, that cannot go, and what is said of them."""


def reason(case: Case) -> str | None:
    return next((said for start, said in REFUSED.items() if case.name.startswith(start)), None)


def converted(case: Case) -> tuple[Net, OnnxModel, dict[str, Any]]:
    net = Net(read_net_text(str(case.data["prototxt"])), "TRAIN" if case.phase == 0 else "TEST", seed=0)
    for index, name in enumerate(case.names("param")):
        which = next(i for i, param in enumerate(net.plan.params) if param.name == name)
        values = torch.from_numpy(case.data[f"param_{index}"])
        if net.plan.params[which].owner is None:
            net.tensors[which].data.copy_(values.reshape(net.tensors[which].shape))
    model = to_onnx(net, case.names("top"))
    return net, model, {name: case.data[f"bottom_{i}"] for i, name in enumerate(case.names("bottom"))}


@pytest.mark.parametrize("case", [case for case in HERE if not reason(case)], ids=lambda case: case.name)
def test_gives_caffes_outputs(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_extra_files(case.data, tmp_path)
    net, model, inputs = converted(case)
    blobs = run(session(model), model, inputs)
    for index, name in enumerate(case.names("top")):
        ours, theirs = blobs[name], case.data[f"top_{index}"]
        assert ours.shape == tuple(net.plan.shapes[name] or ()) or "Filter" in case.outline.types
        assert ours.size == theirs.size
        scale = float(np.abs(theirs).max(initial=0.0))
        np.testing.assert_allclose(ours.reshape(theirs.shape), theirs, rtol=1e-4, atol=1e-6 * scale + 1e-7)
    if model.free_batch:
        different = [each for batch in (2, 7) for each in differences(net, model, batch) if each.too_large]
        assert not different, different


def differences(net: Net, model: OnnxModel, batch: int) -> list[Difference]:
    return compare(net, model, [("random", random_inputs(net, model, batch))])


def test_only_what_must_has_a_fixed_batch_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fixed = {case.name for case in HERE if not reason(case) and not converted(case)[1].free_batch}
    assert fixed == {case.name for case in HERE} & {"bias_axis0", "slice_axis0", "parameter"}


@pytest.mark.parametrize("case", [case for case in HERE if reason(case)], ids=lambda case: case.name)
def test_what_cannot_go_says_why(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_extra_files(case.data, tmp_path)
    with pytest.raises(SpecError, match=f"cannot go to ONNX: .*{reason(case)}"):
        converted(case)
