"""V0 (2013) to V1: `layer { type: "conv" kernelsize: 3 }` to `type: CONVOLUTION convolution_param {...}`."""

from __future__ import annotations

from typing import Any

from ..errors import Problem, SpecError
from .document import Document
from .legacy import V0_TYPES, v0_target
from .schema import is_repeated, message_class
from .spots import Spot, position
from .suggest import closest

_KEPT = ("name", "input", "input_dim", "force_backward", "layers")
V1LayerParameter = message_class("V1LayerParameter")


def upgrade_v0(document: Document) -> None:
    """Rewrites all layers of a V0 network as V1 layers, in place. Raises SpecError with all that has no V1 meaning."""
    message, spot = document.message, document.spot
    if not any(layer.HasField("layer") for layer in message.layers):
        return
    layers = list(zip(message.layers, spot.values("layers", len(message.layers)), strict=True))
    problems = [
        Problem(
            "'layers' without an inner 'layer' among the 2013 layers of this file: one syntax at a time", where.place
        )
        for layer, where in layers
        if not layer.HasField("layer")
    ]
    new = [_convert(layer, where, document, problems) for layer, where in _without_padding(message, layers, problems)]
    if problems:
        raise SpecError(sorted(problems, key=position))
    for field, _ in message.ListFields():
        if field.name not in _KEPT:
            document.note(f"'{field.name}' has no meaning in a 2013 file; dropped", spot.at(field.name).place)
            message.ClearField(field.name)
            spot.fields.pop(field.name, None)
    message.ClearField("layers")
    message.layers.extend(layer for layer, _ in new)
    spot.fields["layers"] = [where for _, where in new]


def _without_padding(message: Any, layers: list[tuple[Any, Spot]], problems: list[Problem]) -> list[tuple[Any, Spot]]:
    """Each `padding` layer goes into the `pad` of the conv and pool layers behind it."""
    makers: dict[str, Any] = dict.fromkeys(message.input)
    kept = []
    for layer, where in layers:
        for index, bottom in enumerate(layer.bottom):
            place = where.at("bottom", index).place
            if bottom not in makers:
                near = closest(bottom, makers)
                hint = f"; did you mean '{near}'?" if near else ""
                problems.append(Problem(f"bottom '{bottom}' is made by no earlier layer{hint}", place))
            elif (maker := makers[bottom]) is not None and maker.layer.type == "padding":
                if layer.layer.type not in ("conv", "pool") or len(layer.bottom) != 1 or len(maker.bottom) != 1:
                    problems.append(Problem("a padding layer can only go before one conv or pool layer", place))
                    continue
                layer.layer.pad = maker.layer.pad
                layer.bottom[index] = maker.bottom[0]
        makers.update((top, layer) for top in layer.top)
        if layer.layer.type != "padding":
            kept.append((layer, where))
    return kept


def _convert(layer: Any, where: Spot, document: Document, problems: list[Problem]) -> tuple[Any, Spot]:
    """One V0 layer as a V1 layer; settings that its type does not have are dropped with a note, as in Caffe."""
    old, settings = layer.layer, where.at("layer")
    new, spot = V1LayerParameter(bottom=layer.bottom, top=layer.top), Spot(where.place)
    spot.fields = {name: values for name, values in where.fields.items() if name in ("bottom", "top")}
    for field, value in old.ListFields():
        spots = settings.fields.get(field.name, [Spot(settings.place)])
        if field.name == "type":
            if value in V0_TYPES:
                new.type = new.LayerType.Value(V0_TYPES[value])
                spot.fields["type"] = spots
            else:
                near = closest(value, V0_TYPES)
                hint = f"; did you mean '{near}'?" if near else ""
                problems.append(Problem(f"'{value}' is no layer type of 2013{hint}", spots[0].place))
        elif (target := v0_target(field.name, old.type)) is not None:
            _assign(new, spot, target, field, value, spots)
        elif old.type in V0_TYPES:
            document.note(f"'{field.name}' has no meaning for a {old.type} layer; dropped", spots[0].place)
    return new, spot


def _assign(message: Any, spot: Spot, target: tuple[str, ...], field: Any, value: Any, spots: list[Spot]) -> None:
    """`message.<target> = value`, for a value of any kind; `pad` and the like are lists today and get one entry."""
    *parents, name = target
    for parent in parents:
        message, spot = getattr(message, parent), spot.fields.setdefault(parent, [Spot(spots[0].place)])[0]
    spot.fields[name] = spots
    goal = message.DESCRIPTOR.fields_by_name[name]
    if is_repeated(goal):
        getattr(message, name).extend(value if is_repeated(field) else [value])
    elif goal.message_type is not None:
        getattr(message, name).CopyFrom(value)
    else:
        setattr(message, name, value)
