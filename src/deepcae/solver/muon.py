"""Muon: momentum whose every direction is made equally long, matrix by matrix. Caffe has no such rule.

    h ← μh + (1−μ)g      u = μh + (1−μ)g      Δ = η · 0.2 · √max(rows, columns) · orthogonal(u)

A blob is a matrix of its first axis by all others; one of a single axis is one row. `orthogonal(u)` is the U Vᵀ of
u = U S Vᵀ, about: Newton-Schulz steps bring the larger singular values between 0.6 and 1.3, and lift the smallest ones
forty-fold. A step then moves weights about as far as Adam's does: by 0.2 of the rate, in the root mean square.

Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024); the factor is that of Liu et
al., "Muon is scalable for LLM training" (arXiv:2502.16982).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

STEPS = 3  # five, which others take, cost more and brought no more: docs/15-design.md
A, B, C = 3.4445, -4.775, 2.0315  # s ← As + Bs³ + Cs⁵ for each singular value s
SIZE = 0.2  # root mean square of a step, in units of the rate
LEAST = 1e-12


def muon(g: list[Tensor], history: list[list[Tensor]], eta: float, param: Any, iteration: int) -> list[Tensor]:
    """Δ of each blob, see above. A blob that does not move (η = 0) costs nothing."""
    (h,) = history
    torch._foreach_lerp_(h, g, 1 - param.momentum)
    if not eta:
        return [torch.zeros_like(each) for each in g]
    return [_step(each, kept, eta, param.momentum) for each, kept in zip(g, h, strict=True)]


def _step(g: Tensor, h: Tensor, eta: float, momentum: float) -> Tensor:
    u = g.lerp(h, momentum)
    matrix = u.flatten(1) if u.dim() > 1 else u.reshape(1, -1)
    made = orthogonal(matrix)
    return made.mul_(eta * SIZE * math.sqrt(max(matrix.shape))).view_as(g)


def orthogonal(matrix: Tensor) -> Tensor:
    """(rows, columns) → about U Vᵀ of its U S Vᵀ, contiguous; 0 of 0.

    The steps are made on the smaller side's products R = X Xᵀ: X ← QX at the end, Q the product of all A + BR + CR².
    """
    x = matrix / (torch.linalg.vector_norm(matrix) + LEAST)
    if 1 in x.shape:
        return x
    tall = x.shape[0] > x.shape[1]
    r = x.T @ x if tall else x @ x.T
    q = torch.eye(len(r), dtype=x.dtype, device=x.device)
    for step in range(STEPS):
        p = torch.addmm(r, r, r, beta=B, alpha=C)
        p.diagonal().add_(A)
        q = p @ q
        if step + 1 < STEPS:
            r = p @ r @ p
    return x @ q if tall else q @ x
