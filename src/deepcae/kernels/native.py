"""The compiled kernels (`core/core.cpp`) through ctypes: loaded once, with the threads that torch has already.

Two OpenMP runtimes in one process would fight for the cores, so the library has none: it gets the entry points of the
runtime that torch's own library was linked with. Where they cannot be found, it runs in one thread.
"""

from __future__ import annotations

import ctypes
import logging
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from torch import Tensor

_VERSION = 3  # of the sizes that both sides pass
_WORTH_THREADS = 1_000_000  # multiplications below which a second thread does not pay,
_WORTH_NUMBERS = 100_000  # unless an image's batch has so many numbers
_OPENMP = ("GOMP_parallel", "omp_get_thread_num", "omp_get_num_threads")


class Geometry(NamedTuple):
    """A correlation, `in` → `out`; images (channels, height, width, batch), fields as in core.cpp.

    y[o, i, j] = sum over c, ky, kx of w[o, c, ky, kx] x[c, i·stride_h - pad_h + ky·dilation_h, …]. `spread`: the pixels
    of x lie so far apart, with zeros between them, as in a deconvolution with that stride.
    `turned`: w is (in, out/group, kh, kw) and its kernels are turned by 180 degrees.
    """

    batch: int
    group: int
    in_channels: int
    in_h: int
    in_w: int
    out_channels: int
    out_h: int
    out_w: int
    kernel_h: int
    kernel_w: int
    pad_h: int
    pad_w: int
    dilation_h: int
    dilation_w: int
    stride_h: int
    stride_w: int
    spread_h: int
    spread_w: int
    turned: bool

    def transposed(self) -> Geometry:
        """The correlation that leads back, from `out` to `in`, with the same w."""
        return self._replace(
            in_channels=self.out_channels, in_h=self.out_h, in_w=self.out_w,
            out_channels=self.in_channels, out_h=self.in_h, out_w=self.in_w,
            pad_h=self.dilation_h * (self.kernel_h - 1) - self.pad_h,
            pad_w=self.dilation_w * (self.kernel_w - 1) - self.pad_w,
            stride_h=self.spread_h, stride_w=self.spread_w, spread_h=self.stride_h, spread_w=self.stride_w,
            turned=not self.turned,
        )  # fmt: skip


@cache
def _library() -> ctypes.CDLL | None:
    """The library, or None where it was not built: said once."""
    path = Path(__file__).with_name(f"_core{EXTENSION_SUFFIXES[-1]}")  # the one without a Python's name
    if path.exists():
        try:
            library = ctypes.CDLL(str(path))
            if library.deepcae_version() == _VERSION:
                return _prepared(library)
            reason = "is of another version: install deepcae again"
        except (OSError, AttributeError) as error:
            reason = f"cannot be loaded: {error}"
    else:
        reason = "was not built, there was no C++ compiler: convolutions take PyTorch's ways, which are slower"
    logging.getLogger("deepcae").warning("the compiled core of deepcae %s", reason)
    return None


def _prepared(library: ctypes.CDLL) -> ctypes.CDLL:
    pointer = ctypes.c_void_p
    library.deepcae_instructions.restype = ctypes.c_char_p
    library.deepcae_instructions.argtypes = [ctypes.c_char_p]
    library.deepcae_threads.argtypes = [pointer] * 3
    library.deepcae_threads.restype = None
    library.deepcae_correlate.argtypes = [pointer] * 5
    library.deepcae_weight_gradient.argtypes = [pointer] * 4
    number = ctypes.c_int64
    library.deepcae_update.argtypes = [pointer, number, pointer, number]
    library.deepcae_all_squared.argtypes = [number, pointer, pointer, number]
    library.deepcae_play.argtypes = [pointer, number]
    found = _openmp()
    if found is not None:
        library.deepcae_threads(*found)
    return library


def _openmp() -> list[int | None] | None:
    """The entry points of torch's OpenMP runtime; None where it has none of that kind."""
    name = {"darwin": "libtorch_cpu.dylib", "win32": "torch_cpu.dll"}.get(sys.platform, "libtorch_cpu.so")
    try:
        theirs = ctypes.CDLL(str(Path(torch.__file__).with_name("lib") / name))  # is loaded: its symbols and its needs'
        return [ctypes.cast(getattr(theirs, symbol), ctypes.c_void_p).value for symbol in _OPENMP]
    except (OSError, AttributeError):
        return None


def library() -> ctypes.CDLL:
    """The library, where there is one."""
    found = _library()
    assert found is not None
    return found


_in_use: list[str] = []  # the instruction set, once asked for


def instructions(name: str = "") -> str:
    """The instruction set in use, "" without a library; `name` asks for one, which counts if the machine has it."""
    library = _library()
    if library is None:
        return ""
    if name or not _in_use:
        _in_use[:] = [str(library.deepcae_instructions(name.encode() or None).decode())]
    return _in_use[0]


_most: ContextVar[int | None] = ContextVar("most", default=None)


def threads() -> int:
    """How many threads a call of the library may take now: PyTorch's number, or less inside `at_most`."""
    number, most = torch.get_num_threads(), _most.get()
    return number if most is None else min(number, most)


