"""Which part of the image a unit of a map looks at: its receptive field, worked out from the layers' windows.

Of the rows a..b of a top, a convolution or pooling with kernel k, stride s, padding p and dilation d reads the rows
a·s - p .. b·s - p + (k - 1)·d. A deconvolution makes row i·s - p + j·d (0 <= j < k) from row i, so it reads
ceil((a + p - (k - 1)·d) / s) .. floor((b + p) / s). What has its bottom's height and width goes row by row; whatever
else reads all.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..layers.base import Shape
from ..layers.linear import Convolution, Deconvolution
from ..layers.pool import Pooling
from ..layers.unpool import Unpooling
from ..net.plan import Plan
from ..net.step import Step

Span = tuple[int, int]  # first and last
Box = tuple[Span, Span]  # of rows, of columns


def field(plan: Plan, images: str, blob: str, place: tuple[int, int]) -> Box | None:
    """The rows and columns of the image that the unit at `place` (y, x) of a map of `blob` looks at.

    None where it looks at no part but the whole: behind fully connected layers, or where blobs are no maps.
    """
    return _traced(plan, images, {blob: ((place[0], place[0]), (place[1], place[1]))})


def _traced(plan: Plan, images: str, seen: dict[str, Box]) -> Box | None:
    for step in reversed(plan.steps):
        wanted = [seen[top] for top in step.tops if top in seen]
        if not wanted or step.is_source:
            continue
        box = _around(wanted)
        for top in set(step.tops) - set(step.bottoms):
            seen.pop(top, None)
        for bottom in step.bottoms:
            read = _read(step, box, plan.shapes[bottom], plan.shapes[step.tops[0]])
            if read is None:
                return None
            seen[bottom] = _around([read, seen[bottom]]) if bottom in seen and bottom not in step.tops else read
    return seen.get(images)


def _around(boxes: Sequence[Box]) -> Box:
    rows, columns = zip(*boxes, strict=True)
    return _hull(rows), _hull(columns)


def _hull(spans: Sequence[Span]) -> Span:
    return min(first for first, _ in spans), max(last for _, last in spans)


def _read(step: Step, box: Box, bottom: Shape | None, top: Shape | None) -> Box | None:
    """The rows and columns of a bottom that a part of the top is made of."""
    if bottom is None or top is None or len(bottom) != 4 or len(top) != 4:
        return None
    found = _windows(step, bottom)
    if found is None:
        return box if bottom[2:] == top[2:] else None
    spread, windows = found
    spans = [
        (_made_of if spread else _under)(span, size, *window)
        for span, size, window in zip(box, bottom[2:], windows, strict=True)
    ]
    return (spans[0], spans[1])


def _windows(step: Step, bottom: Shape) -> tuple[bool, list[tuple[int, int, int, int]]] | None:
    """Whether the layer spreads its bottom, and kernel, stride, pad, dilation of both axes; None without windows."""
    layer = step.layer
    if isinstance(layer, (Convolution, Deconvolution)):
        return isinstance(layer, Deconvolution), list(zip(*layer.geometry(bottom), strict=True))
    if isinstance(layer, Pooling):
        kernel = layer.kernel or (bottom[2], bottom[3])
        return False, [(k, s, p, 1) for k, s, p in zip(kernel, layer.stride, layer.pad, strict=True)]
    if isinstance(layer, Unpooling):
        return True, [(k, s, 0, 1) for k, s in zip(layer.kernel, layer.stride, strict=True)]
    return None


def _under(span: Span, size: int, kernel: int, stride: int, pad: int, dilation: int) -> Span:
    return _inside(span[0] * stride - pad, span[1] * stride - pad + (kernel - 1) * dilation, size)


def _made_of(span: Span, size: int, kernel: int, stride: int, pad: int, dilation: int) -> Span:
    return _inside(-(-(span[0] + pad - (kernel - 1) * dilation) // stride), (span[1] + pad) // stride, size)


def _inside(first: int, last: int, size: int) -> Span:
    return min(max(first, 0), size - 1), min(max(last, 0), size - 1)
