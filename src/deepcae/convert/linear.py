"""Convolution, Deconvolution, Im2col and InnerProduct in ONNX."""

from __future__ import annotations

import math

import numpy as np

from .writer import Dims, Refusal, Site, Value, known, product, writes


def _planes(site: Site, axis: int, value: Value, dims: Dims) -> Value:
    """A bottom as (N, C, ...): the axes before `axis` become one."""
    return site.reshape(value, dims, (product(dims, 0, axis), *dims[axis:]))


def _back(site: Site, axis: int, value: Value, top: Dims) -> Value:
    return site.reshape(value, (product(top, 0, axis), *top[axis:]), top)


def _geometry(site: Site, dims: Dims) -> tuple[int, tuple[tuple[int, ...], ...]]:
    """The channel axis; kernel, stride, pad and dilation of each spatial axis."""
    shape = tuple(size or 1 for size in dims)
    layer = site.layer
    axis: int = layer.channel_axis(shape)  # type: ignore[attr-defined]
    geometry: tuple[tuple[int, ...], ...] = layer.geometry(shape)  # type: ignore[attr-defined]
    if not geometry[0]:
        raise Refusal("has no spatial axes; ONNX convolves at least one", "convolution_param")
    return axis, geometry


def _convolve(site: Site, bottom: Value, dims: Dims, top: Dims, weights: list[Value], group: int) -> Value:
    """Caffe's number of windows, also where the last one overhangs the padding: the end is padded as far as needed."""
    axis, (kernel, stride, pad, dilation) = _geometry(site, dims)
    sizes, outputs = known(dims, axis + 1), known(top, axis + 1)
    ends = [
        max(p, (out - 1) * s + d * (k - 1) + 1 - size - p)
        for size, out, k, s, p, d in zip(sizes, outputs, kernel, stride, pad, dilation, strict=True)
    ]
    y = site(
        "Conv", _planes(site, axis, bottom, dims), *weights, kernel_shape=kernel, strides=stride,
        pads=[*pad, *ends], dilations=dilation, group=group,
    )  # fmt: skip
    return _back(site, axis, y, top)


@writes("Convolution")
def convolution(site: Site) -> list[Value]:
    group = site.text.convolution_param.group
    return [
        _convolve(site, bottom, dims, top, site.params, group)
        for bottom, dims, top in zip(site.bottoms, site.dims, site.tops, strict=True)
    ]


@writes("Deconvolution")
def deconvolution(site: Site) -> list[Value]:
    tops = []
    for bottom, dims, top in zip(site.bottoms, site.dims, site.tops, strict=True):
        axis, (kernel, stride, pad, dilation) = _geometry(site, dims)
        y = site(
            "ConvTranspose", _planes(site, axis, bottom, dims), *site.params, kernel_shape=kernel, strides=stride,
            pads=[*pad, *pad], dilations=dilation, group=site.text.convolution_param.group,
        )  # fmt: skip
        tops.append(_back(site, axis, y, top))
    return tops


@writes("Im2col")
def im2col(site: Site) -> list[Value]:
    """A convolution whose kernels each pick one place of one channel."""
    dims = site.dims[0]
    axis, (kernel, *_) = _geometry(site, dims)
    (channels,) = known(dims, axis, axis + 1)
    places = math.prod(kernel)
    picks = np.tile(np.eye(places, dtype=np.float32), (channels, 1)).reshape(channels * places, 1, *kernel)
    return [_convolve(site, site.bottoms[0], dims, site.tops[0], [site.graph.constant(picks)], channels)]


@writes("InnerProduct")
def inner_product(site: Site) -> list[Value]:
    settings, dims, top = site.text.inner_product_param, site.dims[0], site.tops[0]
    axis = len(top) - 1
    rows: Dims = (*dims[:axis], product(dims, axis))
    x = site.reshape(site.bottoms[0], dims, rows)
    weight, *bias = site.params
    if axis == 1:
        return [site("Gemm", x, weight, *bias, transB=0 if settings.transpose else 1)]
    y = site("MatMul", x, weight if settings.transpose else site("Transpose", weight, perm=[1, 0]))
    return [site("Add", y, bias[0]) if bias else y]
