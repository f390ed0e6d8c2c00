"""Codes as images.

In Caffe up to 2015 every blob had four axes and an InnerProduct gave (N, O, 1, 1), so that a network could feed it to a
Deconvolution as it was; today it gives (N, O). Old texts that do so get the Reshape that today needs.
"""

from __future__ import annotations

from .document import Document
from .schema import LayerParameter
from .spots import Spot

_SPATIAL = frozenset(("Convolution", "Deconvolution", "Pooling", "Unpooling"))
_KEEP_AXES = frozenset((
    "AbsVal", "BNLL", "Concat", "Dropout", "Eltwise", "Exp", "Power", "ReLU", "Sigmoid", "Slice", "Split", "TanH",
    "Threshold",
))  # fmt: skip


def insert_reshapes(document: Document) -> None:
    """Puts `Reshape (N, O) → (N, O, 1, 1)` before every spatial layer that is fed by an InnerProduct, perhaps through
    layers that keep its axes. Only the bottom of that layer is renamed, so all other consumers see what they saw."""
    message, spots = document.message, document.spot.fields["layer"]
    taken = {top for layer in message.layer for top in layer.top} | {layer.name for layer in message.layer}
    flat: set[str] = set()  # blobs that an InnerProduct made two-dimensional
    layers, new_spots = [], []
    for layer, spot in zip(message.layer, spots, strict=True):
        if layer.type in _SPATIAL:
            for index, bottom in enumerate(layer.bottom):
                if bottom in flat:
                    name = _free(f"{bottom}_as_image", taken)
                    layers.append(_reshape(name, bottom, layer))
                    new_spots.append(Spot(spot.at("bottom", index).place))
                    layer.bottom[index] = name
                    sentence = f"layer '{name}' (Reshape) inserted: '{layer.name}' needs '{bottom}' as 1x1 images"
                    document.note(sentence, new_spots[-1].place)
        makes_flat = layer.type == "InnerProduct" or (layer.type in _KEEP_AXES and flat.intersection(layer.bottom))
        flat = flat.union(layer.top) if makes_flat else flat.difference(layer.top)
        layers.append(layer)
        new_spots.append(spot)
    if len(layers) > len(message.layer):
        copies = [LayerParameter.FromString(layer.SerializeToString()) for layer in layers]
        message.ClearField("layer")
        message.layer.extend(copies)
        document.spot.fields["layer"] = new_spots


def _reshape(name: str, bottom: str, consumer: LayerParameter) -> LayerParameter:
    """The Reshape for one consumer, present in the phases in which that is."""
    layer = LayerParameter(name=name, type="Reshape", bottom=[bottom], top=[name])
    layer.reshape_param.shape.dim.extend([0, 0, 1, 1])
    layer.include.extend(consumer.include)
    layer.exclude.extend(consumer.exclude)
    return layer


def _free(name: str, taken: set[str]) -> str:
    """The name, with a number if it is taken; it is taken from then on."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}{count}"
    taken.add(free)
    return free
