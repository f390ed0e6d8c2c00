"""Losses in ONNX: scalars that compare a net's output with what it should be, for those who ask for them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..layers.base import canonical_axis
from ..layers.loss import BATCH_SIZE, FULL, GREATEST_LOG_LOSS, NONE, VALID
from .neuron import softplus
from .writer import Dims, Site, Value, known, writes


def _sum(site: Site, value: Value) -> Value:
    return site("ReduceSum", value, keepdims=0)


def _half_mean(site: Site, total: Value, over: Value) -> Value:
    """total / 2N, N the samples of `over`."""
    return site("Div", total, site("Mul", site.size_of(over, 0, 1), site.number(2.0)))


@writes("EuclideanLoss")
def euclidean_loss(site: Site) -> list[Value]:
    a, b = site.bottoms
    difference = site("Sub", a, site.reshape(b, site.dims[1], site.dims[0]))
    return [_half_mean(site, _sum(site, site("Mul", difference, difference)), a)]


@writes("SigmoidCrossEntropyLoss")
def sigmoid_cross_entropy_loss(site: Site) -> list[Value]:
    layer: Any = site.layer
    x, dims = site.bottoms[0], site.dims[0]
    target = site.reshape(site.bottoms[1], site.dims[1], dims)
    losses = site("Sub", softplus(site, x), site("Mul", x, target))
    valid = None
    if layer.ignored is not None:
        counted = site("Not", site("Equal", site.integer_of(target), site.graph.constant(layer.ignored, np.int64)))
        valid = site.float_of(counted)
        losses = site("Where", counted, losses, site.number(0.0))
    return [_normalized(site, _sum(site, losses), layer.normalization, x, (0, 1), dims, valid)]


def _normalized(
    site: Site, total: Value, mode: int, x: Value, outer: tuple[int, int], dims: Dims, valid: Value | None
) -> Value:
    """The summed loss over its normaliser: samples, all places, those not ignored (at least 1), or 1."""
    if mode == NONE:
        return total
    if mode == VALID and valid is not None:
        return site("Div", total, site("Max", _sum(site, valid), site.number(1.0)))
    if mode == BATCH_SIZE:
        return site("Div", total, site.size_of(x, *outer)) if outer[0] < outer[1] else total
    assert mode in (FULL, VALID)
    return site("Div", total, site.size_of(x, 0, len(dims)))


@writes("SoftmaxWithLoss")
def softmax_with_loss(site: Site) -> list[Value]:
    layer: Any = site.layer
    x, dims = site.bottoms[0], site.dims[0]
    axis = canonical_axis(site.text.softmax_param.axis, (1,) * len(dims))
    places: Dims = (*dims[:axis], 1, *dims[axis + 1 :])
    labels = site.reshape(site.integer_of(site.bottoms[1]), site.dims[1], places)
    valid = None
    if layer.ignored is not None:
        counted = site("Not", site("Equal", labels, site.graph.constant(layer.ignored, np.int64)))
        valid = site.float_of(counted)
        labels = site("Where", counted, labels, site.graph.constant(0, np.int64))
    losses = site("Neg", site("GatherElements", site("LogSoftmax", x, axis=axis), labels, axis=axis))
    losses = site("Min", losses, site.number(GREATEST_LOG_LOSS))
    if valid is not None:
        losses = site("Mul", losses, valid)
    return [_normalized(site, _sum(site, losses), layer.normalization, labels, (0, axis), places, valid)]


@writes("HingeLoss")
def hinge_loss(site: Site) -> list[Value]:
    """-1 stands at the label of each row, 1 elsewhere."""
    x, labels, classes = _rows(site)
    signs = site("OneHot", labels, site.graph.integers(classes), site.graph.constant([1.0, -1.0]), axis=1)
    margins = site("Relu", site("Add", site("Mul", x, signs), site.number(1.0)))
    if site.text.hinge_loss_param.norm == 2:
        margins = site("Mul", margins, margins)
    return [site("Div", _sum(site, margins), site.size_of(x, 0, 1))]


@writes("MultinomialLogisticLoss")
def multinomial_logistic_loss(site: Site) -> list[Value]:
    p, labels, _ = _rows(site)
    picked = site("GatherElements", p, site("Unsqueeze", labels, site.graph.integers(1)), axis=1)
    logs = site("Log", site("Max", picked, site.number(1e-20)))
    return [site("Div", site("Neg", _sum(site, logs)), site.size_of(p, 0, 1))]


def _rows(site: Site) -> tuple[Value, Value, int]:
    """Scores (N, C), labels (N) and C."""
    dims = site.dims[0]
    classes = math.prod(known(dims, 1))
    x = site.reshape(site.bottoms[0], dims, (dims[0], classes))
    return x, site.reshape(site.integer_of(site.bottoms[1]), site.dims[1], (site.dims[1][0],)), classes


@writes("ContrastiveLoss")
def contrastive_loss(site: Site) -> list[Value]:
    settings = site.text.contrastive_loss_param
    a, b = (
        site.reshape(value, dims, (dims[0], math.prod(known(dims, 1))))
        for value, dims in zip(site.bottoms[:2], site.dims[:2], strict=True)
    )
    difference = site("Sub", a, b)
    squares = site("ReduceSumSquare", difference, site.graph.integers(1), keepdims=0)
    if settings.legacy_version:
        apart = site("Relu", site("Sub", site.number(settings.margin), squares))
    else:
        short = site("Relu", site("Sub", site.number(settings.margin), site("Sqrt", squares)))
        apart = site("Mul", short, short)
    kind = site.reshape(site.integer_of(site.bottoms[2]), site.dims[2], (site.dims[2][0],))
    similar = site("Not", site("Equal", kind, site.graph.constant(0, np.int64)))
    return [_half_mean(site, _sum(site, site("Where", similar, squares, apart)), a)]
