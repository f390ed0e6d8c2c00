"""What to change where a decoder misses its input's size: by how much, and which kernel would fit.

A deconvolution gives `stride*(in-1) + kernel_extent - 2*pad`, so `d` missing pixels are `d` more of kernel extent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..layers.base import Shape
from ..layers.linear import Deconvolution
from ..layers.unpool import Unpooling
from .flow import Flow
from .step import Step

_SPATIAL_AXES = 2


def explain_mismatch(steps: Sequence[Step], index: int, shapes: Mapping[str, Shape | None]) -> str | None:
    """A sentence for a comparing loss (step `index`) whose two images differ in height or width; None for others."""
    step = steps[index]
    if step.layer is None or not step.layer.compares or len(step.bottoms) != 2:
        return None
    if not _differ(*(shapes.get(name) for name in step.bottoms)):
        return None
    pair = Flow(steps[: index + 1]).told_apart(step)
    got, wanted = (shapes.get(name) or () for name in pair)
    output, target = (authors_name(steps, name) for name in pair)
    missed = " and ".join(
        f"{abs(w - g)} too {'small' if w > g else 'large'} in {axis}"
        for axis, g, w in zip(("height", "width"), got[2:], wanted[2:], strict=True)
        if g != w
    )
    sentence = f"'{output}' is {_size(got)}, but '{target}', with which it is compared, is {_size(wanted)}: {missed}"
    return sentence + _kernel_that_fits(steps, index, output, got, wanted)


def _differ(one: Shape | None, other: Shape | None) -> bool:
    """Whether both are images, of another height or width."""
    return one is not None and other is not None and len(one) == len(other) == 4 and one[2:] != other[2:]


def authors_name(steps: Sequence[Step], blob: str) -> str:
    """The name of a blob in the text: for a split's top, that of the split's bottom."""
    maker = next((step for step in steps if blob in step.tops), None)
    return maker.bottoms[0] if maker is not None and maker.kind.copies else blob


def _size(shape: Shape) -> str:
    return "x".join(str(dim) for dim in shape[1:])


def _kernel_that_fits(steps: Sequence[Step], index: int, blob: str, got: Shape, wanted: Shape) -> str:
    """Advice on the last (de)convolution with a kernel larger than 1 on the way to `blob`."""
    for step in reversed(steps[:index]):
        if blob not in step.tops or not step.bottoms:
            continue
        if issubclass(step.kind, Unpooling):
            return ""  # it gives one size, whatever comes in
        blob = step.bottoms[0]
        param = step.node.param.convolution_param
        if not issubclass(step.kind, Deconvolution) or list(param.kernel_size) == [1]:
            continue
        kernel = list(param.kernel_size) * (_SPATIAL_AXES if len(param.kernel_size) == 1 else 1)
        if len(kernel) != _SPATIAL_AXES:
            kernel = [param.kernel_h, param.kernel_w]
        dilation = (list(param.dilation) or [1]) * _SPATIAL_AXES
        missing = [w - g for g, w in zip(got[2:], wanted[2:], strict=True)]
        fitting = [k + d // dil for k, d, dil in zip(kernel, missing, dilation, strict=False)]
        if any(d % dil for d, dil in zip(missing, dilation, strict=False)) or min(fitting) < 1:
            return ""
        now, new = (_kernel_text(sizes) for sizes in (kernel, fitting))
        return f"; kernel_size {new} in layer '{step.name}' (now {now}) would fit"
    return ""


def _kernel_text(sizes: Sequence[int]) -> str:
    return str(sizes[0]) if len(set(sizes)) == 1 else "x".join(map(str, sizes))
