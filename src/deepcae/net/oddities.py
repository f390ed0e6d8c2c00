"""Places where a network computes something that its author may not expect, as Caffe does. `check` reports them.

Old networks learned with these, so they are kept; docs/differences.md says how to get the mathematically right value.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import Problem
from ..layers.activation import Clip
from ..layers.join import Eltwise
from ..layers.loss import SigmoidCrossEntropyLoss
from ..layers.neuron import Dropout, Power
from ..layers.norm import MVN, Scale
from ..layers.pool import Pooling
from ..layers.select import Parameter
from ..layers.unpool import Unpooling
from .backward import counted_only
from .plan import Plan
from .squashing import squashed_wrongly
from .step import Step

Oddity = tuple[tuple[str | int, ...], str]  # path of the field, sentence

_SMALL = 1e-6


def oddities(plan: Plan, passes: int = 1) -> Iterator[Problem]:
    """What is odd in a network that was planned without a problem, with `passes` (iter_size) per update."""
    silent = counted_only(plan.steps)
    for index, step in enumerate(plan.steps):
        found = [*_of_settings(step, plan), *_of_place(index, step, plan), *_of_loss(step, silent)]
        found += _of_parameters(index, step, plan.lost, passes)
        if sentence := squashed_wrongly(plan.steps, index):
            found.append((("bottom", 0), sentence))
        for path, sentence in found:
            yield Problem(f"{step.node.label}: {sentence}", plan.graph.place(step.node, *path))


def _of_settings(step: Step, plan: Plan) -> Iterator[Oddity]:
    param = step.node.param
    match step.layer:
        case Unpooling() if param.unpooling_param.unpool == 2:
            yield ("unpooling_param", "unpool"), "the gradient of TILE is the window's mean, not its sum"
        case Eltwise() if not param.eltwise_param.stable_prod_grad and param.eltwise_param.operation == 0:
            yield ("eltwise_param", "stable_prod_grad"), "the gradient is not a number where a bottom is 0"
        case MVN() if param.mvn_param.normalize_variance and param.mvn_param.eps > _SMALL:
            yield ("mvn_param", "eps"), f"the gradient leaves eps {param.mvn_param.eps:g} out of account"
        case Power() if param.power_param.power > 1 and param.power_param.power != 2 and param.power_param.scale:
            yield ("power_param", "power"), "the gradient is not a number where shift + scale·x is 0"
        case Clip() if not param.HasField("clip_param"):
            yield (), "without clip_param both bounds are 0, and so is the top"
        case Dropout() if param.dropout_param.dropout_ratio == 1 and param.phase == 0:
            yield ("dropout_param", "dropout_ratio"), "ratio 1 gives values that are not finite"
        case SigmoidCrossEntropyLoss() if param.loss_param.HasField("ignore_label"):
            label = param.loss_param.ignore_label
            yield ("loss_param", "ignore_label"), f"every target that truncates to {label} is ignored, fractions too"
        case Unpooling() if wrong := _other_plane(step, plan):
            yield ("bottom", 1), wrong
        case Pooling() if _has_empty_window(param.pooling_param, step, plan):
            yield ("pooling_param",), "its last window lies outside the bottom and gives -3.4e38 (MAX) or 0"


def _other_plane(step: Step, plan: Plan) -> str:
    """What is odd where a mask's places are read as those of a plane of another size; "" where nothing is."""
    pooled, top = getattr(step.layer, "pooled", None), plan.shapes.get(step.tops[0])
    if pooled is None or top is None or tuple(pooled[2:]) == tuple(top[2:]):
        return ""
    planes = " and ".join(f"{shape[2]}x{shape[3]}" for shape in (pooled, top))
    return f"its mask names places in a plane of another size than its top ({planes}), so values come to wrong places"


def _has_empty_window(settings: Any, step: Step, plan: Plan) -> bool:
    bottom, top = plan.shapes.get(step.bottoms[0]), plan.shapes.get(step.tops[0])
    if bottom is None or top is None or step.layer is None:
        return False
    stride, pad = step.layer.stride, step.layer.pad  # type: ignore[attr-defined]  # a Pooling
    return any((out - 1) * s - p >= size for out, s, p, size in zip(top[2:], stride, pad, bottom[2:], strict=True))


def _of_place(index: int, step: Step, plan: Plan) -> Iterator[Oddity]:
    """Layers in place whose gradient Caffe computes of values that are gone; here it is the true one."""
    if not step.needs_backward or not step.tops:
        return
    tail = "there; here it is the true one. Give the top another name, and both agree"
    if step.in_place and step.kind.gradient_reads == "bottom":
        if not isinstance(step.layer, Power) or step.layer.power != 1:
            yield ("top", 0), f"in place its gradient in Caffe is wrong, since its bottom is gone {tail}"
    elif step.kind.gradient_reads == "top":
        writers = [s for s in plan.steps[index + 1 :] if s.tops and s.tops[0] == step.tops[0]]
        if writers:
            name = writers[0].name
            yield ("top", 0), f"layer '{name}' writes over its top, so its gradient in Caffe is wrong {tail}"


def _of_loss(step: Step, silent: frozenset[str]) -> Iterator[Oddity]:
    for j, top in enumerate(step.tops):
        if top in silent and j < len(step.node.param.top):
            yield (
                ("top", j),
                f"loss '{top}' is read by another layer: it counts, but only its reader trains",
            )


def _of_parameters(index: int, step: Step, lost: dict[int, set[int]], passes: int) -> Iterator[Oddity]:
    if index in {i for steps in lost.values() for i in steps}:
        yield (), "its gradient of a shared blob is lost: an earlier layer that shares the blob writes over it"
    if passes > 1 and isinstance(step.layer, Scale | Parameter) and any(i in lost for i in step.params):
        yield (), f"of {passes} passes (iter_size) only the last one's gradient counts: each writes over the one before"
