"""Whether a pass is worth writing down although PyTorch computes some of its convolutions, channels last.

Turning their blobs there and back costs time, and has to be made up for by the rest of the pass:

    TURN · (numbers turned here - numbers turned by autograd) <= sum of SAVED · numbers + CALL · layers

Autograd turns blobs between PyTorch's convolutions and the core's, walks over a blob for a function and its gradient
with new memory each time, and calls an operator for each.

Measured on an AMD EPYC (Zen 3), one thread, batch 100, ms by autograd and written down: four 3×3 convolutions of 32×32
with 8 channels 34 and 41, with 16 110 and 132, with 32 294 and 342: 0.5 to 0.9 ns for each number and way. With a ReLU
behind each 43 and 48, 94 and 114, 370 and 416; with an ELU 51 and 48, 109 and 110, 442 and 482. But of the residual
net of `benchmarks/networks.py`, with its convolutions with strides in the core (they are PyTorch's since), 444 and 317
(of batch 8, 43.9 and 42.6), and of the design for 3×64×64, where the core takes up to 256 pairs of channels, 128 and
85. A residual net of batch 4 takes 27.6 and 29.9: of fewer than `FEW` images turning is no plain copy of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from .op import Op, Sheet

Order = Literal["", "batch last", "channels last"]  # of a blob in memory by autograd

TURN = 1.6  # ns for a number there and back: forward, and its gradient
CALL = 30_000.0  # ns of a layer's calls, forward and backward
FEW = 8


def is_worth(sheet: Sheet, ops: Mapping[int, Op]) -> bool:
    """Whether turning, as far as it does not pay for itself, costs less than writing the pass down saves."""
    moved = sum(_filtered(sheet, op) for op in ops.values() if op.reorders)
    if not moved:
        return True
    saved = sum(op.saved * math.prod(sheet.planned(op.step.tops[0])) for op in ops.values() if op.saved)
    beside = _moved_by_autograd(sheet, ops)
    return sheet.batch >= FEW and TURN * (moved - beside) <= saved + CALL * len(ops)


def _filtered(sheet: Sheet, op: Op) -> int:
    """The numbers of a filter's bottom and top."""
    return math.prod(sheet.planned(op.step.bottoms[0])) + math.prod(sheet.planned(op.step.tops[0]))


def _moved_by_autograd(sheet: Sheet, ops: Mapping[int, Op]) -> int:
    """Numbers that come to a filter in the other one's order. What stands between filters keeps that of its bottom."""
    orders: dict[str, Order] = {}
    moved = 0
    for op in ops.values():
        order = orders.get(op.step.bottoms[0], "") if op.step.bottoms else ""
        if op.order and order and order != op.order:
            moved += math.prod(sheet.planned(op.step.bottoms[0]))
        orders.update(dict.fromkeys(op.step.tops, op.order or order))
    return moved
