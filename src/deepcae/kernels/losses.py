"""Losses by the compiled core: value and gradients in one sweep over the memory, where PyTorch takes several."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch.autograd.function import once_differentiable

from . import calls
from .algorithms import is_plain, is_traced
from .choice import has_core
from .native import Call

if TYPE_CHECKING:
    from torch import Tensor


def squares(a: Tensor, b: Tensor, share: float) -> Tensor | None:
    """share / 2 · sum of (a - b)², a scalar. None where the core is not for these two: see `_swept`."""

    def call(da: Tensor | None, db: Tensor | None, loss: Tensor) -> Call:
        return calls.squares(share, 1.0, a, b, da, db, loss)

    return _swept(call, a, b)


def cross_entropy(x: Tensor, t: Tensor, share: float) -> Tensor | None:
    """share · sum of max(x, 0) - x·t + log(1 + e^-|x|), a scalar; t needs no gradient. None as in `squares`."""

    def call(dx: Tensor | None, dt: Tensor | None, loss: Tensor) -> Call:
        return calls.cross_entropy(share, 1.0, x, t, dx, loss)

    return _swept(call, x, t)


def _swept(call: Callable[..., Call], a: Tensor, b: Tensor) -> Tensor | None:
    """The loss, if a and b are float32 of one shape and one memory order without gaps, and the core is there."""
    alike = a.shape == b.shape and a.stride() == b.stride() and a.numel() and _is_dense(a)
    if not (alike and is_plain(a) and is_plain(b) and has_core()) or is_traced():
        return None
    loss: Tensor = _Sweep.apply(call, a, b)
    return loss


def _is_dense(x: Tensor) -> bool:
    """Whether its numbers lie without gaps, with the last axis, the channels or the batch innermost."""
    orders = x.is_contiguous(), x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return any(orders) or (x.dim() > 0 and x.movedim(0, -1).is_contiguous())


class _Sweep(torch.autograd.Function):
    """The gradients are there when the loss is; backward gives them away, times the loss's weight."""

    @staticmethod
    def forward(ctx: Any, call: Callable[..., Call], a: Tensor, b: Tensor) -> Tensor:
        loss = torch.empty(())
        wanted = ctx.needs_input_grad[1:]
        da, db = (torch.empty_like(x) if needed else None for x, needed in zip((a, b), wanted, strict=True))
        call(da, db, loss)()
        ctx.save_for_backward(da, db)
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weight = grads[0].item()
        return None, *(d if d is None or weight == 1 else d * weight for d in ctx.saved_tensors)
