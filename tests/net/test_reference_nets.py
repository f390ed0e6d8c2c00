"""Every reference case, run through Net: one autograd graph, and layer by layer as Caffe keeps its blobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from deepcae.net.layerwise import Layerwise
from deepcae.net.net import Net
from deepcae.proto.read import read_net_text
from reference import cases, compared, outline, read_case, write_extra_files


def _supported(path: Path) -> bool:
    """Whether all its layers exist here and its result is not random (those are judged by the layers' own tests)."""
    return outline(path).known and not outline(path).random


FILES = [path for path in cases("layers") if _supported(path)]
FORK = [path for path in cases("unpooling/layers") if _supported(path)]


def _close(got: torch.Tensor, wanted: np.ndarray, rtol: float, what: str, fork: bool = False) -> None:
    got_array = got.detach().numpy()
    if got_array.shape != wanted.shape:  # the fork keeps four axes everywhere
        assert got_array.size == wanted.size, what
        wanted = wanted.reshape(got_array.shape)
    kind = "gradients" if what.startswith("diff of") else "forward"
    compared(f"{'unpooling' if fork else 'layers'}, {kind}", got_array, wanted)
    scale = float(np.nanmax(np.abs(wanted), initial=0.0, where=np.isfinite(wanted)))
    np.testing.assert_allclose(got_array, wanted, rtol=rtol, atol=rtol * scale + 1e-6, err_msg=what)


def _load(case: Any) -> Net:
    net = Net(read_net_text(str(case["prototxt"]), "net.prototxt"), str(case["phase"]), seed=0)
    names = [str(name) for name in case["param_names"]] if "param_names" in case else []
    by_name = {param.name: tensor for param, tensor in zip(net.plan.params, net.tensors, strict=True)}
    with torch.no_grad():
        for j, name in enumerate(names):
            by_name[name].copy_(torch.from_numpy(case[f"param_{j}"]).reshape(by_name[name].shape))
    return net


def _number(case: Any, key: str, default: int) -> int:
    return int(case[key]) if key in case else default


def _inputs(case: Any) -> dict[str, torch.Tensor]:
    return {str(name): torch.from_numpy(case[f"bottom_{i}"]) for i, name in enumerate(case["bottom_names"])}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_layer_by_layer(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = read_case(path)
    monkeypatch.chdir(tmp_path)
    write_extra_files(case, tmp_path)
    view = Layerwise(_load(case))
    for _ in range(_number(case, "n_forward", 1)):
        loss = view.forward(_inputs(case))
    names = [str(name) for name in case["top_names"]]
    for i, name in enumerate(names):
        _close(view.data[name], case[f"top_{i}"], 1e-4, name)
    if names:
        _close(loss, case["loss"], 1e-4, "loss")
    for j, name in enumerate(str(n) for n in case["param_names"]) if "param_names" in case else ():
        if f"param_after_{j}" in case:
            index = next(k for k, param in enumerate(view.net.plan.params) if param.name == name)
            _close(view.net.tensors[index], case[f"param_after_{j}"], 1e-4, f"{name} after")
    if _number(case, "has_backward", 1):
        _check_backward(view, case, names)


def _check_backward(view: Layerwise, case: Any, names: list[str]) -> None:
    diffs = {name: torch.from_numpy(case[f"top_diff_{i}"]) for i, name in enumerate(names) if f"top_diff_{i}" in case}
    for _ in range(_number(case, "n_backward", 1)):
        view.backward(diffs)
    for i, name in enumerate(str(n) for n in case["bottom_names"]):
        if f"bottom_diff_{i}" in case:
            _close(view.diff[name], case[f"bottom_diff_{i}"], 1e-3, f"diff of {name}")
    for j, name in enumerate(str(n) for n in case["param_names"]) if "param_names" in case else ():
        if f"param_diff_{j}" in case:
            index = next(k for k, param in enumerate(view.net.plan.params) if param.name == name)
            _close(view.params[index].diff, case[f"param_diff_{j}"], 1e-3, f"diff of {name}")
    for k, name in enumerate(str(n) for n in case["blob_names"]) if "blob_names" in case else ():
        _close(view.data[name], case[f"blob_{k}"], 1e-4, name)
        if f"blob_diff_{k}" in case and name in view.diff:
            _close(view.diff[name], case[f"blob_diff_{k}"], 1e-3, f"diff of {name}")


@pytest.mark.parametrize("path", FORK, ids=lambda path: path.stem)
def test_the_forks_layers(path: Path) -> None:
    case = read_case(path)
    view = Layerwise(_load(case))
    view.forward(_inputs(case))
    names = [str(name) for name in case["top_names"]]
    for i, name in enumerate(names):
        _close(view.data[name], case[f"top_{i}"], 1e-4, name, fork=True)
    diffs = {
        name: torch.from_numpy(case[f"top_diff_{i}"]).reshape(view.data[name].shape) for i, name in enumerate(names)
    }
    view.backward(diffs)
    for j, name in enumerate(str(n) for n in case["param_names"]) if "param_names" in case else ():
        index = next(k for k, param in enumerate(view.net.plan.params) if param.name == name)
        _close(view.params[index].diff, case[f"param_diff_{j}"], 1e-3, f"diff of {name}", fork=True)
    for i, name in enumerate(str(n) for n in case["bottom_names"]):
        if f"bottom_diff_{i}" in case and name in view.diff:
            _close(view.diff[name], case[f"bottom_diff_{i}"], 1e-3, f"diff of {name}", fork=True)


@pytest.mark.parametrize("path", [path for path in FILES if path.stem.startswith("net_")], ids=lambda path: path.stem)
def test_one_graph_gives_the_same_gradients(path: Path) -> None:
    case = read_case(path)
    net = _load(case)
    inputs = {name: tensor.requires_grad_() for name, tensor in _inputs(case).items()}
    blobs = net.forward(inputs)
    objective = net.loss(blobs)
    for i, name in enumerate(str(n) for n in case["top_names"]):
        _close(blobs[name], case[f"top_{i}"], 1e-4, name)
        if name not in net.loss_weights:
            objective = objective + (blobs[name] * torch.from_numpy(case[f"top_diff_{i}"])).sum()
    objective.backward()
    owners = [j for j, owner in enumerate(case["param_shared_with"]) if owner < 0]
    by_name = {blob.name: blob.tensor for blob in net.learnable}
    for j in owners:
        tensor = by_name[str(case["param_names"][j])]
        grad = tensor.grad if tensor.requires_grad else torch.zeros_like(tensor)  # BatchNorm's sums have none
        assert grad is not None
        _close(grad, case[f"param_diff_{j}"], 1e-3, f"diff of {case['param_names'][j]}")
    for i, (name, tensor) in enumerate(inputs.items()):
        if f"bottom_diff_{i}" in case:
            assert tensor.grad is not None
            _close(tensor.grad, case[f"bottom_diff_{i}"], 1e-3, f"diff of {name}")
