"""Signals as Caffe's `caffe train` takes them: they set a flag, which the loop looks at once per iteration.

| signal | effect |
|---|---|
| SIGINT (Ctrl-C), SIGTERM | stop after this iteration, with a snapshot (`--sigint-effect` is for SIGINT alone) |
| SIGINT a second time | leave at once (KeyboardInterrupt); complete snapshots stay complete |
| SIGHUP | take a snapshot and go on |

*Differs from Caffe:* it ignores SIGTERM.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Stoppable(Protocol):
    """What signals act on: a Solver. `request_end`, where there is one, is what SIGTERM asks for."""

    def request_stop(self) -> None: ...
    def request_snapshot(self) -> None: ...


@contextmanager
def handle_signals(solver: Stoppable) -> Iterator[None]:
    """Signals go to `solver` inside the `with`. Outside the main thread, where Python allows none, it does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False

    def stop(number: int, frame: Any) -> None:
        nonlocal interrupted
        if interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        interrupted = interrupted or number == signal.SIGINT
        solver.request_stop()

    def snapshot(number: int, frame: Any) -> None:
        solver.request_snapshot()

    def end(number: int, frame: Any) -> None:
        getattr(solver, "request_end", solver.request_stop)()

    handlers = {signal.SIGINT: stop, signal.SIGTERM: end}
    if hasattr(signal, "SIGHUP"):  # Windows has none
        handlers[signal.SIGHUP] = snapshot
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
