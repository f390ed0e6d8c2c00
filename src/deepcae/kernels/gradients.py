"""Operations whose gradient in Caffe is not the derivative. Imported on use only, because it loads torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Power(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, base: Tensor, exponent: float) -> Tensor:
        y = base.pow(exponent)
        ctx.save_for_backward(base, y)
        ctx.exponent = exponent
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        base, y = ctx.saved_tensors
        return grads[0] * (ctx.exponent * y / base), None


def power(base: Tensor, exponent: float) -> Tensor:
    """base^exponent with the gradient exponent·y/base, which is not a number where the base is 0."""
    return _Power.apply(base, exponent)


class _ScaleGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0] * ctx.saved_tensors[0], None


def scale_gradient(x: Tensor, factor: Tensor) -> Tensor:
    """x itself; its gradient is multiplied by `factor` (of a shape that x's shape covers)."""
    return _ScaleGradient.apply(x, factor)


class _Place(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, index: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(index)
        y = x.new_zeros(x.shape[0], size)
        if x.device.type == "cpu":
            return y.scatter_(1, index, x)  # the CPU's scatter writes a row from left to right: the last one wins
        order = torch.arange(x.shape[1], device=x.device).expand_as(index)
        winner = torch.full((x.shape[0], size), -1, device=x.device).scatter_reduce_(1, index, order, "amax")
        return torch.where(winner >= 0, x.gather(1, winner.clamp(min=0)), y)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0].gather(1, ctx.saved_tensors[0]), None, None


def place(x: Tensor, index: Tensor, size: int) -> Tensor:
    """y[r, index[r, i]] = x[r, i], elsewhere 0; x and index (R, K), y (R, size).

    Where an index repeats, the last i is seen, yet each one receives the full gradient of its place.
    """
    return _Place.apply(x, index, size)


class _ProductByDivision(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *factors: Tensor) -> Tensor:
        y = factors[0]
        for factor in factors[1:]:
            y = y * factor
        ctx.save_for_backward(y, *factors)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        y, *factors = ctx.saved_tensors
        return tuple(y / factor * grads[0] for factor in factors)


def product_by_division(*factors: Tensor) -> Tensor:
    """The product of at least two tensors. The gradient of one is the product over it: not a number where it is 0."""
    return _ProductByDivision.apply(*factors)


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, similar: Tensor, margin: float, legacy: bool) -> Tensor:
        difference = a - b  # (N, C)
        squared = (difference * difference).sum(1)
        distance = squared.sqrt()
        gap = margin - (squared if legacy else distance)
        apart = gap.clamp(min=0) if legacy else gap.clamp(min=0).square()
        pull = torch.ones_like(squared)
        push = -torch.ones_like(squared) if legacy else -gap / (distance + 1e-4)
        push = torch.where(gap > 0, push, torch.zeros_like(push))
        factor = torch.where(similar, pull, push) / a.shape[0]
        ctx.save_for_backward(difference, factor)
        return torch.where(similar, squared, apart).sum() / (2 * a.shape[0])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        difference, factor = ctx.saved_tensors
        gradient = grads[0] * factor[:, None] * difference
        return gradient, -gradient, None, None, None


def contrast(a: Tensor, b: Tensor, similar: Tensor, margin: float, legacy: bool) -> Tensor:
    """Caffe's contrastive loss of a, b (N, C) and similar (N) as booleans; a scalar.

    Its gradient for a dissimilar pair divides by d + 1e-4 instead of d.
    """
    return _Contrast.apply(a, b, similar, margin, legacy)


class _Standardise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, eps: float) -> Tensor:
        centred = rows - rows.mean(-1, keepdim=True)
        spread = centred.square().mean(-1, keepdim=True).sqrt() + eps
        y = centred / spread
        ctx.save_for_backward(y, spread)
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (y, spread), dy = ctx.saved_tensors, grads[0]
        return (dy - dy.mean(-1, keepdim=True) - y * (dy * y).mean(-1, keepdim=True)) / spread, None


def standardise(rows: Tensor, eps: float) -> Tensor:
    """(x - mean)/(std + eps) over the last axis. The gradient takes y as if eps were part of its variance."""
    return _Standardise.apply(rows, eps)


class _AtLeast(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, least: float) -> Tensor:
        return x.clamp(min=least)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return grads[0], None


def at_least(x: Tensor, least: float) -> Tensor:
    """max(x, least); the gradient passes as if nothing were cut off."""
    return _AtLeast.apply(x, least)
