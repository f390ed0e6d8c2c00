"""The interpreter of a plan: its steps, one after another, over blobs by name.

Everyone who runs a net's layers runs them by `execute`, and differs in what is handed over: which steps (all, or those
between two blobs), whose tensors they compute with (`bind`: the net's own, those of one net of a `stack`; a module's),
how they multiply (`rounded`), and which blobs stand already.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..layers.base import Context
from .plan import Plan
from .step import Step

Blobs = dict[str, Tensor]
Hook = Callable[[Step, Sequence[Tensor], Sequence[Tensor]], None]  # a layer, its bottoms, its tops


class Trainable(Protocol):
    """What a training pass asks of a net: `Net`, `Rounded` and `Stack` have it."""

    overwritten: list[Tensor]  # learned blobs whose gradient each pass writes over

    def forward(
        self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None, hook: Hook | None = None
    ) -> Blobs: ...

    def loss(self, blobs: Mapping[str, Tensor]) -> Tensor: ...


class Forward(Protocol):
    """What computes a step: its layer, or one that stands for it."""

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> Sequence[Tensor]: ...


class BoundStep(NamedTuple):
    """A step of the plan with what computes it, and the tensors that it computes with."""

    step: Step
    layer: Forward
    params: Sequence[Tensor]


def bind(plan: Plan, tensors: Sequence[Tensor]) -> list[BoundStep]:
    """All steps with `tensors` as the learned blobs, in the plan's order.

    A shared blob is its owner's, in the sharer's shape; it is detached where a pass loses the step's gradient of it.
    """
    return [_bound(plan, index, step, tensors) for index, step in enumerate(plan.steps)]


def _bound(plan: Plan, index: int, step: Step, tensors: Sequence[Tensor]) -> BoundStep:
    assert step.layer is not None
    params = []
    for i in step.params:
        owner, shape = plan.owner(i), plan.params[i].shape or ()
        tensor = tensors[owner].detach() if index in plan.lost.get(owner, ()) else tensors[owner]
        params.append(tensor if tuple(tensor.shape) == shape else tensor.reshape(shape))
    return BoundStep(step, step.layer, tuple(params))


def execute(
    steps: Sequence[BoundStep],
    blobs: Blobs,
    context: Context,
    hook: Hook | None = None,
    reuse: bool = False,
    wanted: Collection[str] | None = None,
) -> None:
    """Runs the steps, none of them a source, and adds their tops to `blobs`. `hook` sees each layer's pass.

    What layers keep of the pass waits in `context` for `apply_updates`. With `reuse`, layers may write over bottoms
    that nobody reads again: where no other than these steps looks at the blobs. With `wanted`, each other blob is let
    go behind the last step that has to do with it.
    """
    last = {} if wanted is None else {name: i for i, each in enumerate(steps) for name in each.step.names}
    for i, (step, layer, params) in enumerate(steps):
        context.reuse = reuse and step.reuses
        bottoms = [blobs[name] for name in step.bottoms]
        for k in step.blocked:
            bottoms[k] = bottoms[k].detach()
        tops = layer.forward(bottoms, params, context)
        if hook is not None:
            hook(step, bottoms, tops)
        blobs.update(zip(step.tops, tops, strict=True))
        if wanted is not None:
            del bottoms, tops
            for name in step.names:
                if last[name] == i and name not in wanted:
                    del blobs[name]
