"""What a picture says of a layer: its kind, which gives the colour, and its settings in a few words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..layers.base import Shape

_KINDS = {
    "source": ("Data", "DummyData", "HDF5Data", "ImageData", "Input", "MemoryData", "Parameter", "WindowData"),
    "convolution": ("Convolution", "Deconvolution", "Im2col"),
    "dense": ("Embed", "InnerProduct", "LSTM", "LSTMUnit", "RNN"),
    "pooling": ("Pooling", "SPP", "Unpooling", "Upsample"),
    "neuron": (
        "AbsVal", "BNLL", "Clip", "ELU", "Exp", "Log", "PReLU", "Power", "ReLU", "Sigmoid", "Softmax", "Swish", "TanH",
        "Threshold",
    ),
    "norm": ("BN", "BatchNorm", "Bias", "Dropout", "LRN", "MVN", "Scale"),
    "loss": (
        "Accuracy", "ContrastiveLoss", "EuclideanLoss", "HingeLoss", "InfogainLoss", "MultinomialLogisticLoss",
        "NeighbourLoss", "SigmoidCrossEntropyLoss", "SoftmaxWithLoss",
    ),
}  # fmt: skip
KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
BATCHED = {
    "Data": "data_param",
    "HDF5Data": "hdf5_data_param",
    "ImageData": "image_data_param",
    "MemoryData": "memory_data_param",
    "WindowData": "window_data_param",
}


def kind_of(layer_type: str) -> str:
    """The kind of a layer type; `other` for those that join, cut and reshape."""
    return KIND_OF.get(layer_type, "other")


def facts(param: Any) -> str:
    """The settings of a LayerParameter that a reader looks for: `9×9, stride 2, pad 1`, `MAX 2×2`, `125 outputs`."""
    match param.type:
        case "Convolution" | "Deconvolution":
            settings = param.convolution_param
            words = [counted(settings.num_output, "map"), *_window(settings)]
            words += [f"group {settings.group}"] if settings.group > 1 else []
        case "Pooling" | "Unpooling":
            settings = param.pooling_param if param.type == "Pooling" else param.unpooling_param
            words = [_method(settings, param.type), *_window(settings)]
        case "InnerProduct" | "Embed":
            words = [counted(num_output(param), "output")]
        case "Dropout":
            words = [f"ratio {param.dropout_param.dropout_ratio:g}"]
        case "Eltwise":
            operation = param.eltwise_param
            words = [operation.DESCRIPTOR.fields_by_name["operation"].enum_type.values[operation.operation].name]
        case _:
            words = _of_source(param)
    words += [f"weight {weight:g}" for weight in param.loss_weight if weight != 1]
    return ", ".join(words)


def num_output(param: Any) -> int:
    """How many maps or neurons a learning layer makes; 0 for others."""
    field = {"InnerProduct": "inner_product_param", "Embed": "embed_param"}.get(param.type, "convolution_param")
    learning = kind_of(param.type) in ("convolution", "dense")
    return int(getattr(param, field).num_output) if learning else 0


def operation(param: Any) -> str:
    """How a layer makes its maps, for a caption: `conv 9×9`, `max pool 2×2, stride 2`; nothing for a source."""
    match param.type:
        case "Convolution" | "Deconvolution":
            word, settings = param.type[:-7].lower(), param.convolution_param
        case "Pooling" | "Unpooling":
            settings = param.pooling_param if param.type == "Pooling" else param.unpooling_param
            word = f"{_method(settings, param.type).lower()} {param.type[:-3].lower()}"
        case "InnerProduct":
            return "fully connected"
        case _:
            return "" if kind_of(param.type) == "source" else param.type.lower()
    return " ".join([word, *_window(settings)[:1]]) + "".join(f", {each}" for each in _window(settings)[1:])


def size_text(shape: Shape | None) -> str:
    """One sample's size, as the paper writes it: (100, 8, 20, 20) → `8×20×20`; nothing for what is not known."""
    return "" if shape is None or len(shape) < 2 else "×".join(map(str, shape[1:]))


def _of_source(param: Any) -> list[str]:
    field = BATCHED.get(param.type)
    return [f"batch {getattr(param, field).batch_size}"] if field else []


def counted(number: int, noun: str) -> str:
    """`1 map`, `2 maps`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def _method(settings: Any, layer_type: str) -> str:
    field = settings.DESCRIPTOR.fields_by_name["pool" if layer_type == "Pooling" else "unpool"]
    return str(field.enum_type.values_by_number[getattr(settings, field.name)].name)


def _window(settings: Any) -> list[str]:
    """Kernel, stride and padding, each only where it is not the default."""
    if getattr(settings, "global_pooling", False):
        return ["global"]
    words = [kernel] if (kernel := _extent(settings, "kernel_size", "kernel")) else []
    for name in ("stride", "pad", "dilation"):
        extent = _extent(settings, name, name)
        plain = {"stride": "1", "pad": "0", "dilation": "1"}[name]
        if extent and set(extent.split("×")) != {plain}:
            words.append(f"{name} {extent}" if len(set(extent.split("×"))) > 1 else f"{name} {extent.split('×')[0]}")
    return words


def _extent(settings: Any, name: str, stem: str) -> str:
    """`9×9` from either spelling of a field: one number, one per axis, or _h and _w."""
    fields = settings.DESCRIPTOR.fields_by_name
    if f"{stem}_h" in fields and (settings.HasField(f"{stem}_h") or settings.HasField(f"{stem}_w")):
        return f"{getattr(settings, f'{stem}_h')}×{getattr(settings, f'{stem}_w')}"
    value = getattr(settings, name, ())
    numbers: Sequence[int] = [value] if isinstance(value, int) else list(value)
    return "×".join(map(str, list(numbers) * 2 if len(numbers) == 1 else numbers))
