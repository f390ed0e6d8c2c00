"""The layers of a designed auto-encoder as text: the convolutional (or fully connected) way to the code and back.

Named as the paper's CAE is. Every activation is a blob of its own. Weights are drawn so that each layer keeps the
variance of what it is given, however many layers there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from .design import Design, Maps, Window
from .text import block, layer, one_pixel_maps

Fillers = tuple[str, str]  # of the weights and of the bias
CODE = "The code: linear, no activation."
SLOW = 0.1  # of the rate: PCA's code is best for PCA's decoder, so at first there is only noise to learn from
ZERO = ('weight_filler { type: "constant" }', 'bias_filler { type: "constant" }')


def encoder(plan: Design, images: str, code: str, last: Fillers | None = None, rate: float = 1.0) -> Iterator[str]:
    """From the blob `images` to the blob `code` (N, dims); `last`: the fillers of its layer, `rate`: its lr_mult."""
    bottom, before, size = images, plan.image, plan.image.elements
    for number, maps in enumerate(plan.maps, start=1):
        name = f"conv{number}"
        std = _std(before.count * maps.taps, activated=number > 1)
        yield from _activated(name, _filter("Convolution", name, bottom, maps, maps.windows, _fillers(std)))
        bottom, before, size = f"{name}elu", maps, maps.elements
    for number, count in enumerate(plan.hidden, start=1):
        name = f"ip{number}encode"
        std = _std(size, activated=number > 1 or bool(plan.maps))
        yield from _activated(name, _neurons(name, bottom, count, _fillers(std)))
        bottom, size = f"{name}elu", count
    note = CODE if last is None else "It learns slowly: at first the code is better as it is." if rate < 1 else ""
    yield _neurons(code, bottom, plan.dims, last or _fillers(_std(size)), note, rate)


def decoder(plan: Design, code: str, made: str, last: Fillers | None = None) -> Iterator[str]:
    """From the blob `code` to the blob `made`, of the image's shape; `last`: the fillers of its layer.

    Each deconvolution undoes the convolution of its number; an output pixel sees taps / strides of its kernel.
    """
    bottom, size = code, plan.dims
    for number, count in enumerate(reversed(plan.hidden), start=1):
        name = f"ip{number}decode"
        yield from _activated(name, _neurons(name, bottom, count, _fillers(_std(size, activated=number > 1))))
        bottom, size = f"{name}elu", count
    if plan.maps:
        yield from _deconvolutions(plan, bottom, made, last)
        return
    flat = made if len(plan.given) == 1 else f"{made}flat"
    yield _neurons(flat, bottom, plan.image.elements, last or _fillers(_std(size) / 4))
    if flat != made:
        yield as_image(flat, made, plan.given)


def _deconvolutions(plan: Design, bottom: str, made: str, last: Fillers | None) -> Iterator[str]:
    yield one_pixel_maps(bottom, plan.hidden[0])
    smallest, name = plan.maps[-1], f"deconv{len(plan.maps)}"
    whole = (Window(smallest.height, 1, 0), Window(smallest.width, 1, 0))
    spread = _fillers(_std(plan.hidden[0]))
    yield from _activated(name, _filter("Deconvolution", name, "ip1decodesh", smallest, whole, spread))
    for number in range(len(plan.maps) - 1, -1, -1):
        given, target = plan.maps[number], (plan.image, *plan.maps)[number]
        bottom, name = f"deconv{number + 1}elu", f"deconv{number}" if number else made
        std = _std(given.count * given.taps / (given.windows[0].stride * given.windows[1].stride))
        if number:
            yield from _activated(name, _filter("Deconvolution", name, bottom, target, given.windows, _fillers(std)))
        else:  # no activation, and it starts near 0
            yield _filter("Deconvolution", name, bottom, target, given.windows, last or _fillers(std / 4))


def as_image(bottom: str, top: str, image: Sequence[int]) -> str:
    """Flat values of the blob `bottom` as images."""
    dims = " ".join(f"dim: {size}" for size in (0, *image))
    shape = ", ".join(map(str, ("N", *image)))
    return layer(top, "Reshape", [bottom], [top], [f"reshape_param {{ shape {{ {dims} }} }}"], note=f"({shape})")


def shape_of(maps: Maps) -> str:
    return f"(N, {maps.count}, {maps.height}, {maps.width})"


def _std(inputs: float, activated: bool = True) -> float:
    """Of weights that give a sum of `inputs` products the variance of one factor; √2 times that behind an ELU."""
    return math.sqrt((2 if activated else 1) / inputs)


def _filter(kind: str, name: str, bottom: str, made: Maps, windows: tuple[Window, Window], fillers: Fillers) -> str:
    lines = [
        f"{both}: {down}" if down == across else f"{stem}_h: {down} {stem}_w: {across}"
        for both, stem, down, across in zip(
            ("kernel_size", "stride", "pad"), ("kernel", "stride", "pad"), *windows, strict=True
        )
    ]
    body = block("convolution_param", f"num_output: {made.count}", *lines, *fillers)
    return layer(name, kind, [bottom], [name], body, note=shape_of(made))


def _neurons(name: str, bottom: str, count: int, fillers: Fillers, note: str = "", rate: float = 1.0) -> str:
    rates = [f"param {{ lr_mult: {rate:g} }}"] * 2 if rate != 1 else []
    body = rates + block("inner_product_param", f"num_output: {count}", *fillers)
    return layer(name, "InnerProduct", [bottom], [name], body, note=note)


def _fillers(std: float) -> Fillers:
    return f'weight_filler {{ type: "gaussian" std: {std:.3g} }}', 'bias_filler { type: "constant" }'


def _activated(name: str, text: str) -> tuple[str, str]:
    return text, layer(f"{name}elu", "ELU", [name], [f"{name}elu"])
