"""Where an output's coordinate lies in an input, and the Crop that lays one blob upon another.

A map (axis, scale, shift) says: position x along the axes behind `axis` of one blob is position scale·x + shift of the
other; (None, 1, 0) is the identity, whatever the axes. For a layer it leads from its bottom to its top:

    Convolution, Pooling, Im2col    1/s, (p − (k' − 1)/2)/s        k' = (k − 1)·dilation + 1
    Deconvolution                   s,   (k' − 1)/2 − p
    Crop                            1,   −offset
    layers of single values         1,   0

Maps compose along a path, and those of two blobs meet at an ancestor. Layers are those of a NetSpec.
Source: Caffe's python/caffe/coord_map.py.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from .net_spec import Function, Top, layers

__all__ = [
    "AxisMismatchException", "UndefinedMapException", "compose", "conv_params", "coord_map", "coord_map_from_to",
    "crop", "crop_params", "inverse",
]  # fmt: skip

Map = tuple[Any, Any, Any]  # (axis or None, scale, shift); the last two are numbers or one per axis
IDENTITY: Map = (None, 1, 0)

PASS_THROUGH_LAYERS = [
    "AbsVal", "BatchNorm", "Bias", "BNLL", "Dropout", "Eltwise", "ELU", "Log", "LRN", "Exp", "MVN", "Power", "ReLU",
    "PReLU", "Scale", "Sigmoid", "Split", "TanH", "Threshold",
]  # fmt: skip
_OF_ONE_VALUE = {*PASS_THROUGH_LAYERS, "BN", "Clip", "Swish"}
_BY_HEIGHT_AND_WIDTH = ("pad_h", "pad_w", "kernel_h", "kernel_w", "stride_h", "stride_w")


class UndefinedMapException(Exception):
    """A layer whose outputs have no place in its input, such as InnerProduct."""


class AxisMismatchException(Exception):
    """Two maps along different axes."""


def conv_params(fn: Function) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """(axis, stride, kernel with its dilation, pad) of a layer that slides a window; arrays of one or one per axis.

    AssertionError where the settings are given as height and width.
    """
    settings = _settings(fn, "convolution_param", "pooling_param")
    given = [name for name in _BY_HEIGHT_AND_WIDTH if name in settings]
    if given:
        raise AssertionError(f"cropping does not support legacy _h/_w params ({fn.type_name}: {', '.join(given)})")
    if "kernel_size" not in settings:
        raise UndefinedMapException(f"{fn.type_name} without kernel_size has no coordinate map")
    kernel, dilation = _array(settings["kernel_size"]), _array(settings.get("dilation", 1))
    extent = (kernel - 1) * dilation + 1
    return settings.get("axis", 1), _array(settings.get("stride", 1)), extent, _array(settings.get("pad", 0))


def crop_params(fn: Function) -> tuple[int, np.ndarray]:
    """(axis, offset) of a Crop layer: its first cropped axis, 2 by default, and one offset or one per axis."""
    settings = _settings(fn, "crop_param")
    return settings.get("axis", 2), _array(settings.get("offset", 0))


def _settings(fn: Function, *messages: str) -> dict[str, Any]:
    """A layer's settings, however they were given: as keywords, or in its own message."""
    inner = [fn.params[name] for name in messages if name in fn.params]
    return inner[0] if inner else fn.params


def _array(value: Any) -> np.ndarray:
    return np.array(value, ndmin=1)


def coord_map(fn: Function) -> Map:
    """The map from a layer's bottom to its top. UndefinedMapException for a type that has none."""
    if fn.type_name in ("Convolution", "Pooling", "Im2col"):
        axis, stride, extent, pad = conv_params(fn)
        return axis, 1 / stride, (pad - (extent - 1) / 2) / stride
    if fn.type_name == "Deconvolution":
        axis, stride, extent, pad = conv_params(fn)
        return axis, stride, (extent - 1) / 2 - pad
    if fn.type_name in _OF_ONE_VALUE:
        return IDENTITY
    if fn.type_name == "Crop":
        axis, offset = crop_params(fn)
        return axis - 1, 1, -offset  # a map's axis is the last that it leaves alone
    raise UndefinedMapException(f"{fn.type_name} has no coordinate map")


def compose(base_map: Map, next_map: Map) -> Map:
    """The map x ↦ base(next(x)): scales multiply, the next shift is scaled. AxisMismatchException for other axes."""
    base_axis, base_scale, base_shift = base_map
    next_axis, next_scale, next_shift = next_map
    if None not in (base_axis, next_axis) and base_axis != next_axis:
        raise AxisMismatchException(f"maps along axis {base_axis} and along axis {next_axis} do not compose")
    axis = next_axis if base_axis is None else base_axis
    return axis, base_scale * next_scale, base_scale * next_shift + base_shift


def inverse(coord_map: Map) -> Map:
    """The map back: x ↦ (x − shift)/scale."""
    axis, scale, shift = coord_map
    return axis, 1 / scale, -shift / scale


def coord_map_from_to(top_from: Top, top_to: Top) -> Map:
    """The map from `top_from` to `top_to`, through the nearest blob that both are made of.

    RuntimeError if there is none, or only behind layers without a map.
    """
    from_maps = dict(_ancestors(top_from))
    for top, to_map in _ancestors(top_to):
        if top in from_maps:
            return compose(to_map, inverse(from_maps[top]))
    raise RuntimeError("Could not compute map between tops; are they connected by spatial layers?")


def _ancestors(last: Top) -> Iterator[tuple[Top, Map]]:
    """A blob and those that it is made of, nearest first, each once, with the map from there to the blob."""
    waiting: deque[tuple[Top, Map]] = deque([(last, IDENTITY)])
    seen = {last}
    while waiting:
        top, until_here = waiting.popleft()
        yield top, until_here
        # a Crop's second bottom gives only a size
        bottoms = top.fn.inputs[:1] if top.fn.type_name == "Crop" else top.fn.inputs
        try:
            step = compose(until_here, coord_map(top.fn)) if bottoms else until_here
        except UndefinedMapException:
            continue
        new = [bottom for bottom in dict.fromkeys(bottoms) if bottom not in seen]
        seen.update(new)
        waiting.extend((bottom, step) for bottom in new)


def crop(top_from: Top, top_to: Top) -> Top:
    """The Crop layer that lays `top_from` upon `top_to`, its axis and offsets computed from their paths.

    AssertionError where the scales differ, or an offset would be negative or no whole number.
    """
    axis, scale, shift = coord_map_from_to(top_from, top_to)
    _require(np.all(np.equal(scale, 1)), f"scale mismatch on crop (a = {scale})")
    _require(np.all(np.less_equal(shift, 0)), f"cannot crop negative width (b = {shift})")
    _require(np.all(np.round(shift) == shift), f"cannot crop noninteger width (b = {shift})")
    offset = [int(-value) for value in np.ravel(shift)]
    # an identity has no axis of its own: then Crop's default, the spatial axes
    return layers.Crop(top_from, top_to, crop_param={"axis": 2 if axis is None else axis + 1, "offset": offset})


def _require(holds: Any, sentence: str) -> None:
    if not holds:
        raise AssertionError(sentence)