@contextmanager
def at_most(number: int | None) -> Iterator[None]:
    """Inside, the library takes no more threads than that. None: as many as outside. No result depends on it."""
    before = _most.set(number)
    try:
        yield
    finally:
        _most.reset(before)


@lru_cache(maxsize=1024)
def sizes_of(geometry: Geometry, threads: int) -> ctypes.Array[ctypes.c_int64]:
    """The geometry as the library takes it, with the number of threads that pays."""
    g = geometry
    area = min(g.in_h * g.in_w, g.out_h * g.out_w)
    products = g.batch * g.in_channels * g.out_channels // g.group * g.kernel_h * g.kernel_w * area
    numbers = g.batch * max(g.in_channels * g.in_h * g.in_w, g.out_channels * g.out_h * g.out_w)
    pays = products >= _WORTH_THREADS or numbers >= _WORTH_NUMBERS
    return (ctypes.c_int64 * (len(g) + 1))(*g, threads if pays else 1)


def correlate(geometry: Geometry, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """x (C, H, W, N), w and b, all contiguous → y (O, H', W', N)."""
    g = geometry
    y = x.new_empty(g.out_channels, g.out_h, g.out_w, g.batch)
    sizes = sizes_of(g, threads())
    failed = library().deepcae_correlate(
        sizes, x.data_ptr(), w.data_ptr(), None if b is None else b.data_ptr(), y.data_ptr()
    )
    if failed:
        raise MemoryError("no memory for the copies that a convolution needs")
    return y


def weight_gradient(geometry: Geometry, large: Tensor, small: Tensor) -> Tensor:
    """dw[o, c, ky, kx] = sum over n, i, j of small[o, i, j, n] large[c, i·stride - pad + ky·dilation, …, n].

    Of a geometry that is not `turned`, nor spread.
    """
    g = geometry
    dw = large.new_empty(g.out_channels, g.in_channels // g.group, g.kernel_h, g.kernel_w)
    sizes = sizes_of(g, threads())
    if library().deepcae_weight_gradient(sizes, large.data_ptr(), small.data_ptr(), dw.data_ptr()):
        raise MemoryError("no memory for the sums that the gradient of a convolution needs")
    return dw


# Calls that are made again and again

Call = Callable[[], object]
FUNCTIONS = (  # in the order of the switch in core/steps.inc
    "correlate", "weight_gradient", "product", "transpose", "activate", "activate_back", "cross_entropy", "squares",
    "pool", "pool_back", "softmax_loss", "squared", "scale", "join", "join_back",
)  # fmt: skip
_WORDS = 12


class _Threads:
    """Stands among a call's arguments for the number of threads with which it is made."""


THREADS = _Threads()
Sizes = Callable[[int], "ctypes.Array[ctypes.c_int64]"]  # an array of sizes, by the number of threads that ends it
_Step = tuple[str, tuple[Any, ...]]  # a function and its arguments


class Bound:
    """Calls of the library's functions with arguments that stay, one after another. MemoryError if it lacks memory.

    They take as many threads as are in use when they are made (`threads`).
    """

    def __init__(self, steps: tuple[_Step, ...]) -> None:
        self._steps = steps
        self._words: dict[int, tuple[bytes, list[Any]]] = {}  # by the number of threads, with what they point to
        self._play = library().deepcae_play

    def __call__(self) -> None:
        number = threads()
        if number not in self._words:
            held: list[Any] = []
            self._words[number] = b"".join(_words(step, number, held) for step in self._steps), held
        if self._play(self._words[number][0], len(self._steps)):
            raise MemoryError("no memory for what a layer needs beside its blobs")

    def then(self, other: Bound) -> Bound:
        """Both, as one call."""
        return Bound(self._steps + other._steps)


def bound(function: str, *arguments: Any) -> Bound:
    """One call of one of the `FUNCTIONS`."""
    return Bound(((function, arguments),))


def _words(step: _Step, threads: int, held: list[Any]) -> bytes:
    function, arguments = step
    words = struct.pack("q", FUNCTIONS.index(function))
    for argument in arguments:
        if argument is THREADS:
            argument = threads
        elif callable(argument) and not isinstance(argument, torch.Tensor):
            argument = argument(threads)
            held.append(argument)
        words += _word(argument)
    return words.ljust(8 * _WORDS, b"\0")


def _word(argument: Any) -> bytes:
    """Eight bytes: a number, or where a tensor or an array of numbers lies."""
    if isinstance(argument, float):
        return struct.pack("d", argument)
    if isinstance(argument, torch.Tensor):
        return struct.pack("q", argument.data_ptr())
    if isinstance(argument, ctypes.Array):
        return struct.pack("q", ctypes.addressof(argument))
    return struct.pack("q", argument or 0)


def joined(calls: Sequence[Call]) -> list[Call]:
    """The same calls, neighbours of the library's made one, for which Python is asked once."""
    made: list[Call] = []
    for call in calls:
        if made and isinstance(call, Bound) and isinstance(made[-1], Bound):
            made[-1] = made[-1].then(call)
        else:
            made.append(call)
    return made
