"""Data that go into a net's first weights unscaled, far from the 0..1 that nets learn from.

Caffe takes values of any size. Bytes and 16-bit numbers are meant to be scaled by the text (`transform_param`), or by a
layer behind the data (Power, Scale, BatchNorm, ...); a text without either trains, but badly and without a word.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import Problem
from ..layers.pool import Pooling
from .plan import Plan
from .step import Step

if TYPE_CHECKING:
    from ..data.span import Span

LARGE = 30.0  # values beyond this are no numbers about 0..1, nor standardized ones
CENTRED = 300.0  # with a mean taken off: more than bytes are, which Caffe's networks for ImageNet take unscaled


@dataclass(frozen=True)
class Unscaled:
    """`layer` and `blob` of a source whose values lie in `least`..`most`, and the problem in words."""

    problem: Problem
    layer: str
    blob: str
    least: float
    most: float


def unscaled(plan: Plan, spans: Mapping[str, Span]) -> Iterator[Unscaled]:
    """The data of the net's files that a layer multiplies with weights though they are large; `spans`: by blob."""
    for step in plan.sources:
        if not step.kind.reads_file:
            continue
        for index, top in enumerate(step.tops):
            span, reader = spans.get(top), _multiplies(plan, top)
            if span is None or not span.values or reader is None:
                continue
            param = step.node.param.transform_param if index == 0 else None
            if max(-span.least, span.most) > _most_allowed(param):
                told = f"'{top}' lies in {span}, which layer '{reader.name}' reads unscaled; nets learn from about 0..1"
                told = f"{step.node.label}: {told}: {_cure(span, param, index)}"
                place = plan.graph.place(step.node, "top", index)
                yield Unscaled(Problem(told, place), step.name, top, span.least, span.most)


def _multiplies(plan: Plan, blob: str) -> Step | None:
    """The first layer that multiplies the blob's own values with weights; None where others change them before."""
    same = {blob}
    for step in plan.steps:
        if step.is_source or same.isdisjoint(step.bottoms):
            continue
        if step.kind.is_product and step.bottoms[0] in same and step.layer and 0 not in step.layer.no_gradient:
            return step  # what is no index of a row (Embed)
        kind = step.kind
        keeps = kind.copies or kind.is_view or kind.gives == "selected" or issubclass(kind, Pooling)
        if keeps and not step.kind.is_loss:
            same.update(step.tops)
        elif step.in_place:
            same.difference_update(step.tops)
    return None


def _most_allowed(param: Any) -> float:
    centred = param is not None and param.scale == 1 and (param.mean_value or param.mean_file)
    return CENTRED if centred else LARGE


def _cure(span: Span, param: Any, index: int) -> str:
    """What to write into the text."""
    from ..data.span import into_unit  # loads numpy

    if index or math.isinf(span.most):
        return "scale them in the file, or by a Power layer"
    if param.mean_value or param.mean_file:
        scale = param.scale / max(-span.least, span.most)
        return f"transform_param {{ ... scale: {scale:.3g} }} brings them to -1..1"
    if param.scale != 1:
        least, most = (end / param.scale for end in (span.least, span.most))
        return f"scale: {param.scale:.6g} is for others; {into_unit(min(least, most), max(least, most))}"
    return into_unit(span.least, span.most)
