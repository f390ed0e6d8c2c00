"""Which layers and bottoms back-propagation reaches.

A layer takes part if one of its bottoms or parameters wants a gradient and a loss depends on it; `propagate_down`
overrides the first, `force_backward` both. Source: Caffe's net.cpp (Init).
"""

from __future__ import annotations

from collections.abc import Sequence

from .graph import Graph
from .params import ParamPlan
from .step import Step


def mark_backward(graph: Graph, steps: Sequence[Step], params: Sequence[ParamPlan]) -> None:
    """Sets `needs_backward` and `bottom_needs_backward` of every step. Complains of a wrong `propagate_down`."""
    needs: dict[str, bool] = {}
    for step in steps:
        param = step.node.param
        flags = [needs.get(name, False) for name in step.bottoms]
        if param.propagate_down:
            if len(param.propagate_down) != len(flags):
                sentence = f"propagate_down is given {len(param.propagate_down)} times for {len(flags)} bottom(s)"
                graph.complain(step.node, sentence, "propagate_down", 0)
            else:
                flags = list(param.propagate_down)
        blocked = step.layer.no_gradient if step.layer is not None else frozenset()
        step.bottom_needs_backward = tuple(flag and i not in blocked for i, flag in enumerate(flags))
        step.needs_backward = any(flags) or any(params[i].lr_mult != 0 for i in step.params)
        needs.update(dict.fromkeys(step.tops, step.needs_backward))
    _prune(steps)
    if graph.document.message.force_backward:
        for step in steps:
            if step.layer is not None and not step.layer.is_source:
                step.needs_backward = True
                blocked = step.layer.no_gradient
                step.bottom_needs_backward = tuple(i not in blocked for i in range(len(step.bottoms)))


def _prune(steps: Sequence[Step]) -> None:
    """Takes back the layers that no loss depends on, or whose gradient nobody passes on."""
    under_loss: set[str] = set()
    skipped: set[str] = set()
    for step in reversed(steps):
        contributes = any(step.loss_weights) or any(top in under_loss for top in step.tops)
        if step.needs_backward and step.tops and all(top in skipped for top in step.tops):
            step.needs_backward = False
            step.bottom_needs_backward = (False,) * len(step.bottoms)
        if contributes:
            under_loss.update(step.bottoms)
        else:
            step.needs_backward = False
            step.bottom_needs_backward = (False,) * len(step.bottoms)
        skipped.update(b for b, flag in zip(step.bottoms, step.bottom_needs_backward, strict=True) if not flag)
