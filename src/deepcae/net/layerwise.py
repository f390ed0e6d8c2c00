"""Caffe's view of a network: every blob keeps its `data` and `diff`, layers run one by one, forward and backward.

The same layers as in `Net.forward`; each layer's gradient is its own vector–Jacobian product over the kept blobs, so
one can stop after any layer, look at a blob, change it, and go on, as in Caffe. Parameter diffs accumulate; blob diffs
are overwritten by each backward pass. After a pass the diff of a blob that layers rewrote in place is that of its first
version, as in Caffe.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from ..errors import LayerError
from ..layers.base import Context
from .net import Blobs, Net
from .step import Step


@dataclass
class _Kept:
    """What a layer's backward pass needs of its forward pass."""

    bottoms: list[torch.Tensor]
    params: list[torch.Tensor]
    tops: list[torch.Tensor]


class Layerwise:
    """Runs the layers of `net` one by one. `data` and `diff` hold its blobs, `param_diff` its parameters' gradients."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.data: Blobs = {}
        self.diff: Blobs = {}
        self.param_diff = [torch.zeros_like(tensor) for tensor in net.tensors]
        for i, param in enumerate(net.plan.params):
            if param.owner is not None:
                self.param_diff[i] = self.param_diff[param.owner]
        self._kept: dict[int, _Kept] = {}

    def clear_param_diffs(self) -> None:
        for diff in self.param_diff:
            diff.zero_()

    def forward(
        self, inputs: Mapping[str, torch.Tensor] | None = None, start: int = 0, end: int | None = None
    ) -> torch.Tensor:
        """Runs layers `start` to `end` (inclusive; default: the last) and returns the loss they give."""
        self.data.update({name: tensor.detach() for name, tensor in (inputs or {}).items()})
        steps = self.net.plan.steps
        loss = torch.zeros((), device=self.net.device)
        for i in range(start, len(steps) if end is None else end + 1):
            layer = steps[i].layer
            if layer is not None and not layer.is_source:
                self._forward_one(i, steps[i])
            for top, weight in zip(steps[i].tops, steps[i].loss_weights, strict=True):
                if weight:
                    loss = loss + weight * self.data[top].sum()
        return loss

    def _forward_one(self, i: int, step: Step) -> None:
        assert step.layer is not None
        context = Context(self.net.generator)
        bottoms = [
            self.data[name].detach().requires_grad_(flag)
            for name, flag in zip(step.bottoms, step.bottom_needs_backward, strict=True)
        ]
        params = [self.net.tensors[k].detach().requires_grad_(step.needs_backward) for k in step.params]
        shapes = [self.net.plan.params[k].shape or () for k in step.params]
        views = [p if tuple(p.shape) == shape else p.reshape(shape) for p, shape in zip(params, shapes, strict=True)]
        with torch.enable_grad():
            tops = list(step.layer.forward(bottoms, views, context))
        with torch.no_grad():
            for tensor, value in context.updates:
                tensor.copy_(value)
        self._kept[i] = _Kept(bottoms, params, tops)
        self.data.update({name: top.detach() for name, top in zip(step.tops, tops, strict=True)})

    def backward(
        self, top_diffs: Mapping[str, torch.Tensor] | None = None, start: int | None = None, end: int = 0
    ) -> None:
        """Back-propagates from layer `start` (default: the last) down to `end` (inclusive).

        Loss tops start from their loss weights; `top_diffs` sets the diffs of other blobs first.
        """
        steps = self.net.plan.steps
        last = len(steps) - 1 if start is None else start
        self.diff.update({name: diff.detach() for name, diff in (top_diffs or {}).items()})
        for step in steps[: last + 1]:
            for top, weight in zip(step.tops, step.loss_weights, strict=True):
                if weight:
                    self.diff[top] = torch.full_like(self.data[top], weight)
        for i in range(last, end - 1, -1):
            if steps[i].needs_backward and i in self._kept:
                self._backward_one(i, steps[i])

    def _backward_one(self, i: int, step: Step) -> None:
        kept = self._kept[i]
        if step.layer is not None and not step.layer.differentiable:
            raise LayerError(f"{step.node.label} has no gradient; a backward pass through it is not possible")
        outputs = [
            (top, self.diff[name])
            for name, top in zip(step.tops, kept.tops, strict=True)
            if top.requires_grad and name in self.diff
        ]
        wanted = [tensor for tensor in (*kept.bottoms, *kept.params) if tensor.requires_grad]
        if not wanted:
            return
        grads: list[torch.Tensor | None] = [None] * len(wanted)
        if outputs:
            tops, diffs = zip(*outputs, strict=True)
            grads = list(torch.autograd.grad(tops, wanted, diffs, allow_unused=True, retain_graph=True))
        found = iter(grads)
        for name, bottom in zip(step.bottoms, kept.bottoms, strict=True):
            if bottom.requires_grad:
                grad = next(found)
                self.diff[name] = torch.zeros_like(bottom) if grad is None else grad
        for k, param in zip(step.params, kept.params, strict=True):
            if param.requires_grad:
                grad = next(found)
                if grad is not None:
                    self.param_diff[k] += grad.reshape(self.param_diff[k].shape)
