"""How is a pass written down once, to be played again and again? An `Op` for each kind of layer that the core knows."""

from __future__ import annotations

from . import activation, affine, elements, loss, pool, recorded, shape

__all__ = ["activation", "affine", "elements", "loss", "pool", "recorded", "shape"]
