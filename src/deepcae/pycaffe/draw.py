"""Pictures of networks by Caffe's names; no pydot and no Graphviz is needed.

    caffe.draw.draw_net_to_file(net_param, "net.png", rankdir="TB", phase=caffe.TEST)

The pictures are those of `deepcae draw`. Source: Caffe's python/caffe/draw.py.
"""

from __future__ import annotations

import io
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import whole_file
from ..draw import FORMATS, PNG_DPI, diagram
from ..draw.dot import to_dot
from ..draw.graph import graph_scene
from ..draw.svg import to_svg
from ..errors import DataError
from ..proto.read import read_net
from ..proto.schema import message_class

if TYPE_CHECKING:
    from ..draw.diagram import Diagram

__all__ = [
    "choose_color_by_layertype", "draw_net", "draw_net_to_file", "get_edge_label", "get_layer_label",
    "get_layer_lr_mult", "get_pooling_types_dict", "get_pydot_graph",
]  # fmt: skip

RANKDIRS = ("TB", "BT", "LR", "RL")
_LEARNING = ("Convolution", "Deconvolution", "InnerProduct")
_AS_DOT = ("dot", "gv", "raw")


def draw_net_to_file(
    caffe_net: Any, filename: str | Path, rankdir: str = "LR", phase: int | None = None, display_lrm: bool = False
) -> None:
    """Draws a NetParameter into a file, whose ending says what: .png, .jpg, .svg, .pdf, or .dot (.gv, .raw)."""
    ending = Path(filename).suffix.lstrip(".").lower()
    content = draw_net(caffe_net, rankdir, ending, phase, display_lrm)
    with whole_file(Path(filename)) as temporary:
        temporary.write_bytes(content)


def draw_net(
    caffe_net: Any, rankdir: str, ext: str = "png", phase: int | None = None, display_lrm: bool = False
) -> bytes:
    """A NetParameter's picture as the bytes of a file of kind `ext`.

    `phase`: only the layers of TRAIN or TEST; None: all. `rankdir`: where the data flow, TB, BT, LR or RL (pictures
    other than DOT flow downwards for BT and to the right for RL). `display_lrm`: with the rates' multipliers.
    DataError for another `ext` or `rankdir`.
    """
    found = _diagram(caffe_net, rankdir, phase, display_lrm)
    if ext in _AS_DOT:
        return to_dot(found, rankdir).encode()
    scene = graph_scene(found, "TB" if rankdir in ("TB", "BT") else "LR")
    if ext == "svg":
        return to_svg(scene).encode()
    if ext not in (*FORMATS, "jpg", "jpeg"):
        raise DataError(f"draw_net: pictures are png, jpg, svg, pdf or dot; '{ext}' is given")
    from ..draw.paint import to_figure
    from ..viz.style import write

    stream = io.BytesIO()
    write(to_figure(scene), stream, "pdf" if ext == "pdf" else "png", PNG_DPI)
    return _as_jpeg(stream) if ext in ("jpg", "jpeg") else stream.getvalue()


def get_pydot_graph(
    caffe_net: Any, rankdir: str, label_edges: bool = True, phase: int | None = None, display_lrm: bool = False
) -> Any:
    """The drawing as a graph of the pydot package. ImportError where that is not installed."""
    try:
        pydot = import_module("pydot")
    except ModuleNotFoundError as error:
        raise ImportError(
            "get_pydot_graph needs the pydot package (pip install pydot); draw_net and draw_net_to_file work without"
        ) from error
    found = _diagram(caffe_net, rankdir, phase, display_lrm)
    if not label_edges:
        found.edges = [replace(edge, label="") for edge in found.edges]
    return pydot.graph_from_dot_data(to_dot(found, rankdir))[0]


