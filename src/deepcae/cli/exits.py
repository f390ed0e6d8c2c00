"""What every command ends in: an exit code, and one line for each thing that is wrong. Never a traceback.

| code | meaning                                                              |
|------|----------------------------------------------------------------------|
| 0    | done                                                                 |
| 1    | a run that failed (a value that is not finite, a full disk, a fault) |
| 2    | bad input: the command line, a text, a data or weights file          |
| 130  | interrupted from the keyboard                                        |
| 141  | the reader of our output went away (`deepcae ... | head`)            |
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from ..errors import DeepcaeError, DeepcaeWarning, Incomplete, SpecError, TrainingError
from ..inplace import of_the_machine
from .argv import normalise, require_no_empty
from .screen import say, unbreakable_stderr

DONE, FAILED, BAD_INPUT, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
_SPINS = "10000"  # that a thread turns before it sleeps, waiting for others; GNU's default lets busy machines crawl


def guarded(work: Callable[[float], int]) -> int:
    """Does the work, which is told when it began, and returns the exit code."""
    began = time.perf_counter()
    os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    _accept_any_text()
    with unbreakable_stderr(), _shown_warnings():
        try:
            code = work(began)
        except KeyboardInterrupt as stop:
            for line in getattr(stop, "__notes__", ()):
                say(line)
            return INTERRUPTED
        except BrokenPipeError:
            return _pipe_closed()
        except SystemExit as end:  # typer ends so after shell completion (0), and where a pipe is closed (1)
            return _pipe_closed() if end.code == 1 else DONE
        except Exception as problem:
            if os.environ.get("DEEPCAE_TRACEBACK") == "1":
                raise
            for line in sentences(problem):
                say(f"error: {line}")
            code = exit_code(problem)
        return _flushed(code)


def _flushed(code: int) -> int:
    """The exit code, after what stdout still has to take; Python itself would end with 120 where it takes no more."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _pipe_closed()
    except OSError as error:
        if code == DONE:
            say(f"error: standard output: {error.strerror or error}")
        _pipe_closed()
        return code or FAILED
    return code


@contextlib.contextmanager
def _shown_warnings() -> Iterator[None]:
    """Our own warnings as lines, each once; those of other packages as Python shows them."""
    shown = set[str]()

    def show(message: Warning | str, category: type[Warning], *place: Any, **rest: Any) -> None:
        if not issubclass(category, DeepcaeWarning):
            as_before(message, category, *place, **rest)
        elif str(message) not in shown:
            shown.add(str(message))
            say(f"warning: {message}")

    with warnings.catch_warnings():
        as_before = warnings.showwarning
        warnings.simplefilter("always", DeepcaeWarning)
        warnings.showwarning = show
        yield


def dispatch(argv: Sequence[str] | None, began: float) -> int:
    """Runs the app on `argv` (None: the process's own).

    `began`: when the command did; commands that tell their wall time find it as `context.obj`.
    """
    words = sys.argv[1:] if argv is None else list(argv)
    require_no_empty(words)
    result = _commands().main(args=normalise(words), prog_name="deepcae", standalone_mode=False, obj=began)
    return result if isinstance(result, int) else DONE


@cache
def _commands() -> Any:
    """All commands as typer reads them, which takes a tenth of a second: once in a process."""
    from typer.main import get_command

    from .app import app

    return get_command(app)  # not app(...), which would put typer's own printer of tracebacks into sys.excepthook


def sentences(problem: BaseException) -> Iterator[str]:
    """What went wrong, one line per problem; then what else is to be known of it."""
    yield from _reasons(problem)
    yield from map(_one_line, getattr(problem, "__notes__", ()))


def _reasons(problem: BaseException) -> Iterator[str]:
    if isinstance(problem, SpecError):
        yield from (_one_line(str(each)) for each in problem.problems)
    elif isinstance(problem, Incomplete):
        yield from map(_one_line, problem.problems)
    elif isinstance(problem, DeepcaeError):
        yield _one_line(str(problem))
    elif hasattr(problem, "format_message"):  # typer's complaints about the command line
        if str(problem):  # a command group without a command shows its help, and needs no words
            yield _usage(problem)
    elif isinstance(problem, OSError) and problem.strerror:
        where = f"{problem.filename}: " if problem.filename is not None else ""
        yield _one_line(f"{where}{problem.strerror}")
    elif isinstance(problem, MemoryError):
        yield _one_line(f"out of memory: {problem}" if str(problem) else "out of memory")
    elif type(problem).__name__ == "Abort":
        yield "stopped"
    else:
        what = _one_line(f"{type(problem).__name__}: {problem}")
        yield f"unexpected {what} (please report this; DEEPCAE_TRACEBACK=1 shows where it happened)"


def exit_code(problem: BaseException) -> int:
    """1 where the run failed, 2 where what was given is wrong."""
    if isinstance(problem, TrainingError) or of_the_machine(problem):
        return FAILED
    is_input = isinstance(problem, (DeepcaeError, OSError)) or hasattr(problem, "format_message")
    return BAD_INPUT if is_input else FAILED


def _usage(problem: BaseException) -> str:
    """A usage error, with the command whose help would answer it."""
    message = _one_line(getattr(problem, "format_message")().rstrip("."))  # noqa: B009 - typer's class is private
    message = message.removeprefix("Invalid value: ").replace("Value error, ", "")
    context = getattr(problem, "ctx", None)
    return f"{message} (see '{context.command_path} --help')" if context is not None else message


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _accept_any_text() -> None:
    """A name that the terminal cannot show is written with escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _pipe_closed() -> int:
    """Nobody reads stdout any more: what is still buffered goes to nowhere, quietly."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return PIPE_CLOSED
