"""A process that has loaded everything once and forks a child for each command line: `main` itself, in milliseconds.

    with Server() as server:
        ended = server.run(["train", ...], folder, at=17, failure="ENOSPC")

The child runs under `shim.c`, which makes the n-th of its calls that change files in `folder/run` fail, or kills it
there; `seconds` kills it when so much time is over.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import select
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

HERE = Path(__file__).parent
PATIENCE = 120.0  # seconds after which a child hangs


@dataclass(frozen=True)
class Ended:
    """`code`: the exit code, or less than 0 the signal that ended it. `calls`: -1 where it was killed."""

    code: int
    calls: int
    said: str  # on stdout and stderr

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Server:
    """The parent of all children; it never computes. `fits`: whether it loads what `fit` loads, too."""

    def __init__(self, fits: bool = False) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.shim = compile_shim(Path(self._folder.name))
        environment = {
            **os.environ,
            "LD_PRELOAD": str(self.shim),
            "OMP_NUM_THREADS": "1",
            "FAULTS_SHIM": str(self.shim),
        }
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE.parent), environment.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.server", *["fits"] * fits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(
        self, argv: list[str], folder: Path, *, at: int = 0, failure: str = "", persistent: bool = False,
        seconds: float = 0.0, trace: Path | None = None,
    ) -> Ended:  # fmt: skip
        """Runs `deepcae ARGV` in `folder`. `failure`: "", "kill" or an errno's name, at the n-th call (`at`)."""
        number = 0 if not failure else 1 if failure == "kill" else 100 + getattr(errno, failure)
        order = {
            "argv": argv, "folder": str(folder), "at": at, "failure": number, "persistent": persistent,
            "seconds": seconds, "trace": str(trace or ""),
        }  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
        self._folder.cleanup()


def compiler() -> list[str]:
    """The C compiler of this Python, as a command."""
    return (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()


def compile_shim(folder: Path, name: str = "shim") -> Path:
    shim = folder / f"{name}.so"
    command = [*compiler()[:1], "-shared", "-fPIC", "-O1", "-o", str(shim), str(HERE / f"{name}.c"), "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return shim


def scratch() -> tempfile.TemporaryDirectory[str]:
    """A folder for trainings; in memory where that can be, as hundreds of thousands of fsyncs cost hours on a disk."""
    memory = "/dev/shm"
    return tempfile.TemporaryDirectory(dir=memory if os.access(memory, os.W_OK) else None)


# In the server


def serve() -> None:
    shim = ctypes.CDLL(os.environ.pop("FAULTS_SHIM"))
    del os.environ["LD_PRELOAD"]  # children of children are not ours to fail
    warm_up()
    if "fits" in sys.argv:
        from . import fits

        fits.warm_up()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(answer(shim, json.loads(line))) + "\n")
        sys.stdout.flush()


def warm_up() -> None:
    """Loads what every training loads, by one of them."""
    from deepcae.cli import main
    from solver.tiny import write_training

    with tempfile.TemporaryDirectory() as folder:
        solver = write_training(Path(folder))
        assert main(["train", "--solver", str(solver), "--out", f"{folder}/run", "--threads", "1", "-q"]) == 0


def answer(shim: Any, order: dict[str, Any]) -> dict[str, Any]:
    with tempfile.TemporaryFile() as said:
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            child(shim, order, said.fileno(), writing)
        os.close(writing)
        code = wait(pid, order["seconds"] or PATIENCE)
        counted = os.read(reading, 100)
        os.close(reading)
        said.seek(0)
        text = said.read().decode(errors="replace")
    return {"code": code, "calls": int(counted or -1), "said": text}


def child(shim: Any, order: dict[str, Any], said: int, counted: int) -> None:
    """Never returns."""
    code = 99
    try:
        for number in (1, 2):
            os.dup2(said, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(order["folder"])
        trace, shadows = -1, ""
        if order["trace"]:
            trace = os.open(order["trace"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
            shadows = order["trace"] + ".shadows"
            os.makedirs(shadows, exist_ok=True)
        from deepcae.cli import main

        folder, at = os.path.join(order["folder"], "run").encode(), ctypes.c_long(order["at"])
        shim.faults_arm(folder, at, order["failure"], int(order["persistent"]), trace, shadows.encode())
        code = main(order["argv"])
        os.write(counted, str(shim.faults_calls()).encode())
    finally:
        os._exit(code)


def wait(pid: int, seconds: float) -> int:
    """The exit code of a child, which is killed when the time is over."""
    descriptor = os.pidfd_open(pid)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if select.select([descriptor], [], [], max(0.0, end - time.monotonic()))[0]:
            break
    else:
        os.kill(pid, signal.SIGKILL)
    os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


if __name__ == "__main__":
    serve()
