"""Which layers and bottoms back-propagation reaches, and which gradients are lost on the way, as in Caffe.

A layer takes part if one of its bottoms or parameters wants a gradient and a loss depends on it; `propagate_down`
overrides the first, `force_backward` both.

Two gradients are lost. That of a loss top which another layer reads, too: its weight is counted in the loss, but only
the reader drives the gradient. And that of a learned blob whose layer writes over it (`Layer.overwrites`): what earlier
passes, and layers behind it that share the blob, had given is gone. Source: Caffe's net.cpp (Init, Backward).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..layers.base import Shape
from ..proto.schema import TRAIN
from .advice import authors_name
from .graph import Graph
from .params import ParamPlan
from .step import Step


def mark_backward(graph: Graph, steps: Sequence[Step], params: Sequence[ParamPlan]) -> None:
    """Sets what every step says of its backward pass. Complains of a wrong `propagate_down`.

    And, for training, of layers that learn from a gradient that there is not: Caffe ends there, in its backward pass.
    """
    needs: dict[str, bool] = {}
    wanted: list[list[bool]] = []
    for step in steps:
        param = step.node.param
        flags = [needs.get(name, False) for name in step.bottoms]
        if param.propagate_down:
            if len(param.propagate_down) != len(flags):
                sentence = f"propagate_down is given {len(param.propagate_down)} times for {len(flags)} bottom(s)"
                graph.complain(step.node, sentence, "propagate_down", 0)
            else:
                flags = list(param.propagate_down)
            step.blocked = tuple(i for i, flag in enumerate(param.propagate_down) if not flag)
        wanted.append(flags)
        blocked = step.layer.no_gradient if step.layer is not None else frozenset()
        step.bottom_needs_backward = tuple(flag and i not in blocked for i, flag in enumerate(flags))
        step.needs_backward = any(flags) or any(params[i].lr_mult != 0 for i in step.params)
        needs.update(dict.fromkeys(step.tops, step.needs_backward))
    _prune(steps)
    _mark_reuse(steps)
    if graph.phase == TRAIN:
        for step, flags in zip(steps, wanted, strict=True):
            _require_gradients(graph, steps, step, flags)
    if graph.document.message.force_backward:
        for step in steps:
            if step.layer is not None and not step.layer.is_source:
                step.needs_backward = True
                blocked = step.layer.no_gradient
                step.bottom_needs_backward = tuple(i not in blocked for i in range(len(step.bottoms)))


def _require_gradients(graph: Graph, steps: Sequence[Step], step: Step, wanted: Sequence[bool]) -> None:
    """Complains of bottoms from which layers are to learn, and that get no gradient."""
    if step.layer is None or not step.needs_backward:
        return
    for index in (i for i, flag in enumerate(wanted) if flag):
        if index in step.layer.labels or not step.layer.differentiable:
            blob = authors_name(steps, step.bottoms[index])
            told = f"no gradient goes to its bottom {index}, '{blob}', which layers that learn make: Caffe ends here"
            order = "give what the net made first, then what it should be"
            cure = order if step.layer.compares else "propagate_down: false keeps it so"
            graph.complain(step.node, f"{told}; {cure}", "bottom", index)


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


def _mark_reuse(steps: Sequence[Step]) -> None:
    """Marks the steps that may write their top over their bottom: nothing, the gradients included, reads that again."""
    makers: dict[str, Step] = {}
    for step in steps:
        if step.layer is not None and step.bottoms:
            maker = makers.get(step.bottoms[0])
            forgotten = maker is not None and maker.layer is not None and maker.layer.forgets_top
            step.reuses = step.kind.copies or (step.in_place and forgotten)
        makers.update(dict.fromkeys(step.tops, step))


def counted_only(steps: Sequence[Step]) -> frozenset[str]:
    """The tops that count in the loss, but whose weight starts no gradient, because another layer reads them.

    A reader that goes backward writes its own gradient over the weight; if readers that do not go backward read all
    tops of the layer, Caffe takes the layer for one that nobody wants a gradient of.
    """
    read: dict[str, bool] = {}
    for step in steps:
        flags = (flag and step.needs_backward for flag in step.bottom_needs_backward)
        read.update(zip(step.bottoms, flags, strict=True))
    found: set[str] = set()
    for step in steps:
        passed_over = all(read.get(top) is False for top in step.tops)
        weighted = (top for top, weight in zip(step.tops, step.loss_weights, strict=True) if weight)
        found.update(top for top in weighted if passed_over or read.get(top))
    return frozenset(found)


def lost_gradients(
    steps: Sequence[Step], params: Sequence[ParamPlan], shapes: Mapping[str, Shape | None]
) -> dict[int, set[int]]:
    """For each learned blob (its owner's index) whose gradient a pass writes over: the steps that give it in vain.

    A backward pass comes from the last layer, so the first layer that writes over it has the last word; layers before
    that one still add to it.
    """
    owners = [i if param.owner is None else param.owner for i, param in enumerate(params)]
    lost: dict[int, set[int]] = {}
    for index, step in reversed(list(enumerate(steps))):
        bottoms = [shapes.get(name) for name in step.bottoms]
        if not step.params or not step.needs_backward or step.layer is None or None in bottoms:
            continue
        for k in step.layer.overwrites([shape for shape in bottoms if shape is not None]):
            owner = owners[step.params[k]]
            behind = range(index + 1, len(steps))
            lost[owner] = {i for i in behind if owner in (owners[k] for k in steps[i].params)}
    return lost
