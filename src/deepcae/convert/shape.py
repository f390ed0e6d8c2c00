"""Layers that move, join, pick and reduce elements, in ONNX."""

from __future__ import annotations

from functools import reduce

import numpy as np

from ..layers.base import canonical_axis
from ..layers.join import PROD, SUM
from ..layers.reduce import ASUM, MEAN, SUMSQ
from ..layers.shape import axis_or_legacy
from .writer import Dims, Refusal, Site, Value, known, product, writes


def _ones(dims: Dims) -> tuple[int, ...]:
    """A shape of as many axes, for the rules that count axes only."""
    return (1,) * len(dims)


@writes("Reshape", "Flatten")
def reshape(site: Site) -> list[Value]:
    return [site.reshape(site.bottoms[0], site.dims[0], site.tops[0])]


@writes("Split")
def split(site: Site) -> list[Value]:
    """The same value under several names."""
    return site.bottoms * len(site.tops)


@writes("Slice")
def slice_(site: Site) -> list[Value]:
    if len(site.tops) == 1:
        return site.bottoms
    axis = axis_or_legacy(site.text.slice_param, "slice_dim", _ones(site.dims[0]), "slice_param")
    sizes = [known(top, axis, axis + 1)[0] for top in site.tops]
    parts: list[Value] = site("Split", site.bottoms[0], site.graph.integers(*sizes), tops=len(sizes), axis=axis)
    return parts


@writes("Concat")
def concat(site: Site) -> list[Value]:
    axis = axis_or_legacy(site.text.concat_param, "concat_dim", _ones(site.dims[0]), "concat_param")
    return [site("Concat", *site.bottoms, axis=axis)]


@writes("Crop")
def crop(site: Site) -> list[Value]:
    settings, rank = site.text.crop_param, len(site.dims[0])
    axes = list(range(canonical_axis(settings.axis, _ones(site.dims[0])), rank))
    sizes = known(site.tops[0], axes[0])
    offsets = list(settings.offset) or [0]
    starts = offsets if len(offsets) == len(axes) else offsets * len(axes)
    ends = [start + size for start, size in zip(starts, sizes, strict=True)]
    numbers = site.graph.integers
    return [site("Slice", site.bottoms[0], numbers(*starts), numbers(*ends), numbers(*axes))]


@writes("Tile")
def tile(site: Site) -> list[Value]:
    repeats = list(_ones(site.dims[0]))
    repeats[canonical_axis(site.text.tile_param.axis, _ones(site.dims[0]))] = site.text.tile_param.tiles
    return [site("Tile", site.bottoms[0], site.graph.integers(*repeats))]


@writes("Eltwise")
def eltwise(site: Site) -> list[Value]:
    settings = site.text.eltwise_param
    terms = site.bottoms
    if settings.coeff:
        terms = [
            term if c == 1 else site("Mul", term, site.number(c)) for term, c in zip(terms, settings.coeff, strict=True)
        ]
    operator = {SUM: "Add", PROD: "Mul"}.get(settings.operation, "Max")
    return [reduce(lambda total, term: site(operator, total, term), terms)]


@writes("Softmax")
def softmax(site: Site) -> list[Value]:
    return [site("Softmax", site.bottoms[0], axis=site.text.softmax_param.axis)]


@writes("Reduction")
def reduction(site: Site) -> list[Value]:
    settings, rank = site.text.reduction_param, len(site.dims[0])
    operator = {ASUM: "ReduceL1", SUMSQ: "ReduceSumSquare", MEAN: "ReduceMean"}.get(settings.operation, "ReduceSum")
    axes = range(canonical_axis(settings.axis, _ones(site.dims[0])), rank)
    y = site(operator, site.bottoms[0], site.graph.integers(*axes), keepdims=0)
    return [y if settings.coeff == 1 else site("Mul", y, site.number(settings.coeff))]


@writes("ArgMax")
def arg_max(site: Site) -> list[Value]:
    """TopK takes the lower index of equal values, Caffe the greater one: so it looks at the values in reverse."""
    settings, dims, top = site.text.argmax_param, site.dims[0], site.tops[0]
    by_axis = settings.HasField("axis")
    rows = dims if by_axis else (dims[0], product(dims, 1))
    axis = canonical_axis(settings.axis, _ones(dims)) if by_axis else 1
    (size,) = known(rows, axis, axis + 1)
    numbers = site.graph.integers
    x = site.reshape(site.bottoms[0], dims, rows)
    backwards = site("Slice", x, numbers(-1), numbers(-size - 1), numbers(axis), numbers(-1))
    values, order = site("TopK", backwards, numbers(settings.top_k), tops=2, axis=axis)
    indices = site.float_of(site("Sub", site.graph.constant(size - 1, np.int64), order))
    if by_axis:
        return [values if settings.out_max_val else indices]
    found: Dims = (dims[0], settings.top_k)
    if not settings.out_max_val:
        return [site.reshape(indices, found, top)]
    both = [site.reshape(part, found, (dims[0], 1, settings.top_k)) for part in (indices, values)]
    return [site.reshape(site("Concat", *both, axis=1), (dims[0], 2, settings.top_k), top)]


@writes("Embed")
def embed(site: Site) -> list[Value]:
    weight, *bias = site.params
    y = site("Gather", weight, site.integer_of(site.bottoms[0]), axis=0)
    return [site("Add", y, bias[0]) if bias else y]


@writes("BatchReindex")
def batch_reindex(site: Site) -> list[Value]:
    return [site("Gather", site.bottoms[0], site.integer_of(site.bottoms[1]), axis=0)]


@writes("Filter")
def filter_(site: Site) -> list[Value]:
    *others, selector = site.bottoms
    if site.dims[0][0] is not None:
        raise Refusal("how many samples it selects only the data tell, but this graph needs a fixed batch size", "type")
    flat = site.reshape(selector, site.dims[-1], (None,))
    chosen = site("Not", site("Equal", flat, site.number(0.0)))
    return [site("Compress", other, chosen, axis=0) for other in others]


@writes("Parameter")
def parameter(site: Site) -> list[Value]:
    return site.params
