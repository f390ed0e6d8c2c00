"""What every writer of a layer works with: an ONNX graph that grows, and one layer's place in it.

A *value* is the name of a tensor in the graph. *Dims* are a blob's sizes, None where a size goes with the batch: such
a size may not be written into the graph, and a writer that needs it raises FixedBatchNeeded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from ..layers.base import Layer

Dims = tuple[int | None, ...]
Value = str

OPSET = 18  # the first with axes as inputs in all reductions; every runtime of the last years has it


class FixedBatchNeeded(Exception):
    """This graph can be written for one batch size only."""


class Refusal(Exception):
    """This layer cannot go to ONNX, and why; `at` names the field that is to blame."""

    def __init__(self, reason: str, at: str = "") -> None:
        super().__init__(reason)
        self.at = at


class Graph:
    """Nodes, constants and the names given away so far."""

    def __init__(self, reserved: Sequence[str] = ()) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[Value, Any] = {}
        self.scope = ""  # the layer being written
        self._taken = set(reserved)
        self._known: dict[tuple[Any, ...], Value] = {}

    def unique(self, name: str) -> Value:
        """`name`, or the first of `name.1`, `name.2`, … that is free."""
        candidate, number = name, 0
        while candidate in self._taken or not candidate:
            number += 1
            candidate = f"{name}.{number}"
        self._taken.add(candidate)
        return candidate

    def add(self, operator: str, *inputs: Value, tops: int = 1, **attributes: Any) -> Any:
        """A node; its output, or a list of them where `tops` is not 1."""
        name = self.unique(f"{self.scope}/{operator}")
        outputs = [name] if tops == 1 else [self.unique(f"{name}:{index}") for index in range(tops)]
        self.nodes.append(helper.make_node(operator, list(inputs), outputs, name=name, **attributes))
        return outputs[0] if tops == 1 else outputs

    def constant(self, values: Any, dtype: type = np.float32, name: str = "") -> Value:
        """An initializer; one without a name is kept once, however often it is asked for."""
        array: np.ndarray = np.asarray(values, dtype=dtype)
        key = (array.dtype.str, array.shape, array.tobytes()) if not name else ()
        if key and key in self._known:
            return self._known[key]
        value = self.unique(name or f"constant/{len(self._known)}")
        self.constants[value] = numpy_helper.from_array(array, value)
        if key:
            self._known[key] = value
        return value

    def integers(self, *values: int) -> Value:
        """A vector of sizes, axes or indices."""
        return self.constant(values, np.int64)

    def rename(self, since: int, old: Value, new: Value) -> bool:
        """Calls an output of a node behind the first `since` ones `new`; False if none of them makes it."""
        nodes = self.nodes[since:]
        if not any(old in node.output for node in nodes):
            return False
        for node in nodes:
            for names in (node.input, node.output):
                names[:] = [new if name == old else name for name in names]
        return True


@dataclass
class Site:
    """One layer, as its writer sees it."""

    graph: Graph
    layer: Layer
    bottoms: list[Value]
    params: list[Value]
    dims: list[Dims]  # of the bottoms
    tops: list[Dims]
    values: list[np.ndarray] = field(default_factory=list)  # of the parameters

    @property
    def text(self) -> Any:
        """The layer's LayerParameter."""
        return self.layer.param

    def __call__(self, operator: str, *inputs: Value, tops: int = 1, **attributes: Any) -> Any:
        return self.graph.add(operator, *inputs, tops=tops, **attributes)

    def number(self, value: float) -> Value:
        return self.graph.constant(value)

    def reshape(self, value: Value, before: Dims, after: Dims) -> Value:
        """The same elements as `after`. A leading part that both have is copied; at most one other size may be free."""
        if before == after:
            return value
        shared = next((i for i, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), len(before))
        shared = min(shared, len(after))
        if sum(size is None for size in after) == 1:
            shared = 0  # one free size: it follows from the rest
        wanted = [0 if size is None and index < shared else size for index, size in enumerate(after)]
        if wanted.count(None) > 1:
            raise FixedBatchNeeded
        return self.graph.add("Reshape", value, self.graph.integers(*(-1 if size is None else size for size in wanted)))

    def size_of(self, value: Value, first: int, last: int) -> Value:
        """The number of elements of axes [first, last), as a scalar."""
        shape = self("Cast", self("Shape", value, start=first, end=last), to=onnx.TensorProto.FLOAT)
        return self("ReduceProd", shape, keepdims=0)

    def integer_of(self, value: Value) -> Value:
        """Values as integers, truncated as in Caffe."""
        return self("Cast", value, to=onnx.TensorProto.INT64)

    def float_of(self, value: Value) -> Value:
        return self("Cast", value, to=onnx.TensorProto.FLOAT)


Write = Callable[[Site], list[Value]]
WRITERS: dict[str, Write] = {}


def writes(*types: str) -> Callable[[Write], Write]:
    """Registers the writer of these layer types: from a Site to the values of the layer's tops."""

    def register(write: Write) -> Write:
        for kind in types:
            WRITERS[kind] = write
        return write

    return register


def known(dims: Dims, first: int = 0, last: int | None = None) -> tuple[int, ...]:
    """The sizes of axes [first, last). FixedBatchNeeded if one of them is free."""
    sizes = tuple(size for size in dims[first:last] if size is not None)
    if len(sizes) < len(dims[first:last]):
        raise FixedBatchNeeded
    return sizes


def product(dims: Dims, first: int = 0, last: int | None = None) -> int | None:
    """The number of elements of axes [first, last); None if it goes with the batch."""
    part = dims[first:last]
    return None if None in part else math.prod(size for size in part if size is not None)
