"""Calls of the compiled core, bound to the memory that they read and write: what a written pass is made of.

Everything is float32 and contiguous, with the batch innermost: a blob (N, ...) lies as (..., N). A call returns nothing
and may be made again and again; whoever holds it holds the tensors, too. No result depends on the number of threads.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

import torch

from . import native
from .native import THREADS, Bound, Call, Sizes, bound

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["identity", "sigmoid", "relu", "elu", "tanh"]
KINDS: tuple[Kind, ...] = ("identity", "sigmoid", "relu", "elu", "tanh")


def activate(kind: Kind, slope: float, bias: Tensor | None, x: Tensor, y: Tensor) -> Call:
    """x += bias of its row; y = f(x), which may be x itself. x and y (rows, ...), bias (rows)."""
    rows = len(x)
    return bound(
        "activate",
        KINDS.index(kind), float(slope), rows, x.numel() // rows, bias, x, y, THREADS,
    )  # fmt: skip


def activate_back(kind: Kind, slope: float, y: Tensor, dy: Tensor, dbias: Tensor | None) -> Call:
    """dy becomes dx = dy · f'(x), told from y; dbias (rows) = the sum of each row's dx."""
    rows = len(dy)
    return bound(
        "activate_back",
        KINDS.index(kind), float(slope), rows, dy.numel() // rows, y, dy, dbias, THREADS,
    )  # fmt: skip


def scale(factor: float, shift: float, shifts: Tensor | None, x: Tensor, y: Tensor) -> Call:
    """y = x · factor + shift, or + its row's of `shifts`; y may be x itself. x and y (rows, ...), shifts (rows)."""
    rows = len(x) if shifts is not None else 1
    return bound("scale", rows, x.numel() // rows, float(factor), float(shift), shifts, x, y, THREADS)


def join(kind: int, p: float, q: float, a: Tensor, b: Tensor, y: Tensor) -> Call:
    """By Caffe's numbers of `kind`: 0: y = a · b; 1: y = p · a + q · b; 2: y = the greater one. y may be a or b."""
    return bound("join", kind, a.numel(), float(p), float(q), a, b, y, THREADS)


def add(x: Tensor, y: Tensor) -> Call:
    """y += x."""
    return join(1, 1.0, 1.0, y, x, y)


def join_back(kind: int, a: Tensor, b: Tensor, dy: Tensor, da: Tensor | None, db: Tensor | None) -> Call:
    """Of kinds 0 and 2: the gradients to a and b, as far as they are wanted; one of them may be dy. Equals are b's."""
    return bound("join_back", kind, a.numel(), a, b, dy, da, db, THREADS)


def cross_entropy(share: float, weight: float, x: Tensor, t: Tensor, dx: Tensor | None, loss: Tensor) -> Call:
    """loss = share · sum of max(x, 0) - x·t + log(1 + e^-|x|); dx = weight · share · (sigmoid(x) - t)."""
    return bound("cross_entropy", x.numel(), float(share), float(weight), x, t, dx, loss, THREADS)


def squares(
    share: float, weight: float, a: Tensor, b: Tensor, da: Tensor | None, db: Tensor | None, loss: Tensor
) -> Call:
    """loss = share / 2 · sum of (a - b)²; da = weight · share · (a - b), db = -da."""
    return bound("squares", a.numel(), float(share), float(weight), a, b, da, db, loss, THREADS)


def softmax_loss(
    share: float, weight: float, most: float, x: Tensor, t: Tensor, dx: Tensor | None, loss: Tensor
) -> Bound:
    """loss = share · sum over columns of min(-log softmax(x)[t], most); dx = weight · share · the uncut gradient.

    x (classes, columns), t (columns), whole numbers from 0 to classes - 1.
    """
    classes, columns = x.shape
    return bound(
        "softmax_loss", classes, columns, float(share), float(weight), float(most), x, t, dx, loss,
        THREADS,
    )  # fmt: skip


def pool(sizes: Sizes, x: Tensor, y: Tensor, place: Tensor | None) -> Call:
    """y of x by `pooling_sizes`; `place` (int32, as y) takes where each maximum stood, None for means."""
    return bound("pool", sizes, x, y, place)


def pool_back(sizes: Sizes, dy: Tensor, place: Tensor | None, dx: Tensor) -> Call:
    """dx of dy by the same sizes: to where each maximum stood, or evenly over each window."""
    return bound("pool_back", sizes, dy, place, dx)


def pooling_sizes(
    x: Tensor, y: Tensor, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int], mean: bool
) -> Sizes:
    """x (C, H, W, N), y (C, H', W', N)."""
    numbers = (*x.shape[:1], x.shape[3], *x.shape[1:3], *y.shape[1:3], *kernel, *stride, *pad)
    return lambda threads: (ctypes.c_int64 * 14)(*numbers, int(mean), threads)


def correlate(geometry: native.Geometry, x: Tensor, w: Tensor, b: Tensor | None, y: Tensor) -> Call:
    """y of x as `Geometry` says; + b of its output."""
    return bound("correlate", partial(native.sizes_of, geometry), x, w, b, y)


