"""Layers that hand out rows, of a bottom or of what they learned: Filter, BatchReindex, Embed, Parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..errors import DataError, LayerError
from ..lazy import torch
from .base import Arity, Context, Gives, Layer, Learned, Shape, count
from .filler import learn

if TYPE_CHECKING:
    from torch import Tensor


def rows_of(bottom: Tensor, rows: int, what: str) -> Tensor:
    """Indices as integers (truncated, as in Caffe), flat. DataError for one outside the rows."""
    indices = bottom.detach().reshape(-1).to(torch.int64)
    wrong = (indices < 0) | (indices >= rows)
    if bool(wrong.any()):
        raise DataError(f"index {int(indices[wrong][0])} is outside the {rows} {what} 0 to {rows - 1}")
    return indices


class Filter(Layer):
    """y[j] = the samples (axis 0) whose selector, the last bottom, is not 0; one top for each other bottom.

    Bottoms (N, ...), selector (N) or (N, 1, ...) → (n, ...), n as many as selected: only the data tell, so the plan
    says N. Nothing selected gives tops of no samples. Source: Caffe filter_layer.cpp.
    """

    type: ClassVar[str] = "Filter"
    gives: ClassVar[Gives] = "selected"
    bottoms: ClassVar[Arity] = (2, None)
    tops: ClassVar[Arity] = (1, None)

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        if len(param.top) != len(param.bottom) - 1:
            raise LayerError(
                f"needs one top for each bottom but the last (the selector): {len(param.bottom)} bottoms, but "
                f"{len(param.top)} top(s)",
                "top",
            )
        self.no_gradient = self.labels = frozenset({len(param.bottom) - 1})

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        *others, selector = bottoms
        if not selector or count(selector, 1) != 1:
            raise LayerError(
                f"the selector must hold one number per sample, but is {list(selector)}", f"bottom.{len(others)}"
            )
        for index, shape in enumerate(others):
            if not shape or shape[0] != selector[0]:
                raise LayerError(
                    f"bottom {index} {list(shape)} must have as many samples as the selector {list(selector)}",
                    f"bottom.{index}",
                )
        return list(others)

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        *others, selector = bottoms
        chosen = selector.detach().reshape(-1).nonzero()[:, 0]
        return [bottom.index_select(0, chosen) for bottom in others]


class BatchReindex(Layer):
    """y[i] = x[index[i]] on axis 0; x (N, ...), index (M), truncated to integers → (M, ...).

    Where an index repeats, the gradients add up. Source: Caffe batch_reindex_layer.cpp.
    """

    type: ClassVar[str] = "BatchReindex"
    gives: ClassVar[Gives] = "selected"
    bottoms: ClassVar[Arity] = (2, 2)
    no_gradient: frozenset[int] = frozenset({1})
    labels: frozenset[int] = frozenset({1})

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        x, index = bottoms
        if len(index) != 1:
            raise LayerError(f"the indices must have 1 axis, but their shape is {list(index)}", "bottom.1")
        if not x:
            raise LayerError("bottom 0 has no axis 0 to choose from", "bottom.0")
        return [(index[0], *x[1:])]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        x, index = bottoms
        return [x.index_select(0, rows_of(index, x.shape[0], "samples"))]


class Embed(Layer):
    """y[i] = w[index[i]] + b: a row for each index, truncated to an integer.

    (N, ...) → (N, ..., num_output). Learned: w (input_dim, num_output), b (num_output). The indices get no gradient.
    Source: Caffe embed_layer.cpp.
    """

    type: ClassVar[str] = "Embed"
    gives: ClassVar[Gives] = "any"
    is_product: ClassVar[bool] = True
    no_gradient: frozenset[int] = frozenset({0})
    labels: frozenset[int] = frozenset({0})

    def __init__(self, param: Any, phase: int) -> None:
        super().__init__(param, phase)
        self.settings = param.embed_param
        for name in ("num_output", "input_dim"):
            if getattr(self.settings, name) < 1:
                raise LayerError(f"{name} must be at least 1", f"embed_param.{name}")

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        weight = (self.settings.input_dim, self.settings.num_output)
        blobs = [learn(weight, self.settings.weight_filler, "embed_param.weight_filler")]
        if self.settings.bias_term:
            blobs.append(learn(weight[1:], self.settings.bias_filler, "embed_param.bias_filler"))
        return blobs

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(*bottoms[0], self.settings.num_output)]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        indices = rows_of(bottoms[0], self.settings.input_dim, "rows").reshape(bottoms[0].shape)
        y = torch.nn.functional.embedding(indices, params[0])
        return [y + params[1] if len(params) > 1 else y]


class Parameter(Layer):
    """y = w: a learned blob of the given shape, starting from 0, as a top. No bottom.

    Each backward pass writes over its gradient, as in Caffe. Source: Caffe parameter_layer.hpp.
    """

    type: ClassVar[str] = "Parameter"
    bottoms: ClassVar[Arity] = (0, 0)

    def learned(self, bottoms: Sequence[Shape]) -> list[Learned]:
        return [Learned(self.shapes(bottoms)[0])]

    def overwrites(self, bottoms: Sequence[Shape]) -> frozenset[int]:
        return frozenset({0})

    def shapes(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = tuple(self.param.parameter_param.shape.dim)
        if min(shape, default=1) < 1:
            raise LayerError(f"every dim must be at least 1, but shape is {list(shape)}", "parameter_param.shape.dim")
        return [shape]

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        return [params[0].view_as(params[0])]
