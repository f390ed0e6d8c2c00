"""Networks written as Python expressions:

    n = NetSpec()
    n.data, n.label = layers.HDF5Data(source="train.txt", batch_size=64, ntop=2)
    n.ip1 = layers.InnerProduct(n.data, num_output=10, weight_filler=dict(type="xavier"))
    n.loss = layers.SoftmaxWithLoss(n.ip1, n.label)
    text = str(n.to_proto())

A call of `layers.<Type>` makes a Function, the layer to be; what it gives is its Top or Tops, the blobs to be.
Source: Caffe's python/caffe/net_spec.py.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

from ..proto.schema import LayerParameter, NetParameter, is_repeated, message_class

__all__ = [
    "Function",
    "Layers",
    "NetSpec",
    "Parameters",
    "Top",
    "assign_proto",
    "layers",
    "param_name_dict",
    "params",
    "to_proto",
]


def param_name_dict() -> dict[str, str]:
    """Layer type → its own settings' field less `_param`, by the message's name: ConvolutionParameter → convolution."""
    fields = (field for field in LayerParameter.DESCRIPTOR.fields if field.name.endswith("_param"))
    return {field.message_type.name.removesuffix("Parameter"): field.name.removesuffix("_param") for field in fields}


_param_names = param_name_dict()  # Caffe's name: scripts add to it, `_param_names["Deconvolution"] = "convolution"`
_SHARED = {"Deconvolution": "convolution_param", "Im2col": "convolution_param"}  # a message under another type's name

_INTEGER = dict.fromkeys(
    (
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    ),
    "a whole number",
)
_KINDS = {**_INTEGER, FieldDescriptor.CPPTYPE_STRING: "a text", FieldDescriptor.CPPTYPE_BOOL: "true or false"}


class Top:
    """One blob to be: output `n` of the layer `fn`."""

    def __init__(self, fn: Function, n: int) -> None:
        self.fn = fn
        self.n = n

    def to_proto(self) -> Any:
        """The NetParameter of all layers that this blob needs."""
        return to_proto(self)


class Function:
    """One layer to be: its type, the Tops that it reads, its settings; `ntop` and `in_place` are no settings.

    TypeError for an input that is no Top.
    """

    def __init__(self, type_name: str, inputs: tuple[Any, ...], params: dict[str, Any]) -> None:
        for index, given in enumerate(inputs):
            if not isinstance(given, Top):
                raise TypeError(f"{type_name} input {index} is not a Top (type is {type(given)})")
        self.type_name = type_name
        self.inputs: tuple[Top, ...] = inputs
        self.params = params
        self.ntop: int = params.pop("ntop", 1)
        self.in_place: bool = params.pop("in_place", False)
        self.tops = tuple(Top(self, n) for n in range(self.ntop))


class NetSpec:
    """Blobs by name: what is assigned, as attribute or item, is named so, and its layer after its first blob.

    Reading a name that was not assigned is a KeyError (and an AttributeError).
    """

    tops: dict[str, Any]

    def __init__(self) -> None:
        super().__setattr__("tops", {})

    def __setattr__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getattr__(self, name: str) -> Any:
        if name == "tops":  # a copy in the making: it has no dict yet
            raise AttributeError(name)
        if name not in self.tops:
            raise NoSuchTop(_unknown("top", name, self.tops))
        return self.tops[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self.tops[name] = value

    def __getitem__(self, name: str) -> Any:
        return self.__getattr__(name)

    def __delitem__(self, name: str) -> None:
        del self.tops[name]

    def __contains__(self, name: object) -> bool:
        return name in self.tops

    def keys(self) -> list[str]:
        """The names, in the order of assignment."""
        return list(self.tops)

    def vals(self) -> list[Any]:
        """The Tops, in the order of assignment."""
        return list(self.tops.values())

    def update(self, name: str, params: Mapping[str, Any]) -> None:
        """Adds settings to the layer of the Top `name`, or replaces them."""
        self[name].fn.params.update(params)

    def to_proto(self) -> Any:
        """The NetParameter of all layers that the assigned Tops need, each behind the layers that it reads."""
        return _assemble(list(self.tops.values()), {top: name for name, top in self.tops.items()})


class NoSuchTop(KeyError, AttributeError):
    """A name that was not assigned."""

    def __str__(self) -> str:
        return str(self.args[0])


class Layers:
    """`layers.<Type>(*bottoms, ntop=1, in_place=False, **settings)`: a Top; a tuple of them for ntop > 1; for ntop 0
    the Function, which a NetSpec takes under any name."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):  # inspection must not make layers
            raise AttributeError(name)

        def layer(*bottoms: Any, **settings: Any) -> Any:
            made = Function(name, bottoms, settings)
            return made if made.ntop == 0 else made.tops[0] if made.ntop == 1 else made.tops

        return layer


