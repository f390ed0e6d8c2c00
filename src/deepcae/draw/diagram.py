"""A network as a graph of two kinds of vertices, layers and blobs: what Caffe's `draw_net` draws.

A blob that several layers write is one vertex. A layer that reads and writes one blob and nothing else (in place) is
joined to it in both directions. Splits, which no author writes, are folded away unless they are asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from ..errors import DataError, DeepcaeError, SpecError
from ..layers.base import Shape
from ..net.graph import Graph, build_graph, phase_number
from ..net.plan import draft_plan
from ..proto.document import Document
from .scene import Part
from .words import facts, kind_of, num_output, size_text

ALL = "ALL"


@dataclass
class Vertex:
    """A layer or a blob. `key` is unique; `lines` stand in its box, the first of them its name."""

    key: str
    kind: str  # of a layer as in `words`; "blob"
    lines: tuple[str, ...]
    type: str = ""
    in_place: str = ""  # the blob that this layer works on in place, if that is all it does

    @property
    def part(self) -> Part:
        """What it stands for in a drawing."""
        return "blob" if self.kind == "blob" else "layer", self.lines[0]


@dataclass(frozen=True)
class Edge:
    """From a blob to a layer that reads it, or from a layer to a blob that it writes."""

    source: str
    target: str
    label: str = ""


@dataclass
class Diagram:
    """All vertices in the order of the text, edges, and `ties`: pairs of layers that learn one and the same blob."""

    name: str
    vertices: dict[str, Vertex] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    ties: list[tuple[str, str]] = field(default_factory=list)


def make_diagram(
    document: Document,
    phase: str | int | None = "TRAIN",
    level: int = 0,
    stages: Iterable[str] = (),
    splits: bool = False,
    folders: Sequence[Any] | None = None,
) -> Diagram:
    """The diagram of one phase (`ALL` or None: of every layer of the text). Unknown sizes are left out.

    A text with mistakes is drawn too, as far as it goes: a bottom that nobody makes is a blob without a layer before
    it. SpecError for a text without layers.
    """
    if not document.message.layer:
        raise SpecError(f"{document.filename}: holds no layers; there is nothing to draw")
    whole = phase is None or str(phase).upper() == ALL
    if whole and splits:
        raise SpecError("splits belong to one phase: TRAIN or TEST, not ALL")
    phases = ["TRAIN", "TEST"] if whole else [phase_number(phase or 0)]
    shapes: dict[str, Shape | None] = {}
    for each in phases:
        for blob, shape in _shapes(document, each, level, stages, folders).items():
            shapes[blob] = shapes.get(blob) or shape
    layers = list(document.message.layer) if whole else _layers(build_graph(document, phases[0], level, stages), splits)
    return _connect(document.message.name, layers, shapes)


def _layers(graph: Graph, splits: bool) -> list[Any]:
    """The layers that take part; without splits their bottoms bear the names that the author gave them."""
    if splits:
        return [node.param for node in graph.nodes]
    names = {top: node.param.bottom[0] for node in graph.nodes if node.index is None for top in node.param.top}
    kept = [node.param for node in graph.nodes if node.index is not None]
    for param in kept:
        param.bottom[:] = [names.get(bottom, bottom) for bottom in param.bottom]
    return kept


def sizes_of_data(param: Any, phase: int, folders: Sequence[Any]) -> list[Shape] | None:
    """The shapes that a data layer's files hold; None also for files that cannot be read: a picture needs none."""
    from ..data.source import shapes

    try:
        return shapes(param, phase, folders)
    except DataError:
        return None


def _shapes(
    document: Document, phase: str | int, level: int, stages: Iterable[str], folders: Sequence[Any] | None
) -> dict[str, Shape | None]:
    """The blobs' shapes as far as they can be inferred; a picture is made of a broken text too."""
    graph = build_graph(document, phase, level, stages)
    try:
        return draft_plan(graph, sizes_of_data, folders=folders).shapes
    except (DeepcaeError, OSError):
        return {}


def _connect(name: str, layers: Sequence[Any], shapes: dict[str, Shape | None]) -> Diagram:
    diagram = Diagram(name)
    learners: dict[str, list[str]] = defaultdict(list)
    for layer in layers:
        vertex = _add_layer(diagram, layer)
        for blob in (*layer.bottom, *layer.top):
            key = f"{blob}_blob"
            lines = tuple(line for line in (blob, size_text(shapes.get(blob))) if line)
            diagram.vertices.setdefault(key, Vertex(key, "blob", lines))
        diagram.edges += [Edge(f"{blob}_blob", vertex.key) for blob in layer.bottom]
        diagram.edges += [Edge(vertex.key, f"{blob}_blob", _edge_label(layer)) for blob in layer.top]
        for spec in layer.param:
            if spec.name and vertex.key not in learners[spec.name]:
                learners[spec.name].append(vertex.key)
    chains = [pair for sharers in learners.values() for pair in pairwise(sharers)]
    diagram.ties = list(dict.fromkeys(chains))
    diagram.edges = list(dict.fromkeys(diagram.edges))
    return diagram


def _add_layer(diagram: Diagram, layer: Any) -> Vertex:
    """A layer's vertex. Names need not be unique (mnist_autoencoder has two layers `loss`), keys are."""
    key, count = f"{layer.name}_{layer.type}", 1
    while key in diagram.vertices:
        count += 1
        key = f"{layer.name}_{layer.type}_{count}"
    alone = len(layer.bottom) == len(layer.top) == 1 and layer.bottom[0] == layer.top[0]
    lines = tuple(line for line in (layer.name, layer.type, facts(layer)) if line)
    vertex = Vertex(key, kind_of(layer.type), lines, layer.type, f"{layer.bottom[0]}_blob" if alone else "")
    diagram.vertices[key] = vertex
    return vertex


def _edge_label(layer: Any) -> str:
    """What Caffe writes at the edge out of a layer: its number of outputs, or the batch size."""
    if made := num_output(layer):
        return str(made)
    return facts(layer).capitalize() if kind_of(layer.type) == "source" else ""
