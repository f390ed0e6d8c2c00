"""Which plane the places in a mask refer to: the plane of the blob that the mask's Pooling read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..layers.base import Shape
from ..layers.pool import Pooling
from ..layers.unpool import Unpooling
from .step import Step


def tell_pooled(steps: Sequence[Step], index: int, shape_of: Callable[[str], Shape | None]) -> None:
    """Tells the layer of a step that takes a mask the shape of what its Pooling read; None where that is not known."""
    step = steps[index]
    if isinstance(step.layer, Unpooling) and len(step.bottoms) == 2:
        maker = _pooling(steps, index, step.bottoms[1])
        step.layer.pooled = shape_of(maker.bottoms[0]) if maker is not None else None


def _pooling(steps: Sequence[Step], index: int, mask: str) -> Step | None:
    """The Pooling whose second top the step at `index` reads as `mask`, behind Splits."""
    for step in reversed(steps[:index]):
        if mask in step.tops:
            if step.kind.copies:
                mask = step.bottoms[0]
            else:
                return step if issubclass(step.kind, Pooling) and step.tops.index(mask) == 1 else None
    return None
