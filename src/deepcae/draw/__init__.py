"""A network's text as a picture: SVG, PNG, PDF or Graphviz's DOT, without any other program.

Two drawings: `graph` shows every layer and blob, as Caffe's `draw_net`; `architecture` the feature maps and neurons
from the image to the code and back (the paper's Fig. 3). Neither needs data files, weights or torch.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import whole_file
from ..errors import DataError
from ..net.graph import build_graph
from ..net.plan import make_plan
from ..proto.read import read_net
from .architecture import architecture_scene
from .diagram import ALL, Diagram, make_diagram, sizes_of_data
from .dot import to_dot
from .graph import graph_scene
from .scene import Scene
from .stages import make_architecture
from .svg import to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..net.plan import Plan

STYLES = ("graph", "architecture")
RANKDIRS = ("TB", "LR")
FORMATS = ("svg", "png", "pdf", "dot")
PNG_DPI = 200


def dot(source: Any, phase: str | int | None = "TRAIN", rankdir: str = "TB", **more: Any) -> str:
    """The graph as Graphviz text. `source`: a path, a NetParameter or a Document; `more` as in `diagram`."""
    return to_dot(diagram(source, phase, **more), _known(rankdir, RANKDIRS, "rankdir"))


def svg(source: Any, phase: str | int | None = "TRAIN", rankdir: str = "TB", style: str = "graph", **more: Any) -> str:
    """The picture as the text of an .svg file."""
    return to_svg(scene(source, phase, rankdir, style, **more))


def figure(
    source: Any, phase: str | int | None = "TRAIN", rankdir: str = "TB", style: str = "graph", **more: Any
) -> Figure:
    """The picture as a matplotlib Figure."""
    from ..viz import allowed  # noqa: F401 - before matplotlib
    from .paint import to_figure

    return to_figure(scene(source, phase, rankdir, style, **more))


def save(
    source: Any,
    path: str | os.PathLike[str],
    phase: str | int | None = "TRAIN",
    rankdir: str = "TB",
    style: str = "graph",
    format: str | None = None,
    **more: Any,
) -> Path:
    """Writes a picture whose kind is `format` or the ending of `path`: .svg, .png, .pdf or .dot; it appears whole."""
    target = Path(path)
    kind = _known(format or target.suffix.lstrip(".").lower(), FORMATS, f"{target}: the format")
    if kind == "dot" and style != "graph":
        raise DataError(f"{target}: DOT is for the graph; the {style} is drawn as .svg, .png or .pdf")
    if kind in ("svg", "dot"):
        content = dot(source, phase, rankdir, **more) if kind == "dot" else svg(source, phase, rankdir, style, **more)
        with whole_file(target) as temporary:
            temporary.write_text(content, encoding="utf-8")
    else:
        from ..viz.style import drawn

        data = drawn(figure(source, phase, rankdir, style, **more), kind, PNG_DPI)
        with whole_file(target) as temporary:
            temporary.write_bytes(data)
    return target


def diagram(
    source: Any,
    phase: str | int | None = "TRAIN",
    *,
    level: int = 0,
    stages: Iterable[str] = (),
    splits: bool = False,
    folders: Sequence[Any] | None = None,
) -> Diagram:
    """The graph that is drawn. `phase` None or ALL: every layer of the text; `splits`: with Caffe's Split layers."""
    return make_diagram(read_net(source), phase, level, stages, splits, folders)


def scene(
    source: Any, phase: str | int | None = "TRAIN", rankdir: str = "TB", style: str = "graph", **more: Any
) -> Scene:
    """The picture as shapes on a page."""
    _known(rankdir, RANKDIRS, "rankdir")
    if _known(style, STYLES, "style") == "architecture":
        return _architecture(source, phase, **more)
    found = diagram(source, phase, **more)
    layers = sum(vertex.kind != "blob" for vertex in found.vertices.values())
    which = "all phases" if phase is None or str(phase).upper() == ALL else f"{_phase_name(phase)} phase"
    return graph_scene(found, "TB" if rankdir == "TB" else "LR", f"{which} · {layers} layers")


def plan_figure(plan: Plan) -> Figure:
    """The architecture of a network that is planned already, as a Figure."""
    from ..viz import allowed  # noqa: F401 - before matplotlib
    from .paint import to_figure

    return to_figure(plan_scene(plan))


def plan_scene(plan: Plan) -> Scene:
    """The architecture of a network that is planned already."""
    return architecture_scene(make_architecture(plan))


def _architecture(
    source: Any,
    phase: str | int | None,
    *,
    level: int = 0,
    stages: Iterable[str] = (),
    splits: bool = False,
    folders: Sequence[Any] | None = None,
) -> Scene:
    if phase is None or str(phase).upper() == ALL:
        raise DataError("an architecture is that of one phase: TRAIN or TEST, not ALL")
    if splits:
        raise DataError("an architecture shows no splits; they are part of the graph")
    graph = build_graph(read_net(source), phase, level, stages)
    return plan_scene(make_plan(graph, sizes_of_data, folders=folders))


def _phase_name(phase: str | int) -> str:
    return phase.upper() if isinstance(phase, str) else ("TRAIN", "TEST")[phase]


def _known(given: str, allowed: Sequence[str], what: str) -> str:
    if given in allowed:
        return given
    close = difflib.get_close_matches(given, allowed, 1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    raise DataError(f"{what} is {', '.join(allowed[:-1])} or {allowed[-1]}, not '{given}'{hint}")


__all__ = [
    "FORMATS",
    "RANKDIRS",
    "STYLES",
    "diagram",
    "dot",
    "figure",
    "plan_figure",
    "plan_scene",
    "save",
    "scene",
    "svg",
]
