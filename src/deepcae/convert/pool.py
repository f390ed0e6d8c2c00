"""Pooling, SPP, Unpooling and Upsample in ONNX.

Every rounding rule of Caffe is turned into explicit padding: no `ceil_mode` and no `count_include_pad`, on which the
versions of ONNX and its runtimes disagree.
"""

from __future__ import annotations

import numpy as np

from ..layers.pool import AVE, MAX, Pooling
from ..layers.unpool import TILE
from ..proto.schema import TRAIN
from .writer import Dims, Refusal, Site, Value, known, product, writes

LOWEST = float(np.finfo(np.float32).min)
Pair = tuple[int, int]


@writes("Pooling")
def pooling(site: Site) -> list[Value]:
    layer = site.layer
    assert isinstance(layer, Pooling)
    return _pool(site, layer, site.tops[0])


def _pool(site: Site, layer: Pooling, top: Dims) -> list[Value]:
    height, width = known(site.dims[0], 2)
    plane, outputs = (height, width), known(top, 2)
    kernel = layer.kernel or plane
    ends = [
        (out - 1) * s + k - size - p
        for size, out, k, s, p in zip(plane, outputs, kernel, layer.stride, layer.pad, strict=True)
    ]
    if layer.method == MAX:
        return _max(site, layer, kernel, [max(end, 0) for end in ends], plane)
    if layer.method == AVE:
        return [_average(site, layer, kernel, ends, plane, outputs)]
    if layer.phase == TRAIN:
        raise Refusal("draws at random in the TRAIN phase; the TEST phase has a rule instead", "pooling_param.pool")
    return [_stochastic(site, layer, kernel, ends)]


def _stochastic(site: Site, layer: Pooling, kernel: Pair, ends: list[int]) -> Value:
    """Σx² / Σx over each window, 0 where Σx is not positive."""
    x = _padded(site, site.bottoms[0], (*layer.pad, *ends), 0.0)
    sums, squares = (
        site("AveragePool", value, kernel_shape=kernel, strides=layer.stride) for value in (x, site("Mul", x, x))
    )
    positive = site("Greater", sums, site.number(0.0))
    return site("Where", positive, site("Div", squares, sums), site.number(0.0))


def _max(site: Site, layer: Pooling, kernel: Pair, ends: list[int], plane: Pair) -> list[Value]:
    x, pad, tops = site.bottoms[0], layer.pad, len(layer.param.top) if layer is site.layer else 1
    if all(end < k for end, k in zip(ends, kernel, strict=True)):
        made = site("MaxPool", x, tops=tops, kernel_shape=kernel, strides=layer.stride, pads=[*pad, *ends])
        if tops == 1:
            return [made]
        places = site("Mod", made[1], site.graph.constant(plane[0] * plane[1], np.int64))
        return [made[0], site.float_of(places)]
    # without padding a last window may lie outside of the image: its maximum is the lowest number, and its place -1
    padded = _padded(site, x, (0, 0, *ends), -np.inf)
    made = site("MaxPool", padded, tops=tops, kernel_shape=kernel, strides=layer.stride)
    y = site("Max", made if tops == 1 else made[0], site.number(LOWEST))
    return [y] if tops == 1 else [y, _places(site, made, ends, plane)]


def _places(site: Site, made: list[Value], ends: list[int], plane: Pair) -> Value:
    """Places in the padded plane as places in the plane itself, -1 where the window saw none of it."""

    def whole(number: int) -> Value:
        return site.graph.constant(number, np.int64)

    wide = plane[1] + ends[1]
    index = site("Mod", made[1], whole((plane[0] + ends[0]) * wide))
    row, column = site("Div", index, whole(wide)), site("Mod", index, whole(wide))
    place = site("Add", site("Mul", row, whole(plane[1])), column)
    empty = site("Equal", made[0], site.number(-np.inf))
    return site.float_of(site("Where", empty, whole(-1), place))


def _average(site: Site, layer: Pooling, kernel: Pair, ends: list[int], plane: Pair, outputs: tuple[int, ...]) -> Value:
    """The mean over whole windows, put right where a window hangs over the padded image: there its area is smaller."""
    x = _padded(site, site.bottoms[0], (*layer.pad, *ends), 0.0)
    y = site("AveragePool", x, kernel_shape=kernel, strides=layer.stride)
    lengths = []
    for size, out, k, s, p in zip(plane, outputs, kernel, layer.stride, layer.pad, strict=True):
        start = np.arange(out) * s - p
        lengths.append(np.maximum(np.minimum(start + k, size + p) - start, 1))
    areas = lengths[0][:, None] * lengths[1]
    if (areas == kernel[0] * kernel[1]).all():
        return y
    return site("Mul", y, site.graph.constant(kernel[0] * kernel[1] / areas))


