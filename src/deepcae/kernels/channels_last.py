"""PyTorch's convolutions over blobs with the batch innermost: turned to channels last, and back."""

from __future__ import annotations

import torch
from torch import Tensor

from . import calls
from .case import Case
from .native import Call


class ChannelsLast:
    """A convolution or deconvolution of x (C, H, W, N) into y, with w as in the layer, and its gradients."""

    def __init__(self, case: Case, x: Tensor, w: Tensor, b: Tensor | None, y: Tensor) -> None:
        self.x, self.w, self.b, self.y = x, w, b, y
        self.numbers = (case.stride, case.pad, case.dilation, case.transposed, (0, 0), case.groups)
        self.outside = _channels_last(x)
        self.transpose = calls.transpose(_places(x), self.outside.permute(0, 2, 3, 1).flatten(1, 2))

    def forward(self) -> None:
        self.transpose()
        w = self.w.contiguous(memory_format=torch.channels_last)
        _take(torch.convolution(self.outside, w, self.b, *self.numbers), self.y)

    def backward(self, dy: Tensor, dw: Tensor | None, dx: Tensor | None) -> Call:
        """Of the last forward pass, as far as they are wanted."""
        upper = _channels_last(dy)
        transpose = calls.transpose(_places(dy), upper.permute(0, 2, 3, 1).flatten(1, 2))
        wanted = (dx is not None, dw is not None, False)

        def call() -> None:
            transpose()
            w = self.w.contiguous(memory_format=torch.channels_last)
            made = torch.ops.aten.convolution_backward(upper, self.outside, w, None, *self.numbers, wanted)
            if dx is not None:
                _take(made[0], dx)
            if dw is not None:
                dw.copy_(made[1])

        return call


def _channels_last(memory: Tensor) -> Tensor:
    """(C, H, W, N) → an empty (N, C, H, W) whose memory is (N, H, W, C)."""
    channels, height, width, batch = memory.shape
    return torch.empty(batch, height, width, channels).permute(0, 3, 1, 2)


def _places(memory: Tensor) -> Tensor:
    """(C, H, W, N) → (C, HW, N)"""
    return memory.flatten(1, 2)


def _take(blob: Tensor, memory: Tensor) -> None:
    """memory (C, H, W, N) = blob (N, C, H, W)"""
    last = blob.contiguous(memory_format=torch.channels_last)
    calls.transpose(last.permute(0, 2, 3, 1).flatten(1, 2), _places(memory))()
