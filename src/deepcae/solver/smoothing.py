"""The loss that Caffe shows: a mean over the last `average_loss` iterations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class SmoothedLoss:
    """s ← (s·(n−1) + loss)/n for the first n ≤ size losses; then s ← s + (loss − slot)/size.

    The slot is number (iteration − start) mod size: the loss of `size` iterations ago. Caffe forgets all this at each
    Step or Solve; a deepcae snapshot keeps it, so that a resumed run shows the same losses.
    Source: Caffe's `Solver::UpdateSmoothedLoss`.
    """

    size: int
    start: int = 0
    losses: list[float] = field(default_factory=list)
    value: float = 0.0

    def add(self, loss: float, iteration: int) -> float:
        """The smoothed loss with this iteration's `loss` taken in."""
        if len(self.losses) < self.size:
            self.losses.append(loss)
            num = len(self.losses)
            self.value = (self.value * (num - 1) + loss) / num
        else:
            slot = (iteration - self.start) % self.size
            self.value += (loss - self.losses[slot]) / self.size
            self.losses[slot] = loss
        return self.value

    def to_json(self) -> dict[str, Any]:
        return {"start": self.start, "losses": list(self.losses), "value": self.value}

    @classmethod
    def from_json(cls, size: int, data: dict[str, Any]) -> SmoothedLoss:
        """The saved window; a fresh one where it does not fit (average_loss was changed, or damage)."""
        losses = [float(loss) for loss in data["losses"]]
        if len(losses) > size:
            return cls(size)
        return cls(size, int(data["start"]), losses, float(data["value"]))
