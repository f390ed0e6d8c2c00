"""Caffe's `debug_info`: how large each blob and gradient is on average, layer by layer, on displayed iterations.

Of each top and learned blob the mean of |data| in the forward pass, of each bottom and learned blob the mean of |diff|
in the backward pass, and for each learned blob both with the diff of the update. With iter_size those of the last pass.
Source: Caffe's net.cpp (ForwardDebugInfo, BackwardDebugInfo, UpdateDebugInfo).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from .records import Debugged, Mean

if TYPE_CHECKING:
    from ..net.net import Net
    from ..net.step import Step


class Debug:
    """Watches one iteration of `net`: `hook` is told of each layer's pass, `record` gives what was seen."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self._passed: list[tuple[Step, Sequence[torch.Tensor], Sequence[torch.Tensor]]] = []
        self._means: list[Mean] = []
        self._weights: list[float] = []
        self._norms: tuple[float, ...] = ()

    def hook(self, step: Step, bottoms: Sequence[torch.Tensor], tops: Sequence[torch.Tensor]) -> None:
        """A layer's pass, in the order of execution; keeps the gradients of its bottoms."""
        if self._passed and step is self._passed[0][0]:  # the next of iter_size passes
            self._passed.clear()
        self._passed.append((step, bottoms, tops))
        for bottom in bottoms:
            if bottom.requires_grad and not bottom.is_leaf:
                bottom.retain_grad()

    def before_update(self, blobs: Mapping[str, torch.Tensor], gradients: Sequence[torch.Tensor]) -> None:
        """Looks at the passes, and at the gradients (in the order of creation) before the update uses them up."""
        weights = [blob.tensor.detach() for blob in self.net.learnable]
        tops = ((step.name, top) for step in self.net.plan.sources for top in step.tops)
        fed = [Mean("Forward", name, f"top blob {top} data", _mean(blobs[top])) for name, top in tops]
        self._means = [*fed, *self._forward(), *self._backward()]
        self._weights = [_mean(weight) for weight in weights]
        self._norms = tuple(_norm(tensors, p) for p in (1, 2) for tensors in (weights, gradients))

    def record(self, iteration: int, updates: Sequence[torch.Tensor]) -> Debugged:
        """What was seen, with the updates of the learned blobs."""
        return Debugged(iteration, (*self._means, *self._update(updates)), self._norms)

    def _forward(self) -> Iterator[Mean]:
        for step, _, tops in self._passed:
            for name, top in zip(step.tops, tops, strict=True):
                yield Mean("Forward", step.name, f"top blob {name} data", _mean(top))
            for k, index in enumerate(step.params):
                yield Mean("Forward", step.name, f"param blob {k} data", _mean(self.net.tensors[index]))

    def _backward(self) -> Iterator[Mean]:
        for step, bottoms, _ in reversed(self._passed):
            for name, bottom in zip(step.bottoms, bottoms, strict=True):
                gradient = bottom.grad if bottom.requires_grad and not bottom.is_leaf else None
                if gradient is not None:
                    yield Mean("Backward", step.name, f"bottom blob {name} diff", _mean(gradient))
            for k, index in enumerate(step.params):
                gradient = self.net.tensors[index].grad
                if gradient is not None:
                    yield Mean("Backward", step.name, f"param blob {k} diff", _mean(gradient))

    def _update(self, updates: Sequence[torch.Tensor]) -> Iterator[Mean]:
        for blob, before, update in zip(self.net.learnable, self._weights, updates, strict=True):
            layer, k = blob.name.rsplit("/", 1)
            yield Mean("Update", layer, f"param {k} data", before, _mean(update))


def _mean(tensor: torch.Tensor) -> float:
    """The mean of |x|; 0 for nothing."""
    return float(tensor.detach().abs().mean()) if tensor.numel() else 0.0


def _norm(tensors: Sequence[torch.Tensor], p: int) -> float:
    """The L1 or L2 norm of all values together."""
    return float(sum(float(torch.linalg.vector_norm(tensor, p)) ** p for tensor in tensors) ** (1 / p))
