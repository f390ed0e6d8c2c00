"""`deepcae upgrade`: old network and solver files in today's syntax."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..inplace import read_file
from . import options
from .screen import answer, say

if TYPE_CHECKING:
    from ..errors import Problem


def upgrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A network, solver or .caffemodel, of any age.")],
    target: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="Where to write it; nowhere given: a text goes to stdout.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="As OUT.", show_default=False)] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write over IN.")] = False,
    json: options.Json = False,
) -> None:
    """Write a network or solver text, or weights, in today's syntax; comments stay. What changed is told on stderr."""
    from ..proto.binary import file_kind
    from ..proto.read import read_text
    from ..proto.rewrite import rewrite

    if in_place + (target is not None) + (out is not None) > 1:
        raise typer.BadParameter("give OUT or --in-place, not both")
    destination = source if in_place else target or out
    if source.is_file() and file_kind(source) == "weights":
        kind, (data, changes) = "weights", _weights(source, destination)
        notes: list[Problem] = []
    else:
        found = rewrite(read_text(source), str(source))
        kind, changes, notes = found.kind, found.changes, found.notes
        data = found.text.encode(errors="surrogateescape") if changes else read_file(source)
    if destination is not None and (changes or destination != source):
        _write(destination, data)
    if json:
        _answer(source, kind, changes, notes, destination, data)
        return
    for problem in (*changes, *notes):
        say(str(problem))
    if not changes:
        say(f"{source}: is in today's syntax already")
    if destination is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
    elif changes or destination != source:
        say(f"wrote {destination}")


def _weights(source: Path, destination: Path | None) -> tuple[bytes, list[Problem]]:
    """A .caffemodel in today's schema, and what changed."""
    from ..proto.binary import read_weights_document

    if destination is None:
        raise typer.BadParameter("a .caffemodel is no text: give OUT or --in-place")
    document = read_weights_document(source)
    if not document.notes:
        return read_file(source), []
    return document.message.SerializeToString(deterministic=True), document.notes


def _write(destination: Path, data: bytes) -> None:
    from ..atomic import whole_file

    with whole_file(destination) as temporary:
        temporary.write_bytes(data)


def _answer(
    source: Path, kind: str, changes: list[Problem], notes: list[Problem], destination: Path | None, data: bytes
) -> None:
    found = {
        "file": str(source),
        "kind": kind,
        "changes": [_as_json(problem) for problem in changes],
        "notes": [_as_json(problem) for problem in notes],
        "written": str(destination) if destination is not None else None,
    }
    if destination is None:
        found["text"] = data.decode(errors="backslashreplace")
    answer(found)


def _as_json(problem: Problem) -> dict[str, object]:
    place = problem.place
    return {
        "line": place.line if place else None,
        "column": place.column if place else None,
        "message": problem.message,
    }
