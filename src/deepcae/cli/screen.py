"""How a command speaks: calm lines and a bar (on a terminal) on stderr, answers for programs on stdout.

Nobody has to read stderr: where it cannot be written (a terminal that is gone, a full disk) the command goes on.
"""

from __future__ import annotations

import io
import math
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from ..errors import in_one_line, shortened, shown

_NAMED = re.compile(r" *\S+( \S+)? {2,}| +")
UNBOUND = 200  # letters of a line that nobody sees on a screen


def say(line: str, quiet: bool = False) -> None:
    """One line on stderr, unless `quiet`."""
    if not quiet:
        print(shown(line), file=sys.stderr, flush=True)


def tell(text: object) -> None:
    """What was asked for, on stdout, for people."""
    print(shown(str(text)))


def width() -> int:
    """Letters of a line: what `COLUMNS` says, else the terminal's; `UNBOUND` where nobody looks, as in a file."""
    told = os.environ.get("COLUMNS", "")
    if told.isdecimal() and int(told) > 0:
        return int(told)
    return os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else UNBOUND


def wrapped(text: str, indent: str = "") -> str:
    """Each line of a text, no longer than the screen is wide; what goes on in a further line is set in."""
    lines = (
        textwrap.wrap(line, width(), subsequent_indent=indent, break_on_hyphens=False) for line in text.splitlines()
    )
    return "\n".join("\n".join(parts) for parts in lines)


def set_in(line: str) -> str:
    """`shapes  1x28x28 - ...`: a name and its words, which go on below the words where a screen is too narrow."""
    if width() == UNBOUND:
        return line
    name = _NAMED.match(line)
    return wrapped(line, " " * (name.end() if name else 2))


def cell(name: str) -> str:
    """A name as a cell of rich's tables: in one line, its brackets no markup, its middle left out if it is long."""
    from rich.markup import escape

    return escape(shortened(in_one_line(name)))


def answer(value: Any) -> None:
    """One line of JSON on stdout, for programs. A number that is not finite becomes null, as JSON has none."""
    import json

    try:
        print(json.dumps(_finite(value), allow_nan=False), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(error.errno, error.strerror, "standard output") from None


class _Unfailing(io.FileIO):
    """A file whose writes never fail: what cannot be written is dropped."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or len(data)
        except OSError:
            return len(data)


@contextmanager
def unbreakable_stderr() -> Iterator[None]:
    """Whatever is written to `sys.stderr` inside the `with`, by whomever, raises nothing."""
    before = sys.stderr
    if before is None:  # closed before Python began; `print(file=None)` would go to stdout
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed below
    else:
        try:
            raw = _Unfailing(before.fileno(), "w", closefd=False)
        except (AttributeError, OSError, ValueError):  # a program's own object; what it does is its affair
            yield
            return
        with suppress(OSError, ValueError):
            before.flush()
        sys.stderr = io.TextIOWrapper(io.BufferedWriter(raw), before.encoding, "backslashreplace", line_buffering=True)
    try:
        yield
    finally:
        made, sys.stderr = sys.stderr, before
        made.close()


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
