"""A trained network for a page: its graph, its text with the lines of each layer, shapes and parameters, warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .. import draw
from ..errors import DeepcaeError
from ..net.summary import Row, summarize
from ..proto.document import Document
from ..proto.read import read_net_text, read_text
from ..proto.text import to_text
from ..proto.tokens import tokenize
from ..trained.network import Trained


def describe(trained: Trained) -> dict[str, Any]:
    """`layers` with shapes, parameters and their lines, first and last, in `text`; `svg`, the graph; totals in `facts`;
    `warnings` of the run. A line is 0 where the text does not say where a layer stands.
    """
    plan = trained.net.plan
    text, document = _text_of(trained.net.document)
    ends = _ends(text)
    nodes = {step.name: step.node.index for step in plan.steps}
    summary = summarize(plan)
    layers = []
    for row in summary.rows:
        if row.copies and nodes[row.name] is None:
            continue
        first = _line(document, nodes[row.name])
        layers.append({**_layer(row, summary.rows, summary.blobs), "line": first, "last": ends.get(first, first)})
    return {
        "name": summary.name, "layers": layers, "text": text, "file": document.filename, "svg": _graph(trained),
        "facts": _facts(summary), "warnings": warnings_of(trained.run.metrics() if trained.run else []),
    }  # fmt: skip


def warnings_of(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What a run's records tell of single layers, and how it failed, oldest first."""
    return [
        {
            "layer": record.get("layer", ""), "blob": record.get("blob", ""), "iteration": record["iteration"],
            "kind": record.get("warning", record["kind"]), "message": record["message"],
        }
        for record in records
        if record["kind"] == "failed" or (record["kind"] == "warned" and record.get("layer"))
    ]  # fmt: skip


def _layer(row: Row, rows: Iterable[Row], shapes: Mapping[str, Any]) -> dict[str, Any]:
    """A layer as its author wrote it: what it reads under the author's names, not those of splits."""
    split = {top: each.bottoms[0] for each in rows if each.copies for top in each.tops}
    bottoms = [split.get(bottom, bottom) for bottom in row.bottoms]
    return {
        "name": row.name, "type": row.type, "bottoms": bottoms, "tops": list(row.tops),
        "shapes": [None if shape is None else list(shape) for shape in row.shapes[: len(row.tops)]],
        "reads": [None if shapes.get(b) is None else list(shapes[b]) for b in bottoms],
        "parameters": row.parameters,
    }  # fmt: skip


def _facts(summary: Any) -> dict[str, str]:
    """The totals below the table, in words."""
    found = {"parameters": summary.counted}
    if summary.code is not None:
        found["code"] = summary.code
    if summary.symmetric is not None:
        found["auto-encoder size"] = f"{summary.size:,} elements: {'-'.join(str(size) for _, size in summary.hidden)}"
        found["symmetric"] = "yes" if summary.symmetric else f"no: {summary.asymmetry}"
    return found


def _graph(trained: Trained) -> str:
    """The drawing; "" where there is none, as of a message that is not complete."""
    graph = trained.net.plan.graph
    try:
        return draw.svg(
            trained.net.document, trained.net.phase, level=graph.level, stages=graph.stages,
            folders=trained.net.folders,
        )  # fmt: skip
    except DeepcaeError:
        return ""


def _text_of(document: Document) -> tuple[str, Document]:
    """The author's text, and the document, whose places point into it; of a message that was none, one is written."""
    try:
        return read_text(document.filename).encode(errors="replace").decode(), document
    except DeepcaeError:
        text = to_text(document.message)
        return text, read_net_text(text, document.filename)


def _line(document: Document, index: int | None) -> int:
    return 0 if index is None else document.place("layer", index).line or 0


def _ends(text: str) -> dict[int, int]:
    """The last line of each message of the text, by the line that it begins in: of several the outermost."""
    open_at: list[int] = []
    ends: dict[int, int] = {}
    before = 0
    for token in tokenize(text, "")[0]:
        if token.text in "{<" and token.kind == "mark":
            open_at.append(before or token.line)
        elif token.text in "}>" and token.kind == "mark" and open_at:
            ends[open_at.pop()] = token.line
        if token.kind == "name":
            before = token.line
    return ends
