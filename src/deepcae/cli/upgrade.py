"""`deepcae upgrade`: old network and solver texts in today's spelling."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def upgrade(
    source: Annotated[Path, typer.Argument(metavar="IN", help="A network or solver text, of any age.")],
    target: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="Where to write it; nowhere given: to stdout.")
    ] = None,
    in_place: Annotated[bool, typer.Option("--in-place", help="Write over IN (its comments are lost).")] = False,
) -> None:
    """Write a network or solver text in today's syntax; what changed is told on stderr."""
    from ..atomic import whole_file
    from ..proto.text import to_text
    from .texts import read_document

    if in_place and target is not None:
        raise typer.BadParameter("give OUT or --in-place, not both")
    _, document = read_document(source)
    text = to_text(document.message)
    for note in document.notes:
        print(note, file=sys.stderr)
    if not document.notes:
        print(f"{source}: is in today's syntax already", file=sys.stderr)
    destination = source if in_place else target
    if destination is None:
        sys.stdout.write(text)
    else:
        with whole_file(destination) as temporary:
            temporary.write_text(text, encoding="utf-8")
        print(f"wrote {destination}", file=sys.stderr)
