"""`deepcae draw`: a network's text as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..atomic import foreign_kept
from . import options
from .screen import answer, say


def draw(
    *,
    target: Annotated[Path, typer.Argument(metavar="NET|RUN", help="A network text, or a run directory.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="FILE", help="The picture: .svg, .png, .pdf or .dot.", show_default="NET.svg"
        ),
    ] = None,
    style: Annotated[
        str,
        typer.Option("--style", metavar="graph|architecture", help="Layers and blobs, or maps from image to code."),
    ] = "graph",
    phase: Annotated[
        str | None,
        typer.Option("--phase", metavar="TRAIN|TEST|ALL", help="Which of the net's phases.", show_default="TRAIN"),
    ] = None,
    rankdir: Annotated[str, typer.Option("--rankdir", metavar="TB|LR", help="The graph runs down or right.")] = "TB",
    format: Annotated[
        str | None, typer.Option("--format", metavar="svg|png|pdf|dot", help="Where -o has another ending.")
    ] = None,
    splits: Annotated[bool, typer.Option("--splits", help="Show the Split layers that Caffe puts in.")] = False,
    level: options.Level = 0,
    stage: options.Stage = "",
    output: options.Output,
) -> None:
    """Draw a network: its layers and blobs, or its architecture (the paper's Fig. 3)."""
    from .. import draw as room
    from ..check.states import State
    from ..check.texts import net_of
    from .texts import text_in_state

    if phase is not None and phase.upper() == "ALL":
        (document, folders), state = net_of(target), State("ALL", level, options.stage_names(stage))
    else:
        document, folders, state = text_in_state(target, "TRAIN", options.State(phase, level, stage))
    path = out or (target / "net" if target.is_dir() else target).with_suffix(f".{format or 'svg'}")
    with foreign_kept(out is None):
        written = room.save(
            document, path, state.phase, rankdir.upper(), style, format.lower() if format else None,
            level=state.level, stages=state.stages, splits=splits, folders=folders,
        )  # fmt: skip
    if output.json:
        answer({"file": str(written)})
    else:
        say(f"wrote {written}", output.quiet)
