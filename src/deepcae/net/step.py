"""A step of the plan: one layer, and the names and numbers that join it to the others."""

from __future__ import annotations

from dataclasses import dataclass

from ..layers import Layer
from ..layers.base import LayerClass
from .graph import Node


@dataclass
class Step:
    """One layer of the plan: what it reads, what it writes, which parameters it uses."""

    node: Node
    layer: Layer | None  # None only while problems are being collected
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    params: tuple[int, ...] = ()  # indices into Plan.params
    loss_weights: tuple[float, ...] = ()  # one per top
    needs_backward: bool = False
    bottom_needs_backward: tuple[bool, ...] = ()
    blocked: tuple[int, ...] = ()  # bottoms through which no gradient passes (propagate_down: false)
    reuses: bool = False  # may write its top over its bottom, which nobody reads again: see `Context.reuse`

    @property
    def name(self) -> str:
        return self.node.param.name

    @property
    def names(self) -> frozenset[str]:
        """Of the blobs that it reads or writes."""
        return frozenset((*self.bottoms, *self.tops))

    @property
    def type(self) -> str:
        return self.node.param.type

    @property
    def is_source(self) -> bool:
        """Whether its tops are fed from outside."""
        return self.layer is not None and self.layer.is_source

    @property
    def kind(self) -> LayerClass:
        """The class of its layer, for its traits; `Layer` itself for a type that there is not."""
        return Layer.registry.get(self.type, Layer)

    @property
    def in_place(self) -> bool:
        return any(top == bottom for top, bottom in zip(self.tops, self.bottoms, strict=False))
