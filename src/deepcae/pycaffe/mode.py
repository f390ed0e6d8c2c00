"""What Caffe keeps once per process: the device, the random stream, the log's level, the solver's place among others.

`Net` and the solvers read it through `device()`, `generator()` and `shows()`; scripts set it through Caffe's functions.
Source: Caffe's _caffe.cpp and common.cpp.
"""

from __future__ import annotations

import os
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ..layers.base import Layer
from ..lazy import torch
from ..proto.schema import TEST, TRAIN

if TYPE_CHECKING:
    from torch import Generator

__all__ = [
    "NCCL", "TEST", "TRAIN", "Timer", "device", "generator", "has_nccl", "init_log", "layer_type_list", "log",
    "set_device", "set_mode_cpu", "set_mode_gpu", "set_multiprocess", "set_random_seed", "set_solver_count",
    "set_solver_rank", "shows", "solver_count", "solver_rank",
]  # fmt: skip

INFO, WARNING, ERROR, FATAL = range(4)  # glog's levels


def _level_at_start() -> int:
    """glog's own variable, which scripts set before they import caffe."""
    word = os.environ.get("GLOG_minloglevel", "")  # noqa: SIM112 — its name
    return int(word) if word.isdigit() else INFO


@dataclass
class _Process:
    on_gpu: bool = False
    gpu: int = 0
    generator: Generator | None = None
    log_level: int = INFO
    solver_count: int = 1
    solver_rank: int = 0
    multiprocess: bool = False


_process = _Process(log_level=_level_at_start())


# Where it computes


def set_mode_cpu() -> None:
    """Nets made from now on compute on the CPU (the default)."""
    _process.on_gpu = False


def set_mode_gpu() -> None:
    """Nets made from now on compute on the GPU; on the CPU, with a warning, where this machine has none."""
    _process.on_gpu = torch.cuda.is_available()
    if not _process.on_gpu:
        warnings.warn(
            "set_mode_gpu: this machine (or this build of torch) has no CUDA GPU; computing on the CPU",
            RuntimeWarning,
            stacklevel=2,
        )


def set_device(device_id: int) -> None:
    """The GPU that `set_mode_gpu` means. ValueError for one that this machine lacks."""
    if device_id < 0:
        raise ValueError(f"set_device: GPU {device_id} is given; GPUs are numbered from 0")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count and device_id >= count:
        raise ValueError(f"set_device: GPU {device_id} is given; this machine has {count}, numbered from 0")
    _process.gpu = int(device_id)


def device() -> str:
    """torch's word for the place where a net made now computes: "cpu" or "cuda:<id>"."""
    return f"cuda:{_process.gpu}" if _process.on_gpu else "cpu"


# Randomness


def set_random_seed(seed: int) -> None:
    """Starts the one random stream of this process anew: fillers, dropout and dummy data made from now on repeat."""
    generator().manual_seed(int(seed))


def generator() -> Generator:
    """The one random stream of this process, seeded by the system's entropy until `set_random_seed` is called."""
    if _process.generator is None:
        _process.generator = torch.Generator()
        _process.generator.seed()
    return _process.generator


# The log


def init_log(level: int = INFO, stderr: bool = True) -> None:
    """Shows lines of `level` (0 info, 1 warning, 2 error, 3 fatal) and above on stderr; elsewhere they never go."""
    if not stderr:
        level = FATAL + 1
    _process.log_level = int(level)


def shows(level: int) -> bool:
    """Whether a line of this level is shown."""
    return level >= _process.log_level


def log(message: str) -> None:
    """One line of level info on stderr, behind glog's prefix."""
    if shows(INFO):
        now = datetime.now()
        stamp = f"I{now:%m%d %H:%M:%S}.{now.microsecond:06d} {os.getpid():5d}"
        say(f"{stamp} _caffe.cpp:65] {message}")


def say(line: str) -> None:
    """A line on stderr; where it cannot be written (a full disk, a pipe that is closed), the script goes on without."""
    with suppress(OSError, ValueError):
        print(line, file=sys.stderr)


# Several solvers


def solver_count() -> int:
    """The number of solvers that train together: 1, unless a script says otherwise."""
    return _process.solver_count


def set_solver_count(count: int) -> None:
    """Keeps the number that `solver_count` gives; each solver here trains alone all the same."""
    _process.solver_count = int(count)


def solver_rank() -> int:
    """This process's place among the solvers: 0, unless a script says otherwise."""
    return _process.solver_rank


def set_solver_rank(rank: int) -> None:
    """Keeps the number that `solver_rank` gives."""
    _process.solver_rank = int(rank)


def set_multiprocess(on: bool) -> None:
    """Says that each solver has its own process, as Caffe's multi-GPU script does."""
    _process.multiprocess = bool(on)


def has_nccl() -> bool:
    """False: a solver here trains on one device."""
    return False


class NCCL:
    """Caffe's exchange of gradients between GPUs, which is not here: RuntimeError wherever it is used."""

    def __init__(self, *_: Any) -> None:
        raise RuntimeError(self._SENTENCE)

    @classmethod
    def new_uid(cls) -> str:
        """RuntimeError, as for the class."""
        raise RuntimeError(cls._SENTENCE)

    _SENTENCE = "NCCL: training on several GPUs is not supported; has_nccl() is False, use one solver on one device"


# The layers, and a clock


def layer_type_list() -> list[str]:
    """The types that a net's layers may have, in alphabetical order."""
    return sorted({*Layer.registry, "Python"})


class Timer:
    """A stop-watch: `start()`, work, `stop()`, then `ms`. Waits for the GPU where one computes."""

    def __init__(self) -> None:
        self._started: float | None = None
        self._seconds = 0.0

    def start(self) -> None:
        """Starts; a running watch goes on (as in Caffe)."""
        if self._started is None:
            self._started = self._now()

    def stop(self) -> None:
        """Stops; a watch at rest keeps its time."""
        if self._started is not None:
            self._seconds, self._started = self._now() - self._started, None

    @property
    def ms(self) -> float:
        """Milliseconds between start and stop (a running watch is stopped); 0 before the first start."""
        self.stop()
        return self._seconds * 1000

    @staticmethod
    def _now() -> float:
        if _process.on_gpu:
            torch.cuda.synchronize(_process.gpu)
        return time.perf_counter()
