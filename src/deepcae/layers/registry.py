"""From a LayerParameter to its Layer: the names that Caffe knows, and those that we have."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import Any

from ..errors import LayerError
from .base import Arity, Layer, LayerClass

CAFFE_TYPES = frozenset(
    [
        "AbsVal", "Accuracy", "ArgMax", "BNLL", "BatchNorm", "BatchReindex", "Bias", "Clip", "Concat",
        "ContrastiveLoss", "Convolution", "Crop", "Data", "Deconvolution", "Dropout", "DummyData", "ELU",
        "Eltwise", "Embed", "EuclideanLoss", "Exp", "Filter", "Flatten", "HDF5Data", "HDF5Output",
        "HingeLoss", "Im2col", "ImageData", "InfogainLoss", "InnerProduct", "Input", "LRN", "LSTM",
        "LSTMUnit", "Log", "MVN", "MemoryData", "MultinomialLogisticLoss", "PReLU", "Parameter", "Pooling",
        "Power", "Python", "RNN", "ReLU", "Reduction", "Reshape", "SPP", "Scale", "Sigmoid",
        "SigmoidCrossEntropyLoss", "Silence", "Slice", "Softmax", "SoftmaxWithLoss", "Split", "Swish", "TanH",
        "Threshold", "Tile", "WindowData",
    ]
)  # fmt: skip


_UNROLL = (
    "recurrent layers are not supported; write the time steps out as layers (Slice, InnerProduct, Sigmoid, TanH, "
    "Eltwise) that share weights by param { name: ... }"
)
REFUSED = {
    "LSTM": _UNROLL,
    "LSTMUnit": _UNROLL,
    "RNN": _UNROLL,
    "WindowData": "it cuts the windows of an R-CNN list out of images as it trains, which is not supported; cut them "
    "out once, and read them by ImageData (a list of images) or HDF5Data",
}
"""Caffe's types that are not offered: why, and what to do instead."""


def make_layer(param: Any, phase: int) -> Layer:
    """The layer that a LayerParameter describes, its own settings and its number of bottoms and tops checked."""
    if param.type not in Layer.registry:
        raise LayerError(_unknown(param.type), "type" if param.HasField("type") else "")
    made = Layer.registry[param.type]
    _check_arity(made, "bottom", list(param.bottom), made.bottoms)
    if not (made.is_loss and not param.top):
        _check_arity(made, "top", list(param.top), made.tops)
    layer = made(param, phase)
    for index, (bottom, top) in enumerate(zip(param.bottom, param.top, strict=False)):
        if bottom == top and not made.in_place:
            raise LayerError(
                f"cannot work in place: its top '{top}' is its bottom; give the top another name", f"top.{index}"
            )
    return layer


@lru_cache(maxsize=4096)  # a text is planned for each of its phases, and likeness is slow to tell
def _unknown(kind: str) -> str:
    if not kind:
        return "type is missing"
    if kind in REFUSED:
        return f"layer type '{kind}': {REFUSED[kind]}"
    names = {name.lower(): name for name in sorted(CAFFE_TYPES | set(Layer.registry))}
    close = difflib.get_close_matches(kind.lower(), names, 1, 0.6)
    return f"unknown layer type '{kind}'" + (f"; did you mean '{names[close[0]]}'?" if close else "")


def _check_arity(made: LayerClass, side: str, given: list[str], arity: Arity) -> None:
    least, most = arity
    if least <= len(given) and (most is None or len(given) <= most):
        return
    wanted = f"{least}" if most == least else f"at least {least}" if most is None else f"{least} to {most}"
    noun = side if (least, most) == (1, 1) else f"{side}s"
    verb = "is" if len(given) == 1 else "are"
    raise LayerError(f"{made.type} has {wanted} {noun}, but {len(given)} {verb} given", side)
