"""Element-wise layers in ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from ..proto.schema import TRAIN
from .writer import Refusal, Site, Value, known, writes

_ONE_OPERATOR = {"Sigmoid": "Sigmoid", "TanH": "Tanh", "AbsVal": "Abs"}


@writes(*_ONE_OPERATOR)
def one_operator(site: Site) -> list[Value]:
    return [site(_ONE_OPERATOR[site.layer.type], site.bottoms[0])]


@writes("ReLU")
def relu(site: Site) -> list[Value]:
    slope = site.text.relu_param.negative_slope
    return [site("LeakyRelu", site.bottoms[0], alpha=slope) if slope else site("Relu", site.bottoms[0])]


@writes("ELU")
def elu(site: Site) -> list[Value]:
    return [site("Elu", site.bottoms[0], alpha=site.text.elu_param.alpha)]


@writes("PReLU")
def prelu(site: Site) -> list[Value]:
    slope, rank = site.params[0], len(site.dims[0])
    if not site.text.prelu_param.channel_shared:
        channels = known(site.dims[0], 1, 2)
        slope = site.reshape(slope, channels, (*channels, *(1,) * (rank - 2)))
    return [site("PRelu", site.bottoms[0], slope)]


@writes("BNLL")
def bnll(site: Site) -> list[Value]:
    """log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which is finite for every x."""
    return [softplus(site, site.bottoms[0])]


def softplus(site: Site, x: Value) -> Value:
    """max(x, 0) + log(1 + exp(-|x|))."""
    tail = site("Exp", site("Neg", site("Abs", x)))
    return site("Add", site("Relu", x), site("Log", site("Add", tail, site.number(1.0))))


def affine(site: Site, x: Value, scale: float, shift: float) -> Value:
    """scale·x + shift, without what changes nothing."""
    x = x if scale == 1 else site("Mul", x, site.number(scale))
    return x if shift == 0 else site("Add", x, site.number(shift))


@writes("Power")
def power(site: Site) -> list[Value]:
    layer: Any = site.layer
    x = site.bottoms[0]
    if layer.constant is not None:
        value = onnx.numpy_helper.from_array(np.array([layer.constant], np.float32))
        return [site("ConstantOfShape", site("Shape", x), value=value)]
    base = affine(site, x, layer.scale, layer.shift)
    if layer.power == 1:
        return [base]
    return [site("Mul", base, base) if layer.power == 2 else site("Pow", base, site.number(layer.power))]


@writes("Exp")
def exp(site: Site) -> list[Value]:
    layer: Any = site.layer
    return [affine(site, site("Exp", affine(site, site.bottoms[0], layer.inner, 0)), layer.outer, 0)]


@writes("Log")
def log(site: Site) -> list[Value]:
    layer: Any = site.layer
    y = site("Log", affine(site, site.bottoms[0], layer.scale, layer.shift))
    return [y if layer.log_base == 1 else site("Div", y, site.number(layer.log_base))]


@writes("Clip")
def clip(site: Site) -> list[Value]:
    """The lower bound wins where the two are crossed."""
    settings = site.text.clip_param
    return [site("Max", site("Min", site.bottoms[0], site.number(settings.max)), site.number(settings.min))]


@writes("Swish")
def swish(site: Site) -> list[Value]:
    x = site.bottoms[0]
    return [site("Mul", x, site("Sigmoid", affine(site, x, site.text.swish_param.beta, 0)))]


@writes("Threshold")
def threshold(site: Site) -> list[Value]:
    limit = site.number(site.text.threshold_param.threshold)
    return [site.float_of(site("Greater", site.bottoms[0], limit))]


@writes("Dropout")
def dropout(site: Site) -> list[Value]:
    if site.layer.phase == TRAIN and site.text.dropout_param.dropout_ratio:
        raise Refusal("drops at random in the TRAIN phase; the TEST phase has nothing to drop", "type")
    return [site.bottoms[0]]
