"""The learned tensors that a net starts with: another net's, the text's own values, or what the fillers give.

Source: Caffe's net.cpp (AppendParam, ShareTrainedLayersWith) and layer.hpp (SetUp).
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

import torch

from ..errors import Problem, SpecError
from ..layers.filler import fill
from .blobs import array_of
from .params import ParamPlan
from .plan import Plan


def initial_tensors(
    plan: Plan, generator: torch.Generator, device: torch.device, shared: Mapping[int, torch.Tensor]
) -> list[torch.Tensor]:
    """A tensor for every parameter of the plan; sharers have their owner's. `shared`: those that are another net's.

    SpecError for a size that is not known, that no memory of this machine could hold, or that differs from the one in
    `shared`.
    """
    if 4 * plan.num_parameters > _memory():
        raise SpecError(_too_large(plan))
    tensors: list[torch.Tensor] = []
    for i, param in enumerate(plan.params):
        if param.shape is None:
            layer = param.name.rsplit("/", 1)[0]
            missing = next(step for step in plan.sources if any(not plan.shapes[top] for top in step.tops))
            raise SpecError(f"layer '{layer}': its size depends on the data of '{missing.name}', not found")
        if param.owner is not None:
            tensors.append(tensors[param.owner])
        elif i in shared:
            tensors.append(_fitting(param, shared, i))
        else:
            try:
                tensor = _filled(param, param.shape, generator).to(device)
            except RuntimeError as error:  # torch's sign of too little memory, on every device
                raise SpecError(_too_large(plan)) if "memory" in str(error) else error from None
            tensors.append(tensor.requires_grad_(param.lr_mult != 0))
    _load_text_blobs(plan, tensors)
    return tensors


def _memory() -> float:
    """Bytes of memory that this machine has; infinite where the system does not tell."""
    try:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def _too_large(plan: Plan) -> Problem:
    """The sentence for parameters that do not fit into memory: it names the greatest."""
    greatest = max(range(len(plan.params)), key=lambda i: plan.params[i].count if plan.params[i].shape else 0)
    step = next(step for step in plan.steps if greatest in step.params)
    size, shape = 4 * plan.num_parameters / 2**30, list(plan.params[greatest].shape or ())
    sentence = f"the network's parameters take {size:,.1f} GiB, more than there is; the greatest blob here is {shape}"
    return Problem(f"{step.node.label}: {sentence}", plan.graph.place(step.node))


def shared_tensors(plan: Plan, other: Plan, tensors: Sequence[torch.Tensor]) -> dict[int, torch.Tensor]:
    """The tensors of another plan by the index of the blob here that uses them, see `Plan.matched`."""
    return {
        i: tensors[k] for step, source in plan.matched(other) for i, k in zip(step.params, source.params, strict=False)
    }


def _fitting(param: ParamPlan, shared: Mapping[int, torch.Tensor], index: int) -> torch.Tensor:
    if tuple(shared[index].shape) != param.shape:
        layer, k = param.name.rsplit("/", 1)
        here, there = list(param.shape or ()), list(shared[index].shape)
        raise SpecError(f"layer '{layer}': blob {k} is {here} here and {there} in the net it shares with")
    return shared[index]


def _filled(param: ParamPlan, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    tensor = torch.empty(shape, dtype=torch.float32)
    if param.initial is None:
        fill(tensor, param.filler, generator)
    else:
        tensor.copy_(torch.from_numpy(param.initial))
    return tensor


def _load_text_blobs(plan: Plan, tensors: list[torch.Tensor]) -> None:
    """Values that the text itself carries in `blobs` replace the fillers'."""
    for step in plan.steps:
        for i, blob in zip(step.params, step.node.param.blobs, strict=False):
            values = array_of(blob)
            if values.size != tensors[i].numel():
                raise SpecError(f"layer '{step.name}': a blob of {values.size} values for {list(tensors[i].shape)}")
            tensors[i].data.copy_(torch.from_numpy(values.reshape(tensors[i].shape)))
