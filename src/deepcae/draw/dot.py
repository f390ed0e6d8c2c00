"""A diagram as Graphviz text (DOT): layers are boxes coloured by kind, blobs octagons, as in Caffe's `draw_net`.

Every identifier and label is a quoted string, so that any name of a layer or blob is allowed. A tie (shared weights)
is a dashed line without arrows that does not move the layers.
"""

from __future__ import annotations

from ..atomic import MARK
from ..errors import shown
from .colors import BLOB, INK, SOFT, fill, line
from .diagram import Diagram, Vertex
from .scene import legible


def to_dot(diagram: Diagram, rankdir: str) -> str:
    """The text of a .dot file; equal diagrams give equal texts."""
    font = 'fontname="DejaVu Sans", fontsize=10'
    lines = [
        f"digraph {_quoted(diagram.name or 'network')} {{",
        f'  graph [rankdir={rankdir}, comment="{MARK}", {font}];',
        f'  node [style=filled, color="{SOFT}", fontcolor="{INK}", {font}];',
        f'  edge [color="{SOFT}", fontcolor="{SOFT}", {font}];',
        *(f"  {_vertex(vertex)}" for vertex in diagram.vertices.values()),
    ]
    for edge in diagram.edges:
        label = f" [label={_quoted(edge.label)}]" if edge.label else ""
        lines.append(f"  {_quoted(edge.source)} -> {_quoted(edge.target)}{label};")
    for first, second in diagram.ties:
        look = 'dir=none, style=dashed, constraint=false, label="shared"'
        lines.append(f"  {_quoted(first)} -> {_quoted(second)} [{look}];")
    return "\n".join([*lines, "}", ""])


def _vertex(vertex: Vertex) -> str:
    label = r"\n".join(_escaped(legible(line)) for line in vertex.lines)
    if vertex.kind == "blob":
        look = f'shape=octagon, fillcolor="{BLOB}"'
    else:
        look = f'shape=box, fillcolor="{fill(vertex.kind)}", color="{line(vertex.kind)}"'
    return f'{_quoted(vertex.key)} [label="{label}", {look}];'


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    """Inside a DOT string: a quote and a backslash are escaped, a line break is a blank."""
    return " ".join(shown(text).replace("\\", "\\\\").replace('"', '\\"').splitlines())
