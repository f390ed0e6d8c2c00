"""How a command speaks: calm lines and a bar (on a terminal) on stderr, answers for programs on stdout."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


def say(line: str, quiet: bool = False) -> None:
    """One line on stderr, unless `quiet`."""
    if not quiet:
        print(line, file=sys.stderr, flush=True)


def answer(value: Any) -> None:
    """One line of JSON on stdout, for programs. A number that is not finite becomes null, as JSON has none."""
    import json

    print(json.dumps(_finite(value), allow_nan=False), flush=True)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


@contextmanager
def bar(what: str, total: int, quiet: bool = False, done: int = 0) -> Iterator[Callable[..., None]]:
    """A progress bar with the time that is left; yields `advance(to, note="")`. No bar without a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda to, note="": None
        return
    with _progress() as progress:
        task = progress.add_task(what, total=total, completed=done, note="")
        yield lambda to, note="": progress.update(task, completed=to, **({"note": note} if note else {}))


def _progress() -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
        refresh_per_second=4,
        transient=True,
        redirect_stdout=False,  # stdout is for data
    )
