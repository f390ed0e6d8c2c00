"""A net's pass with products rounded to bf16; what is no product, and the losses, are computed in float32."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from ..layers.base import Context
from .execute import Blobs, BoundStep, Forward, Hook, execute
from .net import Net


class Rounded:
    """A net for training passes with the operands and results of its products rounded."""

    def __init__(self, net: Net) -> None:
        self.overwritten, self.loss = net.overwritten, net.loss
        self._steps = rounded(net.inner, net.device)

    def forward(
        self, inputs: Mapping[str, Tensor], generator: torch.Generator | None = None, hook: Hook | None = None
    ) -> Blobs:
        """All blobs, from those fed from outside, with their graph: as `Net.forward`."""
        blobs, context = dict(inputs), Context(generator)
        execute(self._steps, blobs, context, hook)
        context.apply_updates()
        return blobs


def rounded(steps: Iterable[BoundStep], device: torch.device) -> list[BoundStep]:
    """The same steps, all but the losses with rounded products."""
    return [
        each
        if each.step.layer is None or each.step.layer.is_loss
        else each._replace(layer=_Rounding(each.layer, device.type))
        for each in steps
    ]


class _Rounding:
    """A layer whose products are bf16's; its tops are float32."""

    def __init__(self, layer: Forward, device: str) -> None:
        self._layer, self._device = layer, device

    def forward(self, bottoms: Sequence[Tensor], params: Sequence[Tensor], context: Context) -> list[Tensor]:
        with torch.autocast(self._device, torch.bfloat16, cache_enabled=False):
            tops = self._layer.forward(bottoms, params, context)
        return [top.float() if top.dtype == torch.bfloat16 else top for top in tops]
