"""A net as an ONNX model: its layers written one by one, in Caffe's arithmetic.

    model = to_onnx(net, outputs=["ip2encode"])
    model.save("encoder.onnx")

The batch is free wherever the net itself allows another one; sizes that go with it are found by planning the net a
second time, for a larger batch. Data layers become inputs; how images are scaled before them is the caller's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper

from ..atomic import whole_file
from ..errors import DataError, LayerError, Problem, SpecError
from ..layers.base import Shape
from ..layers.python import python_layers
from ..layers.select import Filter
from ..net.graph import build_graph
from ..net.net import Net
from ..net.plan import make_plan
from ..net.step import Step
from . import linear, loss, neuron, norm, pool, shape
from .extent import default_outputs, require_sizes, steps_between
from .writer import OPSET, WRITERS, Dims, FixedBatchNeeded, Graph, Refusal, Site, Value

__all__ = ["OnnxModel", "to_onnx"]

_ROOMS = (linear, loss, neuron, norm, pool, shape)  # importing them registers their writers
_REASONS = {
    "Accuracy": "counts right answers: a measure of the net, not a part of it",
    "NeighbourLoss": "says what a batch has learned: a measure of training, not a part of the net",
    "Python": "runs Python code",
    "HDF5Output": "writes a file",
}
MOST_BYTES = 2**31 - 1  # protobuf's limit for one file


@dataclass
class OnnxModel:
    """The model, and which of its names stand for which blobs."""

    proto: Any
    inputs: dict[str, Dims]  # blob, which is the input's name; None: a size that goes with the batch
    outputs: dict[str, str]  # blob → name of the output (the blob's, unless an input of the model has it)
    free_batch: bool

    def to_bytes(self) -> bytes:
        data: bytes = self.proto.SerializeToString(deterministic=True)
        return data

    def save(self, path: str | Path) -> None:
        """Writes the .onnx, at once or not at all."""
        data = self.to_bytes()
        with whole_file(path) as temporary:
            temporary.write_bytes(data)


def to_onnx(net: Net, outputs: Sequence[str] | None = None, inputs: Sequence[str] | None = None) -> OnnxModel:
    """The part of `net` between `inputs` (default: its data) and `outputs` (default: code and results) as ONNX.

    SpecError names every layer that cannot go, with its place and the reason; DataError a blob that is not there.
    """
    wanted = list(dict.fromkeys(outputs)) if outputs else default_outputs(net.plan)
    steps, begin = steps_between(net.plan, inputs or (), wanted)
    if not wanted:
        raise DataError(f"net '{net.name}' computes nothing but losses; name the blobs that you want as outputs")
    require_sizes(net.plan, steps)
    size = sum(tensor.numel() * 4 for tensor in {id(tensor): tensor for tensor in net.tensors}.values())
    if size > MOST_BYTES:
        raise DataError(f"net '{net.name}' has {size} bytes of weights; one ONNX file holds {MOST_BYTES} at most")
    for sizes, free in _sizes(net):
        try:
            return _Model(net, steps, sizes).write(begin, wanted, free)
        except FixedBatchNeeded:
            continue
    raise AssertionError("with all sizes fixed, none is missing")


def _sizes(net: Net) -> Iterator[tuple[dict[str, Dims], bool]]:
    """Every blob's sizes with those that go with the batch left open; last, all as they stand in the text."""
    planned = {name: tuple(found or ()) for name, found in net.plan.shapes.items()}
    sources = {name: planned[name] for name in net.plan.fed if planned[name]}
    largest = max(sources.values(), key=np.prod, default=())
    groups = [sources, {name: found for name, found in sources.items() if found[0] == largest[0]}]
    for group in groups if groups[0] != groups[1] else groups[:1]:
        larger = _planned(net, {**sources, **{name: (found[0] + 1, *found[1:]) for name, found in group.items()}})
        if group and larger is not None:
            yield {name: _open(found, larger[name]) for name, found in planned.items()}, True
    yield dict(planned), False


def _planned(net: Net, sources: Mapping[str, Shape]) -> dict[str, Shape] | None:
    """The blobs' shapes for inputs of these shapes; None where the net refuses them or would learn other blobs."""
    own = net.plan.graph
    try:
        with python_layers(any(step.kind.runs_code for step in net.plan.steps)):  # it was allowed for the net itself
            graph = build_graph(net.document, net.phase, own.level, own.stages)
            plan = make_plan(graph, input_shapes=sources, folders=net.folders)
    except SpecError:
        return None
    if [param.shape for param in plan.params] != [param.shape for param in net.plan.params]:
        return None
    return {name: tuple(found or ()) for name, found in plan.shapes.items()}


def _open(one: Shape, other: Shape) -> Dims:
    return tuple(a if a == b else None for a, b in zip(one, other, strict=True))


