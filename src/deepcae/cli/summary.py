"""`deepcae summary`: a network's layers, shapes and sizes, from its text alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options


def summary(
    target: Annotated[Path, typer.Argument(metavar="FILE|RUN", help="A network text, or a run directory.")],
    phase: options.Phase = "TRAIN",
    level: options.Level = 0,
    stage: options.Stage = "",
    json: options.Json = False,
) -> None:
    """Show each layer's blobs, shapes and parameters, and the totals."""
    from ..net.graph import build_graph
    from ..net.plan import make_plan
    from ..net.summary import summarize
    from .texts import net_of

    document = net_of(target)
    graph = build_graph(document, options.phase_name(phase), level, options.stage_names(stage))
    found = summarize(make_plan(graph))
    if json:
        import json as json_format

        print(json_format.dumps(found.to_json()))
    else:
        print(found.to_text())