def _diagram(caffe_net: Any, rankdir: str, phase: int | None, display_lrm: bool) -> Diagram:
    if rankdir not in RANKDIRS:
        raise DataError(f"rankdir is TB, BT, LR or RL; '{rankdir}' is given")
    document = read_net(caffe_net)  # in today's syntax
    found = diagram(document, phase)
    if display_lrm:
        lines = {layer.name: _rates(layer) for layer in document.message.layer if layer.type in _LEARNING}
        for vertex in found.vertices.values():
            if vertex.type in _LEARNING and lines.get(vertex.lines[0]):
                vertex.lines += (lines[vertex.lines[0]],)
    return found


def _as_jpeg(stream: io.BytesIO) -> bytes:
    from PIL import Image

    made = io.BytesIO()
    with Image.open(stream) as picture:
        picture.convert("RGB").save(made, "JPEG", quality=92)
    return made.getvalue()


# What Caffe writes into a graph of its own


def get_pooling_types_dict() -> dict[int, str]:
    """Number → name of the pooling methods."""
    methods = message_class("PoolingParameter").DESCRIPTOR.enum_types_by_name["PoolMethod"]
    return {value.number: value.name for value in methods.values}


def get_edge_label(layer: Any) -> str:
    """What stands at the edge out of a layer: the batch size of Data, the number of outputs of layers that have one."""
    if layer.type == "Data":
        return f"Batch {layer.data_param.batch_size}"
    if layer.type in ("Convolution", "Deconvolution"):
        return str(layer.convolution_param.num_output)
    if layer.type == "InnerProduct":
        return str(layer.inner_product_param.num_output)
    return '""'


def get_layer_lr_mult(layer: Any) -> tuple[float, float]:
    """The rates' multipliers of a layer's weights and biases. ValueError for a layer type that Caffe does not ask."""
    if layer.type not in _LEARNING:
        raise ValueError(f"{layer.type} layers do not have a learning rate multiplier")
    if len(layer.param) > 2:
        raise ValueError(f"layer '{layer.name}': {len(layer.param)} multipliers are given, where there are two blobs")
    first, second, *_ = [*(spec.lr_mult for spec in layer.param), 1.0, 1.0]
    return first, second


def get_layer_label(layer: Any, rankdir: str, display_lrm: bool = False) -> str:
    r"""A layer's text in quotes: name, type, window, multipliers; with blanks between for TB and BT, else with `\n`."""
    words = [layer.name, f"({layer.type})"]
    if layer.type == "Pooling":
        settings = layer.pooling_param
        words[1] = f"({layer.type} {get_pooling_types_dict()[settings.pool]})"
        words += _window(settings.kernel_size, settings.stride, settings.pad)
    elif layer.type in ("Convolution", "Deconvolution"):
        settings = layer.convolution_param
        kernel, stride, pad = _first(settings.kernel_size, 1), _first(settings.stride, 1), _first(settings.pad, 0)
        words += _window(kernel, stride, pad)
    if display_lrm and layer.type in _LEARNING and (rates := _rates(layer)):
        words.append(rates)
    separator = " " if rankdir in ("TB", "BT") else r"\n"
    return f'"{separator.join(words)}"'


def _window(kernel: int, stride: int, pad: int) -> list[str]:
    return [f"kernel size: {kernel}", f"stride: {stride}", f"pad: {pad}"]


def _first(values: Any, default: int) -> int:
    return int(values[0]) if len(values) else default


def _rates(layer: Any) -> str:
    """The multipliers in words; nothing for a layer that stands still."""
    rates = get_layer_lr_mult(layer)
    return f"lr mult: {rates[0]:.1f}, {rates[1]:.1f}" if any(rates) else ""


def choose_color_by_layertype(layertype: str) -> str:
    """Caffe's colour of a layer type."""
    match layertype:
        case "Convolution" | "Deconvolution":
            return "#FF5050"
        case "Pooling":
            return "#FF9900"
        case "InnerProduct":
            return "#CC33FF"
    return "#6495ED"
