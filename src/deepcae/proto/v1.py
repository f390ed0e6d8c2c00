"""V1 (2014, and the 2015 fork with Unpooling) to today's: `layers { type: RELU }` to `layer { type: "ReLU" }`."""

from __future__ import annotations

from typing import Any

from .document import Document
from .legacy import LAYER_TYPES
from .schema import is_repeated
from .spots import Spot

MOVED = ("scale", "mean_file", "crop_size", "mirror")
DATA_PARAMS = {"Data": "data_param", "ImageData": "image_data_param", "WindowData": "window_data_param"}
_PER_BLOB = {"param": "name", "blob_share_mode": "share_mode", "blobs_lr": "lr_mult", "weight_decay": "decay_mult"}


def upgrade_v1(document: Document) -> None:
    """Rewrites all `layers` as `layer`, in place."""
    message, spot = document.message, document.spot
    if not message.layers:
        return
    where = spot.values("layers", len(message.layers))
    for layer, layer_spot in zip(message.layers, where, strict=True):
        _move_transform(layer, layer_spot, document)
    spot.fields["layer"] = [
        _convert(layer, layer_spot, message.layer.add())
        for layer, layer_spot in zip(message.layers, where, strict=True)
    ]
    message.ClearField("layers")
    spot.fields.pop("layers", None)


def _move_transform(layer: Any, spot: Spot, document: Document) -> None:
    """What a data layer does to its images stood in its data_param before transform_param was made."""
    name = DATA_PARAMS.get(LAYER_TYPES[_type_name(layer)])
    if name is None or not layer.HasField(name):
        return
    data, data_spot = getattr(layer, name), spot.at(name)
    for field in MOVED:
        if data.HasField(field):
            place = data_spot.at(field).place
            setattr(layer.transform_param, field, getattr(data, field))
            data.ClearField(field)
            transform = spot.fields.setdefault("transform_param", [Spot(place)])[0]
            transform.fields[field] = data_spot.fields.pop(field, [Spot(place)])
            document.note(f"'{field}' moved from {name} to transform_param", place)


def _type_name(layer: Any) -> str:
    return str(layer.LayerType.Name(layer.type))


def _convert(old: Any, spot: Spot, new: Any) -> Spot:
    """Fills the LayerParameter `new` with the V1 layer `old`; returns its spot, which points to the old text."""
    new_spot = Spot(spot.place)
    for field, value in old.ListFields():
        spots = spot.values(field.name, len(value) if is_repeated(field) else 1)
        if field.name == "type":
            new.type = LAYER_TYPES[_type_name(old)]
        elif field.name in _PER_BLOB:
            _per_blob(new, new_spot, _PER_BLOB[field.name], value, spots)
            continue
        elif is_repeated(field):
            getattr(new, field.name).extend(value)
        elif field.message_type is not None:
            getattr(new, field.name).CopyFrom(value)
        else:
            setattr(new, field.name, value)
        new_spot.fields[field.name] = spots
    return new_spot


def _per_blob(new: Any, spot: Spot, name: str, values: Any, spots: list[Spot]) -> None:
    """`blobs_lr: 1 blobs_lr: 2` → `param { lr_mult: 1 } param { lr_mult: 2 }`, and the like."""
    params = spot.fields.setdefault("param", [])
    for index, (value, where) in enumerate(zip(values, spots, strict=True)):
        if index == len(new.param):
            new.param.add()
            params.append(Spot(where.place))
        setattr(new.param[index], name, value)
        params[index].fields[name] = [where]
