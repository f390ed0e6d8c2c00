"""Every command that makes a file first checks that this is none of the files that it reads."""

from __future__ import annotations

from collections.abc import Iterator
from os import lstat, stat
from os.path import isfile, samestat
from pathlib import Path
from typing import Any

from typer import Context
from typer.core import TyperCommand

from ..errors import SpecError


class Command(TyperCommand):
    """SpecError where `--out` is a file that the same command reads: it would be gone."""

    def invoke(self, ctx: Context) -> Any:  # type: ignore[override]
        given = dict(ctx.params)
        for out in filter(isfile, _words([given.pop("out", None)])):
            place = lstat(out)  # a link is replaced itself
            for name in _words(given.values()):
                if isfile(name) and samestat(stat(name), place):
                    raise SpecError(f"{out}: is read by this command, which would write over it: give another --out")
        return super().invoke(ctx)


def _words(values: Any) -> Iterator[str | Path]:
    """The arguments that may name a file."""
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from _words(value)
        elif isinstance(value, (str, Path)):
            yield value
