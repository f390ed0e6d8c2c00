"""Layers that normalise, scale and shift, in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np

from .writer import Dims, Site, Value, known, writes


@writes("BatchNorm")
def batch_norm(site: Site) -> list[Value]:
    """With the running sums as they stand; or, if the text says so, with each batch's own statistics."""
    layer: Any = site.layer
    x, rank = site.bottoms[0], len(site.dims[0])
    if not layer.global_stats:
        return [_standardised(site, x, [0, *range(2, rank)], layer.eps, None)[0]]
    sum_mean, sum_var, factor = site.values
    share = np.float32(0) if factor[0] == 0 else np.float32(1) / factor[0]
    ones, zeros = np.ones_like(sum_mean), np.zeros_like(sum_mean)
    parts = [site.graph.constant(part) for part in (ones, zeros, sum_mean * share, sum_var * share)]
    return [site("BatchNormalization", x, *parts, epsilon=layer.eps)]


def _standardised(site: Site, x: Value, axes: list[int], inside: float, outside: float | None) -> list[Value]:
    """(x - mean)/sqrt(var + inside), or /(sqrt(var) + outside); then mean and variance."""
    over = site.graph.integers(*axes)
    mean = site("ReduceMean", x, over, keepdims=1)
    centred = site("Sub", x, mean)
    variance = site("ReduceMean", site("Mul", centred, centred), over, keepdims=1)
    if outside is None:
        spread = site("Sqrt", site("Add", variance, site.number(inside)))
    else:
        spread = site("Add", site("Sqrt", variance), site.number(outside))
    return [site("Div", centred, spread), mean, variance]


@writes("BN")
def bn(site: Site) -> list[Value]:
    layer: Any = site.layer
    x, (scale, shift) = site.bottoms[0], site.params
    inference = layer.param.bn_param.bn_mode == layer.INFERENCE
    statistics = _standardised(site, x, [0, 2, 3], layer.EPS, None) if not inference or len(site.tops) > 1 else []
    y = x if inference else statistics[0]
    return [site("Add", site("Mul", y, scale), shift), *statistics[1:]][: len(site.tops)]


@writes("LRN")
def lrn(site: Site) -> list[Value]:
    layer: Any = site.layer
    settings, x = layer.settings, site.bottoms[0]
    size, alpha, beta = settings.local_size, settings.alpha, settings.beta
    if settings.norm_region != layer.WITHIN_CHANNEL:
        return [site("LRN", x, size=size, alpha=alpha, beta=beta, bias=settings.k)]
    margins = site.graph.integers(*[size // 2] * 4)
    squares = site("Pad", site("Mul", x, x), margins, site.number(0.0), site.graph.integers(2, 3))
    around = site("AveragePool", squares, kernel_shape=[size, size], strides=[1, 1])
    base = site("Add", site("Mul", around, site.number(alpha)), site.number(1.0))
    return [site("Mul", x, site("Pow", base, site.number(-beta)))]


@writes("MVN")
def mvn(site: Site) -> list[Value]:
    settings, x = site.text.mvn_param, site.bottoms[0]
    axes = list(range(1 if settings.across_channels else 2, len(site.dims[0])))
    if not axes:  # each element is its own mean
        return [site("Sub", x, x)]
    if settings.normalize_variance:
        return [_standardised(site, x, axes, 0.0, settings.eps)[0]]
    return [site("Sub", x, site("ReduceMean", x, site.graph.integers(*axes), keepdims=1))]


def _broadcast(site: Site, blob: Value, dims: Dims, axis: int) -> Value:
    """`blob` with ones behind it, so that its axes meet the bottom's from `axis` on."""
    return site.reshape(blob, dims, (*dims, *(1,) * (len(site.dims[0]) - axis - len(dims)))) if dims else blob


def _second(site: Site) -> tuple[Value, Dims, int]:
    """The blob that meets bottom 0, learned or given; its sizes; and the axis from which on they meet."""
    settings = getattr(site.text, site.layer.message)  # type: ignore[attr-defined]
    axis = settings.axis % len(site.dims[0]) if site.dims[0] else 0
    if len(site.bottoms) == 2:
        return site.bottoms[1], site.dims[1], axis
    return site.params[0], known(site.values[0].shape), axis


@writes("Scale")
def scale(site: Site) -> list[Value]:
    factor, dims, axis = _second(site)
    y = site("Mul", site.bottoms[0], _broadcast(site, factor, dims, axis))
    if not site.text.scale_param.bias_term:
        return [y]
    return [site("Add", y, _broadcast(site, site.params[-1], site.values[-1].shape, axis))]


@writes("Bias")
def bias(site: Site) -> list[Value]:
    shift, dims, axis = _second(site)
    return [site("Add", site.bottoms[0], _broadcast(site, shift, dims, axis))]
