"""Which learned blobs a network has, and which of them are one: Caffe's parameter sharing by `param { name: "w" }`.

The first blob with a name owns it; later ones of that name are the same tensor. STRICT sharing (the default) wants
equal shapes, PERMISSIVE equal counts. Multipliers that several sharers give must agree.
Source: Caffe's net.cpp (AppendParam).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..layers.base import Learned, Shape, count
from ..proto.schema import message_class
from .graph import Graph, Node

ParamSpec = message_class("ParamSpec")


@dataclass
class ParamPlan:
    """One learned blob of one layer. `owner` is the index of the blob whose tensor it uses (None: its own)."""

    name: str  # "<layer>/<index>"
    shape: Shape | None
    filler: Any
    owner: int | None
    lr_mult: float
    decay_mult: float
    has_lr_mult: bool = False  # whether the text gives it, which of sharers the first does
    has_decay_mult: bool = False
    initial: Any = None  # an array to start from, in the filler's place

    @property
    def count(self) -> int:
        return count(self.shape) if self.shape is not None else 0


class Params:
    """Collects the learned blobs of a network in the order of creation."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.all: list[ParamPlan] = []
        self._owners: dict[str, int] = {}

    def add(self, node: Node, learned: list[Learned] | None) -> tuple[int, ...]:
        """The indices of what a layer learns (None: not known). Complains of sharing that cannot be."""
        specs = node.param.param
        if learned is None:
            return ()
        if len(specs) > len(learned):
            sentence = f"has {len(specs)} param entries, but {len(learned)} learned blob(s)"
            self.graph.complain(node, sentence, "param", len(learned))
        indices = []
        for k, blob in enumerate(learned):
            spec = specs[k] if k < len(specs) else ParamSpec()
            indices.append(self._add(node, k, blob, spec))
        return tuple(indices)

    def _add(self, node: Node, k: int, blob: Learned, spec: Any) -> int:
        index = len(self.all)
        if blob.frozen and spec.HasField("lr_mult") and spec.lr_mult != 0:
            sentence = f"blob {k} holds statistics, which no solver moves: lr_mult must be 0, not {spec.lr_mult:g}"
            self.graph.complain(node, sentence, "param", k, "lr_mult")
        param = ParamPlan(
            name=f"{node.param.name}/{k}",
            shape=blob.shape,
            filler=blob.filler,
            owner=None,
            lr_mult=0.0 if blob.frozen else spec.lr_mult,
            decay_mult=spec.decay_mult,
            has_lr_mult=spec.HasField("lr_mult"),
            has_decay_mult=spec.HasField("decay_mult"),
            initial=blob.initial,
        )
        self.all.append(param)
        if spec.name in self._owners:
            self._share(node, k, spec, param, self._owners[spec.name])
        elif spec.name:
            self._owners[spec.name] = index
        return index

    def _share(self, node: Node, k: int, spec: Any, param: ParamPlan, owner: int) -> None:
        own = self.all[owner]
        param.owner = owner
        assert param.shape is not None
        assert own.shape is not None
        permissive = spec.share_mode == 1
        if (param.count != own.count) if permissive else (param.shape != own.shape):
            what = "counts" if permissive else "shapes"
            sentence = (
                f"cannot share '{spec.name}' with '{own.name}': {what} differ, {list(param.shape)} here and "
                f"{list(own.shape)} there"
            )
            self.graph.complain(node, sentence, "param", k, "name")
        for mult in ("lr_mult", "decay_mult"):
            if not spec.HasField(mult):
                continue
            if getattr(own, f"has_{mult}") and getattr(own, mult) != getattr(spec, mult):
                sentence = (
                    f"shares '{spec.name}' with '{own.name}', which has {mult} {getattr(own, mult):g}, "
                    f"not {getattr(spec, mult):g}"
                )
                self.graph.complain(node, sentence, "param", k, mult)
            else:
                setattr(own, mult, getattr(spec, mult))
                setattr(own, f"has_{mult}", True)
        param.lr_mult, param.decay_mult = own.lr_mult, own.decay_mult