def weight_gradient(geometry: native.Geometry, large: Tensor, small: Tensor, dw: Tensor) -> Call:
    """dw as `native.weight_gradient` makes it."""
    return bound("weight_gradient", partial(native.sizes_of, geometry), large, small, dw)


def product(a: Tensor, b: Tensor, y: Tensor) -> Call:
    """y = a b, matrices; a may be a transposed view, b and y are without gaps. A vector b is left to PyTorch."""
    if y.shape[1] == 1:
        multiply = torch.mm

        def call() -> None:
            multiply(a, b, out=y)

        return call
    numbers = (*y.shape, a.shape[1], *a.stride())
    return bound("product", lambda threads: (ctypes.c_int64 * 6)(*numbers, threads), a, b, y)


def transpose(x: Tensor, y: Tensor) -> Call:
    """y (S, P, R) = x (R, P, S) with its first and last axis exchanged, or matrices, where P is 1."""
    rows, columns = len(x), x.shape[-1]
    places = x.numel() // (rows * columns)
    return bound("transpose", rows, places, columns, x, y, THREADS)


def squared(x: Tensor, total: Tensor) -> Call:
    """total (one number, float64) = Σ x²."""
    return bound("squared", x.numel(), x, total, THREADS)


class _Blob(ctypes.Structure):
    """As `Learned` in core/steps.inc."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("w", "g", "h", "h2", "d")),
        ("count", ctypes.c_int64),
        ("lr", ctypes.c_double),
        ("decay", ctypes.c_double),
    ]


class _Rule(ctypes.Structure):
    """As `Update` in core/core.cpp."""

    _fields_ = [
        ("rule", ctypes.c_int64),
        ("l1", ctypes.c_int64),
        ("rate", ctypes.c_double),
        ("correction", ctypes.c_double),
        *((name, ctypes.c_float) for name in ("scale", "momentum", "momentum2", "rms_decay", "delta", "rest", "rest2")),
    ]


RULES = ("SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam")


class FusedUpdate:
    """All of a solver's step in one call over the learned blobs: the formulas are those of `solver.update`.

    `history`: one or two lists as long as `weights`; `updates` (or none) take Δ; `lr`, `decay`: each blob's
    multipliers of the rate and of the weight decay.
    """

    def __init__(
        self,
        rule: str,
        weights: Sequence[Tensor],
        history: Sequence[Sequence[Tensor]],
        updates: Sequence[Tensor],
        lr: Sequence[float],
        decay: Sequence[float],
    ) -> None:
        self._held = (list(weights), [list(block) for block in history])
        self._updates = list(updates)
        self._taken: Sequence[Tensor] = ()
        self._left = False  # whether Δ was left in the gradients the last time
        self._blobs = (_Blob * len(weights))()
        self._squares = (ctypes.c_double * len(weights))()
        for i, (blob, weight) in enumerate(zip(self._blobs, weights, strict=True)):
            blob.w, blob.count, blob.lr = weight.data_ptr(), weight.numel(), lr[i]
            blob.h = history[0][i].data_ptr()
            blob.h2 = history[1][i].data_ptr() if len(history) > 1 else None
            blob.d = updates[i].data_ptr() if updates else None
        self._rule = _Rule(rule=RULES.index(rule))
        self._library = native.library()
        self._decay, self._weight_decay = list(decay), 0.0

    def squares(self, gradients: Sequence[Tensor]) -> list[float]:
        """Σ g² of each blob."""
        self._take(gradients)
        if self._library.deepcae_all_squared(len(self._blobs), self._blobs, self._squares, native.threads()):
            raise MemoryError("no memory for a norm")
        return list(self._squares)

    def step(
        self, gradients: Sequence[Tensor], settings: dict[str, float], weight_decay: float, leave_update: bool = False
    ) -> None:
        """Moves the weights. The gradients are written over, with `leave_update` by Δ.

        `settings`: the fields of core.cpp's Update.
        """
        self._take(gradients)
        if weight_decay != self._weight_decay:
            for blob, multiplier in zip(self._blobs, self._decay, strict=True):
                blob.decay = weight_decay * multiplier
            self._weight_decay = weight_decay
        if not self._updates and (leave_update or self._left):
            for blob in self._blobs:
                blob.d = blob.g if leave_update else None
            self._left = leave_update
        for name, value in settings.items():
            setattr(self._rule, name, value)
        if self._library.deepcae_update(ctypes.byref(self._rule), len(self._blobs), self._blobs, native.threads()):
            raise MemoryError("no memory for an update")
        if leave_update and self._updates:
            torch._foreach_copy_(list(gradients), self._updates)

    def _take(self, gradients: Sequence[Tensor]) -> None:
        if gradients is not self._taken:
            for blob, gradient in zip(self._blobs, gradients, strict=True):
                blob.g = gradient.data_ptr()
            self._taken = gradients
