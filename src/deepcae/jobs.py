"""Work in other processes, several jobs at a time.

    pool = Pool(places=2)
    for ended in pool.run([Job("seed-1", "deepcae.cli.worker:main", {"seed": 1}), …]):
        print(ended.job.name, ended.code)

A job is a function of the package that finds a small JSON on its standard input. Its lines on stderr are heard as they
come; those that begin with "error: " are its complaints. It stops by itself when this process is gone (see `child`).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from . import child

ERROR = "error: "


@dataclass(frozen=True, eq=False)
class Job:
    """`function`: module:name; `task`: what it finds, as JSON; `variables`: added to its environment."""

    name: str
    function: str
    task: Mapping[str, Any]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Ended:
    """`code`: the exit code, below 0 of a process that a signal ended; `lines`: of stderr; `answer`: stdout."""

    job: Job
    code: int
    lines: tuple[str, ...]
    answer: str

    @property
    def errors(self) -> list[str]:
        """The complaints among its lines."""
        return [line for line in self.lines if line.startswith(ERROR)]


class Pool:
    """At most `places` jobs at a time. `hear` is called with each line that is no complaint, from another thread."""

    def __init__(self, places: int, hear: Callable[[Job, str], None] = lambda job, line: None) -> None:
        self.places, self.hear = places, hear
        self.stopping = False  # because somebody asked for it
        self._running: dict[Job, subprocess.Popen[str]] = {}
        self._ended: SimpleQueue[Ended] = SimpleQueue()

    @property
    def running(self) -> list[Job]:
        return list(self._running)

    def run(self, jobs: Iterable[Job]) -> Iterator[Ended]:
        """All jobs; none begins after a stop. Whoever leaves early kills those that are there."""
        waiting = list(jobs)
        with self:
            while (waiting and not self.stopping) or self._running:
                while waiting and not self.stopping and len(self._running) < self.places:
                    self.start(waiting.pop(0))
                yield from self.ended(timeout=1.0)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        """Left early, as by a second Ctrl-C: what still runs is killed."""
        for process in self._running.values():
            process.kill()
        while self._running:
            self.ended(timeout=1.0)

    def start(self, job: Job) -> None:
        """Starts its process and gives it the task; `ended` tells of its end."""
        process = child.start(
            job.function, variables=dict(job.variables), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        self._running[job] = process
        with suppress(BrokenPipeError), process.stdin:  # one that is gone before it could read
            process.stdin.write(json.dumps(job.task))
        if self.stopping:  # asked for while it was being started
            self._send("SIGTERM")
        Thread(target=self._listen, args=(job, process), name=f"listens to {job.name}", daemon=True).start()

    def ended(self, timeout: float) -> list[Ended]:
        """Those that have ended since; waits so many seconds for the first."""
        found: list[Ended] = []
        with suppress(Empty):
            found.append(self._ended.get(timeout=timeout))
            while True:
                found.append(self._ended.get_nowait())
        for each in found:
            del self._running[each.job]
        return found

    def request_stop(self) -> None:
        """Asks all jobs to stop with what they have, and begins no other."""
        self.stopping = True
        self._send("SIGTERM")

    def request_snapshot(self) -> None:
        """Asks all jobs for a snapshot."""
        self._send("SIGHUP")

    def _send(self, name: str) -> None:
        if sys.platform != "win32":  # there, the console tells the children itself
            for process in list(self._running.values()):
                if process.poll() is None:
                    process.send_signal(getattr(signal, name))

    def _listen(self, job: Job, process: subprocess.Popen[str]) -> None:
        lines, answer = list[str](), ""
        try:
            with process:
                for line in map(str.rstrip, process.stderr or ()):
                    lines.append(line)
                    if not line.startswith(ERROR):
                        self.hear(job, line)
                answer = process.stdout.read() if process.stdout is not None else ""
        finally:
            self._ended.put(Ended(job, process.returncode, tuple(lines), answer))
