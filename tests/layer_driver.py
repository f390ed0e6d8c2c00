"""Runs a reference case's net with the layers alone: no graph, no plan, one layer after the other in file order."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepcae.layers import Context, Layer, make_layer
from deepcae.proto.schema import TEST, TRAIN
from reference import outline, read_case


class Case:
    """One .npz file: the net's message and the arrays, which are read when they are used."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.path = path
        self.outline = outline(path)
        self.net = self.outline.net

    @cached_property
    def data(self) -> dict[str, Any]:
        return read_case(self.path)

    @property
    def phase(self) -> int:
        return TRAIN if str(self.data["phase"]) == "TRAIN" else TEST

    def names(self, kind: str) -> list[str]:
        return [str(name) for name in self.data[f"{kind}_names"]]

    def flag(self, key: str, default: int) -> int:
        return int(np.ravel(self.data.get(key, default))[0])


@dataclass
class Passed:
    """What a case's passes gave, by the reference's names."""

    tops: dict[str, torch.Tensor] = field(default_factory=dict)
    loss: float = 0.0
    bottom_diffs: dict[str, torch.Tensor] = field(default_factory=dict)
    param_diffs: list[torch.Tensor] = field(default_factory=list)
    params: list[torch.Tensor] = field(default_factory=list)
    without_gradient: set[str] = field(default_factory=set)  # inputs that only no_gradient bottoms read


def run(case: Case, generator: torch.Generator | None = None) -> Passed:
    layers = [make_layer(param, case.phase) for param in case.net.layer if param.type != "Input"]
    inputs = {
        name: torch.from_numpy(case.data[f"bottom_{i}"]).requires_grad_() for i, name in enumerate(case.names("bottom"))
    }
    params = _params(case)
    result = Passed(params=[params[name] for name in case.names("param")])
    result.without_gradient = _without_gradient(layers, set(inputs))
    for _ in range(case.flag("n_forward", 1)):
        blobs = _forward(layers, inputs, params, generator)
    result.tops = {name: blobs[name] for name in case.names("top")}
    weights = case.data.get("top_loss_weight", np.zeros(len(result.tops)))
    result.loss = sum(
        top.detach().sum().item() * float(w) for top, w in zip(result.tops.values(), weights, strict=True)
    )
    if case.flag("has_backward", 1):
        _backward(case, inputs, result)
    return result


def _params(case: Case) -> dict[str, torch.Tensor]:
    params: dict[str, torch.Tensor] = {}
    names = case.names("param")
    owners = case.data.get("param_shared_with", np.full(len(names), -1))
    for index, (name, owner) in enumerate(zip(names, owners, strict=True)):
        own = torch.from_numpy(case.data[f"param_{index}"].copy()).requires_grad_()
        params[name] = own if owner < 0 else params[names[int(owner)]]
    return params


def _forward(layers: list[Layer], inputs: dict, params: dict, generator: torch.Generator | None) -> dict:
    blobs = dict(inputs)
    for layer in layers:
        bottoms = [blobs[name] for name in layer.param.bottom]
        shapes = [tuple(bottom.shape) for bottom in bottoms]
        mine = []
        for index, learned in enumerate(layer.learned(shapes)):  # older files hold more axes; sharers other shapes
            mine.append(params[f"{layer.param.name}/{index}"].reshape(learned.shape))
        context = Context(generator=generator)
        tops = layer.forward(bottoms, mine, context)
        known = 1 if layer.type == "Filter" else 0  # how many samples Filter selects, only the data tell
        made, wanted = [tuple(top.shape[known:]) for top in tops], [shape[known:] for shape in layer.shapes(shapes)]
        assert made == wanted, f"{layer.type} breaks its own shape rule"
        for parameter, value in context.updates:
            parameter.data.copy_(value)
        names = list(layer.param.top) or ["(automatic)"] * len(tops)
        blobs.update(zip(names, tops, strict=True))
    return blobs


def _backward(case: Case, inputs: dict, result: Passed) -> None:
    objective = torch.zeros((), requires_grad=True) * 1
    for index, top in enumerate(result.tops.values()):
        objective = objective + (top * torch.from_numpy(case.data[f"top_diff_{index}"]).reshape(top.shape)).sum()
    leaves = [*inputs.values(), *result.params]
    for _ in range(case.flag("n_backward", 1)):
        grads = torch.autograd.grad(objective, leaves, retain_graph=True, allow_unused=True, materialize_grads=True)
        result.bottom_diffs = dict(zip(inputs, grads[: len(inputs)], strict=True))
        new = grads[len(inputs) :]
        old = result.param_diffs or [torch.zeros_like(gradient) for gradient in new]
        result.param_diffs = [a + b for a, b in zip(old, new, strict=True)]


def _without_gradient(layers: list[Layer], inputs: set[str]) -> set[str]:
    reading = [
        (name, index in layer.no_gradient or not layer.differentiable)
        for layer in layers
        for index, name in enumerate(layer.param.bottom)
    ]
    return {name for name in inputs if all(refused for read, refused in reading if read == name)}