def _padded(site: Site, x: Value, margins: tuple[int, ...], value: float) -> Value:
    """Rows and columns added (cut, if negative) before and behind: top, left, bottom, right."""
    if not any(margins):
        return x
    return site("Pad", x, site.graph.integers(*margins), site.number(value), site.graph.integers(2, 3))


@writes("SPP")
def spp(site: Site) -> list[Value]:
    """One pooling per level, flattened and joined."""
    shape = tuple(size or 1 for size in site.dims[0])
    levels: list[Pooling] = site.layer._levels(shape)  # type: ignore[attr-defined]
    pooled = []
    for level in levels:
        top: Dims = (*site.dims[0][:2], *level.shapes([shape])[0][2:])
        (y,) = _pool(site, level, top)
        pooled.append(y if len(levels) == 1 else site.reshape(y, top, (top[0], product(top, 1))))
    return pooled if len(pooled) == 1 else [site("Concat", *pooled, axis=1)]


@writes("Unpooling", "Upsample")
def unpooling(site: Site) -> list[Value]:
    layer, dims, top = site.layer, site.dims[0], site.tops[0]
    kernel: Pair = layer.kernel  # type: ignore[attr-defined]
    stride: Pair = layer.stride  # type: ignore[attr-defined]
    method: int = layer.method  # type: ignore[attr-defined]
    (h, w), (height, width) = known(dims, 2), known(top, 2)
    if method == MAX:
        flat = (*dims[:2], h * w)
        x = site.reshape(site.bottoms[0], dims, flat)
        if len(site.bottoms) == 2:
            mask = site.integer_of(site.reshape(site.bottoms[1], dims, flat))
            y = _at_places(site, x, mask, height * width)
        else:
            y = _at_corners(site, x, (h, w), stride, (height, width))
        return [site.reshape(y, (*dims[:2], height * width), top)]
    x = site.bottoms[0]
    lengths = [
        np.maximum(np.minimum(np.arange(n) * s + k, size) - np.arange(n) * s, 1)
        for n, s, k, size in zip((h, w), stride, kernel, (height, width), strict=True)
    ]
    if method != TILE:
        x = site("Div", x, site.graph.constant(lengths[0][:, None] * lengths[1]))
    return [_spread(site, x, dims, kernel, stride, (height, width))]


def _at_places(site: Site, x: Value, mask: Value, size: int) -> Value:
    """(N, C, h·w) at the mask's places of a plane of zeros; of several at one place the last, as onnxruntime has it."""
    planes = site("Shape", x, start=0, end=2)
    zeros = site("ConstantOfShape", site("Concat", planes, site.graph.integers(size), axis=0))
    return site("ScatterElements", zeros, mask, x, axis=2)


def _at_corners(site: Site, x: Value, small: Pair, stride: Pair, large: Pair) -> Value:
    """(N, C, h·w) at the top left corners of their cells: each place of the plane takes its value, or 0."""
    rows, columns = (np.minimum(np.arange(n) * s, size - 1) for n, s, size in zip(small, stride, large, strict=True))
    source = np.full(large[0] * large[1], -1)
    for index, place in enumerate((rows[:, None] * large[1] + columns).ravel()):
        source[place] = index  # of several the last
    taken = site("Gather", x, site.graph.constant(np.maximum(source, 0), np.int64), axis=2)
    return site("Where", site.graph.constant(source >= 0, np.bool_), taken, site.number(0.0))


def _spread(site: Site, x: Value, dims: Dims, kernel: Pair, stride: Pair, large: Pair) -> Value:
    """Each value on every place of its window, windows added, cut or filled up with zeros to the plane."""
    (channels,) = known(dims, 1, 2)
    ones = site.graph.constant(np.ones((channels, 1, *kernel)))
    y = site("ConvTranspose", x, ones, kernel_shape=kernel, strides=stride, group=channels)
    whole = [(n - 1) * s + k for n, s, k in zip(known(dims, 2), stride, kernel, strict=True)]
    return _padded(site, y, (0, 0, large[0] - whole[0], large[1] - whole[1]), 0.0)
