"""Losses and the activation before them: an activation that is applied twice, or never.

SigmoidCrossEntropyLoss, SoftmaxWithLoss and InfogainLoss apply theirs themselves: behind another, the sigmoid of 0..1
is 0.5..0.73, the usual cause of grey reconstructions. MultinomialLogisticLoss applies none: it needs probabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..layers.join import Concat
from .advice import authors_name
from .step import Step


def squashed_wrongly(steps: Sequence[Step], index: int) -> str | None:
    """What is wrong with the values that the loss at `index` gets in its first bottom; None where nothing is."""
    step = steps[index]
    if not step.bottoms:
        return None
    makers = list(_makers(steps, index, step.bottoms[0]))
    if own := step.kind.applies:
        for maker in makers:
            if maker.kind.gives == "squashed":
                return _twice(steps, step, own, maker)
    if step.kind.needs_probabilities:
        for maker in makers:
            if maker.kind.gives == "any":
                what = f"needs probabilities, but layer '{maker.name}' ({maker.type}) gives any numbers"
                return f"{what}; put a Softmax between them, or use SoftmaxWithLoss"
    return None


def _twice(steps: Sequence[Step], step: Step, own: str, maker: Step) -> str:
    reads = authors_name(steps, maker.bottoms[0])
    better = "" if maker.in_place else f" (let it read '{reads}')"
    squeezed = "into 0.5..0.73" if own == "sigmoid" else "towards equal chances"
    return (
        f"applies the {own} itself, but layer '{maker.name}' before it is a {maker.type}: "
        f"outputs are squeezed twice, {squeezed}; leave that layer out{better}"
    )


def _makers(steps: Sequence[Step], index: int, blob: str) -> Iterator[Step]:
    """The layers that computed the values of a blob as the step at `index` reads it."""
    waiting, seen = [(index, blob)], set()
    while waiting:
        before, name = waiting.pop()
        at = next((i for i in range(before - 1, -1, -1) if name in steps[i].tops), None)
        if at is None or (at, name) in seen:
            continue
        seen.add((at, name))
        if steps[at].kind.gives == "selected":
            bottoms = steps[at].bottoms if issubclass(steps[at].kind, Concat) else steps[at].bottoms[:1]
            waiting += [(at, bottom) for bottom in bottoms]
        else:
            yield steps[at]