class _Model:
    """One attempt: the steps, written for these sizes."""

    def __init__(self, net: Net, steps: Sequence[Step], sizes: dict[str, Dims]) -> None:
        self.net, self.steps, self.sizes = net, steps, sizes
        self.graph = Graph(reserved=list(sizes))
        self.values: dict[str, Value] = {}  # blob → what holds it now
        self.params: dict[int, Value] = {}  # owner's index → initializer
        self.last = {top: index for index, step in enumerate(steps) for top in step.tops}

    def write(self, begin: Sequence[str], wanted: Sequence[str], free: bool) -> OnnxModel:
        self.values.update((name, name) for name in begin)
        problems = [problem for index in range(len(self.steps)) for problem in self._step(index, begin)]
        if problems:
            raise SpecError(problems)
        self.graph.scope = "outputs"
        outputs = {name: self._output(name, begin) for name in wanted}
        proto = self._proto(begin, outputs)
        return OnnxModel(proto, {name: self.sizes[name] for name in begin}, outputs, free)

    def _step(self, index: int, begin: Sequence[str]) -> Iterator[Problem]:
        """Writes one layer, or says why it cannot go (and lets its tops stand, for the layers behind it)."""
        step = self.steps[index]
        layer = step.layer
        assert layer is not None
        self.graph.scope = step.name
        since = len(self.graph.nodes)
        write = WRITERS.get(step.type)
        made: Sequence[Value] = [f"({top})" for top in step.tops]
        try:
            if write is None:
                raise Refusal(_REASONS.get(step.type, "has no counterpart among ONNX's standard operators"), "type")
            made = write(self._site(step))
        except (Refusal, LayerError) as refusal:
            at = tuple(part for part in refusal.at.split(".") if part)
            place = self.net.plan.graph.place(step.node, *at)
            yield Problem(f"{step.node.label}: cannot go to ONNX: {refusal}", place)
        for top, value in zip(step.tops, made, strict=True):
            if self.last[top] == index and top not in begin and self.graph.rename(since, value, top):
                value = top
            self.values[top] = value

    def _site(self, step: Step) -> Site:
        layer = step.layer
        assert layer is not None
        tensors = [self.net.tensors[i].detach().cpu() for i in step.params]
        planned = [self.net.plan.params[i].shape or () for i in step.params]
        return Site(
            self.graph, layer, [self.values[name] for name in step.bottoms], [self._param(i) for i in step.params],
            [self.sizes[name] for name in step.bottoms], [self.sizes[name] for name in step.tops],
            [tensor.numpy().reshape(planned[k]) for k, tensor in enumerate(tensors)],
        )  # fmt: skip

    def _param(self, index: int) -> Value:
        """The initializer of a learned blob; one for all that share it, in its owner's shape."""
        plan = self.net.plan
        owner = plan.owner(index)
        if owner not in self.params:
            values = self.net.tensors[owner].detach().cpu().numpy()
            self.params[owner] = self.graph.constant(values, name=plan.params[owner].name)
        value, own, here = self.params[owner], plan.params[owner].shape or (), plan.params[index].shape or ()
        if own == here:
            return value
        reshaped: Value = self.graph.add("Reshape", value, self.graph.integers(*here))
        return reshaped

    def _output(self, blob: str, begin: Sequence[str]) -> str:
        """The output's name. A value that has another name, or is an input, is handed on under the blob's."""
        value = self.values[blob]
        if value == blob and blob not in begin:
            return value
        name = self.graph.unique(blob) if blob in begin else blob
        self.graph.nodes.append(helper.make_node("Identity", [value], [name], name=f"outputs/{blob}"))
        return name

    def _proto(self, begin: Sequence[str], outputs: Mapping[str, str]) -> Any:
        used = {name for node in self.graph.nodes for name in node.input}
        free = _symbols(self.net, begin, self.sizes)
        graph = helper.make_graph(
            self.graph.nodes,
            self.net.name or "net",
            [_info(name, [free[name] if size is None else size for size in self.sizes[name]]) for name in begin],
            [_info(name, self._output_sizes(blob, free)) for blob, name in outputs.items()],
            [tensor for name, tensor in self.graph.constants.items() if name in used],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="deepcae")
        proto.ir_version = helper.find_min_ir_version_for(proto.opset_import)
        onnx.checker.check_model(proto, full_check=True)
        return proto

    def _output_sizes(self, blob: str, free: Mapping[str, str]) -> list[int | str | None]:
        """A free first axis has the inputs' name where they all have one; what else goes with the batch stays open."""
        common = set(free.values())
        filtered = any(issubclass(step.kind, Filter) for step in self.steps)
        lead = common.pop() if len(common) == 1 and not filtered else None
        return [size if size is not None else lead if axis == 0 else None for axis, size in enumerate(self.sizes[blob])]


def _symbols(net: Net, begin: Sequence[str], sizes: Mapping[str, Dims]) -> dict[str, str]:
    """A name for each input's free size: "N", or "N_<input>" for those whose number of samples is another."""
    planned = {name: tuple(net.plan.shapes[name] or ()) for name in begin if None in sizes[name]}
    first = next(iter(planned.values()), ())
    return {name: "N" if found[:1] == first[:1] else f"N_{name}" for name, found in planned.items()}


def _info(name: str, sizes: Sequence[int | str | None]) -> Any:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(sizes))
