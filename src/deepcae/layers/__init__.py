"""What a layer computes: one class per Caffe layer type, under Caffe's name."""

from __future__ import annotations

from . import (
    activation,
    classify,
    join,
    linear,
    loss,
    neighbours,
    neuron,
    norm,
    pool,
    python,
    reduce,
    select,
    shape,
    sink,
    source,
    unpool,
)
from .base import Context, Layer, Learned, Shape
from .filler import check_filler, fill
from .registry import CAFFE_TYPES, make_layer

__all__ = [
    "CAFFE_TYPES", "Context", "Layer", "Learned", "Shape", "activation", "check_filler", "classify", "fill", "join",
    "linear", "loss", "make_layer", "neighbours", "neuron", "norm", "pool", "python", "reduce", "select", "shape",
    "sink", "source", "unpool",
]  # fmt: skip
