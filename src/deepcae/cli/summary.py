"""`deepcae summary`: a network's layers, shapes and sizes, from its text alone."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError
from . import options
from .screen import answer, say, tell, width

if TYPE_CHECKING:
    from ..net.plan import Plan


def summary(
    *,
    target: Annotated[Path, typer.Argument(metavar="FILE|RUN", help="A network text, or a run directory.")],
    state: options.TrainState,
    json: options.Json = False,
) -> None:
    """Show each layer's blobs, shapes and parameters, and the totals."""
    from ..check.states import graph_of
    from ..net.plan import make_plan
    from ..net.summary import summarize
    from .texts import text_in_state

    document, folders, found_state = text_in_state(target, "TRAIN", state)
    plan = make_plan(graph_of(document, found_state), folders=folders)
    found = summarize(plan, _num_samples(plan, folders))
    odd = plan.odd_layouts()
    if json:
        answer({**found.to_json(), "warnings": [str(problem) for problem in odd]})
        return
    tell(found.to_text(width()))
    for problem in odd:
        say(f"warning: {problem}")


def _num_samples(plan: Plan, folders: list[Path]) -> int | None:
    """Rows of the data set that the net reads; None where there is none to look into."""
    from ..data.source import open_source

    for step in plan.sources:
        if step.layer is not None and step.layer.reads_file and not plan.assumed:
            with suppress(DataError):
                source: Any = open_source(step.node.param, plan.phase, folders, 0)
                source.close()
                return int(source.rows.total)
    return None
