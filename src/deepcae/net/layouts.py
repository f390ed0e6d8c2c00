"""Data that a net treats as images, but that seem to be laid out otherwise: channels last, no channels, sides swapped.

Caffe takes any array of a fitting number of values. A text that states what it is for (`input_param` in its data
layer) is compared with the file by the plan; here is what can be said of other texts, by the look of a shape alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..data.layout import COLOURS, LARGE, misfit, samples
from ..errors import Problem
from ..layers.base import Shape, count
from ..layers.pool import Pooling
from ..layers.shape import Reshape
from .advice import authors_name
from .flow import Flow
from .graph import Graph
from .step import Step

Shapes = Mapping[str, Shape | None]
_LONG = 4  # a side at most so many times the other: a picture, not channels of a signal


def odd_layouts(graph: Graph, steps: Sequence[Step], shapes: Shapes) -> Iterator[Problem]:
    """Warnings of data from files, whose shape the text does not state, that seem to lie otherwise than it is read."""
    doubted: set[str] = set()
    for step in steps:
        if step.layer is None or not (step.layer.is_source and step.layer.reads_file):
            continue
        for index, top in enumerate(step.tops[len(step.layer.stated) :], len(step.layer.stated)):
            reader = next(_lookers(steps, shapes, top), None)
            shape = shapes.get(top)
            doubt = _doubt(reader, top, shape[1:]) if reader is not None and shape else ""
            if doubt:
                doubted.add(top)
                yield Problem(f"{step.node.label}: {doubt}", graph.place(step.node, "top", index))
    if not doubted:
        yield from _compared(graph, steps, shapes)


def _doubt(step: Step, blob: str, sample: Shape) -> str:
    """Why what a layer is to look at seems to lie otherwise; "" where nothing speaks for that."""
    told = f"'{blob}' is {samples(sample)}, which layer '{step.name}' reads as {{}}"
    if len(sample) == 2 and min(sample) >= LARGE and max(sample) <= _LONG * min(sample):
        return told.format(f"{sample[0]} channels of {sample[1]} values; images need a channel axis, data[:, None]")
    if len(sample) == 3 and sample[2] in COLOURS and min(sample[:2]) >= LARGE and _sees_width(step):
        parts = f"{sample[0]} channels of {sample[1]}x{sample[2]} pixels"
        return told.format(f"{parts}; if channels come last, store numpy.moveaxis(data, -1, 1)")
    return ""


def _sees_width(step: Step) -> bool:
    """Whether the layer's window is more than one pixel wide, or one pixel in all: not made for columns of a signal."""
    param = step.node.param
    if step.kind.convolves:
        settings: Any = param.convolution_param
        sizes = list(settings.kernel_size) or [settings.kernel_h, settings.kernel_w]
    elif issubclass(step.kind, Pooling):
        settings = param.pooling_param
        sizes = [settings.kernel_size] if settings.kernel_size else [settings.kernel_h, settings.kernel_w]
    else:
        return True
    return sizes[-1] > 1 or max(sizes) <= 1


def _lookers(steps: Sequence[Step], shapes: Shapes, blob: str) -> Iterator[Step]:
    """The layers that look at a blob as at images, or at what has its shape and stands for it."""
    same = {blob}
    for step in steps:
        if not step.bottoms or same.isdisjoint(step.bottoms):
            continue
        if step.kind.sees_images and step.bottoms[0] in same:
            yield step
        elif not issubclass(step.kind, Reshape):
            same.update(top for top in step.tops if shapes.get(top) == shapes.get(blob))


def _compared(graph: Graph, steps: Sequence[Step], shapes: Shapes) -> Iterator[Problem]:
    """Two images that a loss compares, of equally many values in another order."""
    flow = Flow(steps)
    for step in steps:
        if step.layer is None or not step.layer.compares or len(step.bottoms) != 2:
            continue
        made, target = flow.told_apart(step)
        first, second = shapes.get(made), shapes.get(target)
        if first is None or second is None or min(len(first), len(second)) < 3 or count(first, 1) != count(second, 1):
            continue
        if why := misfit(second[1:], first[1:], "data"):
            names = [authors_name(steps, name) for name in (made, target)]
            told = f"'{names[0]}' is {samples(first[1:])}, but '{names[1]}', with which it is compared,"
            yield Problem(f"{step.node.label}: {told} is {samples(second[1:])}: {why}", graph.place(step.node))
