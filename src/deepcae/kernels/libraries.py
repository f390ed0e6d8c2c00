"""The libraries that multiply matrices, each by its name: the compiled core, MKL as PyTorch calls it, and oneDNN."""

from __future__ import annotations

import torch
from torch import Tensor

from . import calls
from .native import Call
from .rule import Library


def multiplied(library: Library, a: Tensor, b: Tensor, y: Tensor) -> Call:
    """y = a b, matrices that may be transposed views, y without gaps; for the core, b without gaps."""
    if library == "core":
        return calls.product(a, b, y)
    if library == "mkl":
        return lambda: torch.mm(a, b, out=y)
    turned = b.t()
    return lambda: y.copy_(by_onednn(a, turned))


def has_onednn() -> bool:
    """Whether PyTorch has both libraries, and oneDNN's product, which it keeps for its compiler."""
    both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()
    return both and getattr(torch.ops.mkldnn, "_linear_pointwise", None) is not None


def by_onednn(x: Tensor, w: Tensor, b: Tensor | None = None) -> Tensor:
    """x wᵀ + b of matrices, which may be transposed views."""
    y: Tensor = torch.ops.mkldnn._linear_pointwise(x, w, b, "none", [], "")
    return y
