"""A function of arrays as a step of the autograd graph: for layers that are written with numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

Arrays = Sequence[np.ndarray]
Forward = Callable[[Arrays], Arrays]
Backward = Callable[[Arrays, Arrays, list[bool]], Arrays]


class _ThroughArrays(torch.autograd.Function):
    """tops = forward(arrays); on the CPU the arrays are the tensors' own memory."""

    @staticmethod
    def forward(ctx: Any, forward: Forward, backward: Backward, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        arrays = [tensor.detach().cpu().contiguous().numpy() for tensor in tensors]
        tops = forward(arrays)
        ctx.backward, ctx.arrays, ctx.tops = backward, arrays, tops
        device = tensors[0].device if tensors else torch.device("cpu")
        return tuple(torch.from_numpy(top).to(device) for top in tops)

    @staticmethod
    def backward(ctx: Any, *top_diffs: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        wanted = list(ctx.needs_input_grad[2:])
        diffs = [diff.cpu().numpy().copy() for diff in top_diffs]  # others may get the same gradient
        grads = ctx.backward([*ctx.arrays, *ctx.tops], diffs, wanted)
        device = top_diffs[0].device
        given = (torch.from_numpy(g).to(device) if flag else None for g, flag in zip(grads, wanted, strict=True))
        return None, None, *given


def through_arrays(forward: Forward, backward: Backward, tensors: Sequence[torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """`forward(arrays)` gives the tops' arrays; `backward(arrays and tops, top diffs, wanted)` the tensors' gradients.

    `wanted` says which of the tensors get one; the others' are ignored.
    """
    tops: tuple[torch.Tensor, ...] = _ThroughArrays.apply(forward, backward, *tensors)
    return tops
