"""A loss that keeps neighbours together in the codes. It is deepcae's own; Caffe has no such loss."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import LayerError
from ..lazy import torch
from .base import Arity, Context, Layer, Shape, count

if TYPE_CHECKING:
    from torch import Tensor

HALVINGS = 40  # of the interval in which log(beta) is looked for
LOG_BETA = (-20.0, 20.0)


class NeighbourLoss(Layer):
    """L = sum over i ≠ j of p_ij · log(p_ij / q_ij): how badly codes keep the neighbours that images have in a batch.

    p_ij = (p_j|i + p_i|j) / 2N, p_j|i ∝ exp(-beta_i |x_i - x_j|²), beta_i such that exp(entropy of p_·|i) = perplexity
    q_ij = (1 + |y_i - y_j|²)⁻¹ / sum over k ≠ l of (1 + |y_k - y_l|²)⁻¹

    y (N, ...) the code, which receives a gradient; x (N, ...) the images, which receive none. L ≥ 0 does not depend on
    the scale of x. Source: van der Maaten, Learning a Parametric Embedding by Preserving Local Structure, 2009.
    """

    type: ClassVar[str] = "NeighbourLoss"
    bottoms: ClassVar[Arity] = (2, 2)
    is_loss: ClassVar[bool] = True
    keeps_state: bool = True
    no_gradient: frozenset[int] = frozenset({1})

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.perplexity = param.neighbour_loss_param.perplexity
        if not (math.isfinite(self.perplexity) and self.perplexity > 1):
            raise LayerError(
                f"perplexity is {self.perplexity:g}, but must be a number of neighbours above 1",
                "neighbour_loss_param.perplexity",
            )

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        code, images = bottoms
        for index, shape in enumerate(bottoms):
            if len(shape) < 2 or not count(shape):
                raise LayerError(f"bottom {index} must be (N, ...), but is {list(shape)}", f"bottom.{index}")
        if code[0] != images[0]:
            raise LayerError(
                f"there must be one image for each code, but the code is {list(code)} and bottom 1 is {list(images)}",
                "bottom.1",
            )
        if self.perplexity > (code[0] - 1) / 2:
            raise LayerError(
                f"perplexity is {self.perplexity:g}, but a batch of {code[0]} allows {(code[0] - 1) / 2:g} at most: "
                "half of the other images; take a larger batch_size or a smaller perplexity",
                "neighbour_loss_param.perplexity",
            )
        return [()]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        code, images = bottoms[0].flatten(1), bottoms[1].detach().flatten(1)
        if len(code) < 2:
            return [0 * code.sum()]
        own = torch.eye(len(code), dtype=torch.bool, device=code.device)
        with torch.no_grad():
            near = _near(_squares(images), own, min(self.perplexity, len(code) - 1))
            near = (near + near.T) / (2 * len(code))
        logs = -torch.log1p(_squares(code)).masked_fill(own, math.inf)
        logs = (logs - torch.logsumexp(logs.flatten(), 0)).masked_fill(own, 0)
        return [torch.special.xlogy(near, near).sum() - (near * logs).sum()]


def _squares(rows: Tensor) -> Tensor:
    """|a_i - a_j|² of each two rows, (N, N)."""
    centred = rows - rows.mean(0)
    norms = centred.square().sum(1)
    return (norms[:, None] + norms - 2 * centred @ centred.T).clamp(min=0)


def _near(squares: Tensor, own: Tensor, perplexity: float) -> Tensor:
    """p_j|i (N, N): each row sums to 1 and has the wanted perplexity, as near as equal distances allow.

    The entropy falls as beta grows, so log(beta) is halved in on, all rows at once: no value decides what runs.
    """
    least = squares.masked_fill(own, math.inf).min(1, keepdim=True).values
    beyond = (squares - least).masked_fill(own, 0).clamp(min=0)
    beyond = beyond / beyond.mean(1, keepdim=True).clamp(min=torch.finfo(beyond.dtype).tiny)
    low, high = (torch.full_like(least, bound) for bound in LOG_BETA)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        flat = _entropy(_shares(beyond, middle, own)) > math.log(perplexity)
        low, high = torch.where(flat, middle, low), torch.where(flat, high, middle)
    return _shares(beyond, (low + high) / 2, own)


def _shares(beyond: Tensor, log_beta: Tensor, own: Tensor) -> Tensor:
    return torch.softmax((-beyond * log_beta.exp()).masked_fill(own, -math.inf), 1)


def _entropy(shares: Tensor) -> Tensor:
    return -torch.special.xlogy(shares, shares).sum(1, keepdim=True)
