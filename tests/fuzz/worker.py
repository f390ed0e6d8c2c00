"""One case in a process of its own, under limits: CPU time, address space, and the memory that it really uses.

    python -m fuzz.worker     reads cases from stdin (`<target> <size>\\n<bytes>`), answers each with a line of JSON

The child ends itself (SIGPROF) after `CPU_SECONDS` of computing in one case, whatever C code it is in; the parent
starts a new one. The time grows with files over 100 kB: reading a text costs some 10 us a word.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CPU_SECONDS = 2.0  # for files up to 100 kB; in proportion above
WALL_SECONDS = 30.0  # for a case that sleeps: a machine may be busy
MEMORY = 256 * 2**20  # beside twice the file
ADDRESS_SPACE = 2 * 2**30  # what a case may ask for beside what the process has: more is a MemoryError
LINE = 1000  # characters of a message


@dataclass(frozen=True)
class Outcome:
    """`kind`: fine, refused (an error of ours), or a finding: traceback, memory, hang, crash, lines."""

    kind: str
    detail: str = ""

    @property
    def is_finding(self) -> bool:
        return self.kind not in ("fine", "refused")


class Worker:
    """A child process that runs cases; a new one after each that it did not survive."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None

    def run(self, target: str, data: bytes) -> Outcome:
        child = self._child if self._child is not None and self._child.poll() is None else self._start()
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            child.stdin.write(f"{target} {len(data)}\n".encode() + data)
            child.stdin.flush()
        except BrokenPipeError:
            return self._ended(child, "before the case")
        ready, _, _ = select.select([child.stdout], [], [], WALL_SECONDS)
        if not ready:
            child.kill()
            child.wait()
            return Outcome("hang", f"no answer in {WALL_SECONDS:.0f} s")
        answer = child.stdout.readline()
        return Outcome(**json.loads(answer)) if answer else self._ended(child, "")

    def close(self) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _start(self) -> subprocess.Popen[bytes]:
        self.close()
        tests = Path(__file__).resolve().parents[1]
        environment = {**os.environ, "PYTHONPATH": str(tests), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "fuzz.worker"]
        self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        return self._child

    def _ended(self, child: subprocess.Popen[bytes], when: str) -> Outcome:
        code = child.wait()
        if code == -signal.SIGPROF:
            return Outcome("hang", f"more than {CPU_SECONDS:g} s of computing")
        return Outcome("crash", f"the process ended with {code} {when}".rstrip())


def serve() -> None:
    """The child's loop."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    warnings.simplefilter("error")
    from deepcae.errors import DeepcaeWarning

    warnings.simplefilter("ignore", DeepcaeWarning)  # what is told of a damaged file that is passed over
    from .targets import SELF_TEST, TARGETS

    targets = TARGETS | SELF_TEST
    while line := sys.stdin.buffer.readline():
        name, size = line.split()
        data = sys.stdin.buffer.read(int(size))
        outcome = _examine(targets[name.decode()], data)
        answers.write(json.dumps({"kind": outcome.kind, "detail": outcome.detail}).encode() + b"\n")


def _examine(target: Any, data: bytes) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="deepcae-fuzz-") as folder:
        path = Path(folder, target.name)
        path.write_bytes(data)
        _warm(target)
        before = _memory("VmRSS")
        _limit_address_space(_memory("VmSize") + ADDRESS_SPACE)
        _forget_peak()
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS * max(1.0, len(data) / 1e5))
        began = time.process_time()
        try:
            outcome = _outcome(target, path)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            _limit_address_space(resource.RLIM_INFINITY)
        used = time.process_time() - began
        peak = _memory("VmHWM") - before
        if not outcome.is_finding and peak > 2 * len(data) + MEMORY:
            return Outcome("memory", f"{peak // 2**20} MB for a file of {len(data)} bytes ({used:.1f} s)")
        return outcome


def _outcome(target: Any, path: Path) -> Outcome:
    from deepcae.cli.exits import sentences
    from deepcae.errors import DeepcaeError

    try:
        target.read(path)
    except DeepcaeError as error:
        long = max(map(len, sentences(error)), default=0)
        if long > LINE:
            return Outcome("lines", f"a message of {long} characters: {str(error)[:200]!r}")
        return Outcome("refused", str(error)[:300])
    except BaseException as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames if "deepcae" in frame.filename]
        return Outcome("traceback", f"{type(error).__name__} at {' < '.join(ours[::-1][:4])}: {str(error)[:200]}")
    return Outcome("fine")


_WARM: set[Any] = set()


def _warm(target: Any) -> None:
    """Everything is imported before memory and time are measured: a right file is read first."""
    if target.read in _WARM:
        return
    _WARM.add(target.read)
    from reference import GOLDEN

    for seed in list(target.seeds(GOLDEN))[:2]:
        with tempfile.TemporaryDirectory(prefix="deepcae-fuzz-") as folder:
            path = Path(folder, target.name)
            path.write_bytes(seed)
            _outcome(target, path)


def _limit_address_space(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _forget_peak() -> None:
    """Lets the kernel count the greatest resident size anew."""
    Path("/proc/self/clear_refs").write_text("5")


def _memory(field: str) -> int:
    """VmRSS, VmHWM or VmSize of this process in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    return 0


if __name__ == "__main__":
    serve()