class Parameters:
    """`params.<Type>.<NAME>`: the values of a layer type's enums, such as `params.Pooling.MAX`."""

    def __getattr__(self, name: str) -> Any:
        try:
            return message_class(f"{name}Parameter")
        except KeyError:
            raise AttributeError(_unknown("layer type with settings", name, _param_names)) from None


layers = Layers()
params = Parameters()


def to_proto(*tops: Top) -> Any:
    """The NetParameter of all layers that the Tops need; every blob is named <Type><running number>."""
    return _assemble(tops, {})


# From expressions to a message


def _assemble(wanted: Iterable[Any], names: dict[Any, str]) -> Any:
    made: dict[Function, Any] = {}
    counts: Counter[str] = Counter()
    for top in wanted:
        if not isinstance(top, Top | Function):
            raise TypeError(f"'{names[top]}' is not a Top (type is {type(top)}); a layer of several tops gives a tuple")
        for fn in _in_order(top if isinstance(top, Function) else top.fn, made):
            made[fn] = _layer(fn, made, names, counts)
    return NetParameter(layer=made.values())


def _in_order(last: Function, made: Mapping[Function, Any]) -> list[Function]:
    """The layers that `last` needs and that are not made yet, each behind its inputs (without recursion: nets are
    deep)."""
    order: dict[Function, None] = {}
    waiting = [last] if last not in made else []
    while waiting:
        fn = waiting[-1]
        missing = [top.fn for top in fn.inputs if top.fn not in made and top.fn not in order]
        if missing:
            waiting.append(missing[0])
        else:
            order[waiting.pop()] = None
    return list(order)


def _layer(fn: Function, made: Mapping[Function, Any], names: dict[Any, str], counts: Counter[str]) -> Any:
    def name_of(thing: Top | Function) -> str:
        if thing not in names:
            counts[fn.type_name] += 1
            names[thing] = f"{fn.type_name}{counts[fn.type_name]}"
        return names[thing]

    bottoms = [made[top.fn].top[top.n] for top in fn.inputs]
    tops = bottoms if fn.in_place else [name_of(top) for top in fn.tops]
    layer = LayerParameter(type=fn.type_name, bottom=bottoms, top=tops, name=name_of(fn.tops[0] if fn.tops else fn))
    for key, value in fn.params.items():
        try:
            assign_proto(_holder(layer, key), key, value)
        except (AttributeError, TypeError, ValueError) as error:
            raise type(error)(f"layer '{layer.name}' ({fn.type_name}): {error}") from None
    return layer


def _holder(layer: Any, key: str) -> Any:
    """Where a setting belongs: the message of the layer's type where it has the field, else the layer."""
    own = f"{_param_names[layer.type]}_param" if layer.type in _param_names else ""
    if own and key in _fields(getattr(layer, own)):
        return getattr(layer, own)
    if key not in _fields(layer):
        if layer.type in _SHARED:
            raise AttributeError(f"no setting '{key}'; this type is set by {_SHARED[layer.type]}=dict(...)")
        known = [*_fields(layer), *(_fields(getattr(layer, own)) if own else ())]
        raise AttributeError(_unknown("setting", key, known))
    return layer


def _fields(message: Any) -> Any:
    return message.DESCRIPTOR.fields_by_name


def assign_proto(proto: Any, name: str, val: Any) -> None:
    """Sets a message's field by a Python object: a dict for a message, a list (or tuple) for a repeated field, to which
    one value alone is a list of one.

    AttributeError for a field that is not there; TypeError or ValueError for a value that does not fit.
    """
    field = _fields(proto).get(name)
    if field is None:
        raise AttributeError(_unknown(f"field of {proto.DESCRIPTOR.name}", name, _fields(proto)))
    if not is_repeated(field):
        _assign_one(proto, field, val)
        return
    for item in val if isinstance(val, list | tuple) else [val]:
        if field.message_type is None:
            _fitting(field, item, getattr(proto, name).append)
        else:
            _fill(getattr(proto, name).add(), field, item)


def _assign_one(proto: Any, field: Any, val: Any) -> None:
    if field.message_type is None:
        _fitting(field, val, lambda value: setattr(proto, field.name, value))
    else:
        _fill(getattr(proto, field.name), field, val)


def _fill(message: Any, field: Any, val: Any) -> None:
    """A message's fields from a dict, or from a message of its type."""
    if isinstance(val, type(message)):
        message.CopyFrom(val)
        return
    if not isinstance(val, Mapping):
        raise TypeError(f"{field.name} is a {field.message_type.name}: a dict is needed, {val!r} is given")
    for key, value in val.items():
        assign_proto(message, key, value)


def _fitting(field: Any, value: Any, put: Callable[[Any], None]) -> None:
    try:
        put(value)
    except (TypeError, ValueError) as error:
        if field.enum_type is not None:
            kind = f"one of {', '.join(field.enum_type.values_by_name)}"
        else:
            kind = _KINDS.get(field.cpp_type, "a number")
        raise type(error)(f"{field.name} is {kind}; {value!r} is given") from None


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f"no {what} '{name}'" + (f"; did you mean '{close[0]}'?" if close else "")
