"""Which library multiplies matrices: the compiled core, PyTorch's own product (MKL's, as it is built), or oneDNN.

The processor decides (`rule`): MKL keeps its better code for Intel's. Autograd's products, measured on an AMD EPYC
(Zen 5), forward and both gradients, MKL ÷ oneDNN, one thread (two threads): 100 rows 3136→512 2.4, 784→1000 2.2;
64 rows 800→500 2.0 (1.6); 32 rows 256→256 1.3 (1.0); 16 rows 512→256 1.25 (1.1); but 100 rows 256→30 1.1 (0.9), 4 rows
784→1000 0.5, one row 0.9.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from .algorithms import is_plain, is_traced
from .choice import preference, rule
from .libraries import by_onednn, has_onednn
from .rule import LEAST_IN_ALL, LEAST_WEIGHTS, Products

_alike: ContextVar[bool] = ContextVar("alike", default=False)  # see `rows_alike`
_LINE = 16  # float32 values of 64 bytes

LEAST_ROWS = 16
LEAST_PRODUCTS = 4_000_000  # of two numbers


def products_of(weights: int, in_all: int, columns: int) -> Products:
    """Who multiplies in a layer of the written pass: its weights, its net's, and the columns that they multiply."""
    if _alike.get() or weights < LEAST_WEIGHTS or in_all < LEAST_IN_ALL or columns < 2 or not has_onednn():
        return Products()
    return rule().products(columns)


def linear(x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
    """y = x wᵀ + b: x (..., K), w (M, K), b (M) or None → (..., M)."""
    rows = x.numel() // max(1, x.shape[-1])
    if rows < LEAST_ROWS or x.numel() * w.shape[0] < LEAST_PRODUCTS or not _is_for_onednn(x, w, b):
        if not (_alike.get() and is_plain(x) and w.shape[0] > 1):
            return torch.nn.functional.linear(x, w, b)
        y = torch.nn.functional.linear(_laid_alike(x.reshape(rows, -1)), w, b)
    else:
        y = _Linear.apply(x.reshape(rows, -1), w, b)
    return y.reshape(*x.shape[:-1], -1)


@contextmanager
def rows_alike() -> Iterator[None]:
    """Inside, and for this thread, a row gets the same bits wherever it stands in a block of one size: by `linear`, and
    by passes that are written down here, whose products are the core's.

    MKL sums in another order where a row begins at another address: one of 250 values does, two of three times.
    """
    before = _alike.set(True)
    try:
        yield
    finally:
        _alike.reset(before)


def _laid_alike(x: Tensor) -> Tensor:
    """x (N, K), whose rows all begin at a multiple of 64 bytes."""
    values = x.shape[1]
    if values % _LINE == 0 and x.data_ptr() % (4 * _LINE) == 0:
        return x
    return torch.empty(len(x), -(-values // _LINE) * _LINE)[:, :values].copy_(x)


def _is_for_onednn(*tensors: Tensor | None) -> bool:
    if preference() == "torch" or torch.is_autocast_enabled("cpu") or is_traced():
        return False
    return all(tensor is None or is_plain(tensor) for tensor in tensors) and pays()


def pays() -> bool:
    """Whether oneDNN is faster than MKL on this processor, and this PyTorch has both."""
    return has_onednn() and rule().rows == "onednn"


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, w: Tensor, b: Tensor | None) -> Tensor:
        ctx.save_for_backward(x, w)
        return by_onednn(x, w, b)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (x, w), (dy,), wanted = ctx.saved_tensors, grads, ctx.needs_input_grad
        if torch.is_grad_enabled():  # a second derivative is wanted: what autograd follows
            dx, dw = dy @ w if wanted[0] else None, dy.t() @ x if wanted[1] else None
        else:
            dx, dw = by_onednn(dy, w.t()) if wanted[0] else None, by_onednn(dy.t(), x.t()) if wanted[1] else None
        return dx, dw, dy.sum(0) if wanted[2] else None
