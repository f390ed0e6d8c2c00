"""Caffe's view of a network: every blob keeps its `data` and `diff`, layers run one by one, forward and backward.

The same layers as in `Net.forward`; each layer's gradient is its own vector–Jacobian product over the kept blobs, so
one can stop after any layer, look at a blob, change it, and go on, as in Caffe, backward without a forward pass
included (`net.standing`). Blobs stay where they are in memory: what is written into `blobs[name].data` is what the next
layer reads. Parameter diffs accumulate; blob diffs are
overwritten by each backward pass. The diff of a blob that layers rewrote in place is that of its first version after a
pass. The loss weight of a top stands in its diff, where a caller may change it.
Source: Caffe's net.cpp (ForwardFromTo, BackwardFromTo, Reshape, ShareTrainedLayersWith).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from ..errors import LayerError, SpecError
from ..layers.base import Layer, Shape
from . import storage
from .execute import Blobs
from .net import Net
from .standing import LastPasses
from .step import Step
from .storage import Blob, Memory
from .switches import tell_pooled

Reader = Callable[[Step, Mapping[str, Shape]], Mapping[str, np.ndarray]]
Watcher = Callable[[int], object]  # is told the index of a layer


@dataclass
class Watchers:
    """Who is told of each layer, before or after its pass: Caffe's net callbacks."""

    before_forward: list[Watcher] = field(default_factory=list)
    after_forward: list[Watcher] = field(default_factory=list)
    before_backward: list[Watcher] = field(default_factory=list)
    after_backward: list[Watcher] = field(default_factory=list)


class Layerwise:
    """Runs the layers of `net` one by one over kept blobs.

    `blobs`: by name, in the order in which the layers make them; `params`: as in `net.plan.params`.
    `read(step, shapes)` gives the next batch of a data layer by top name, for blobs of those shapes; a top that it
    leaves out stays as it is. Without it the caller feeds the data layers' tops, too.
    """

    def __init__(self, net: Net, read: Reader | None = None) -> None:
        self.net, self.read = net, read
        self.watchers = Watchers()
        self.blobs = _make_blobs(net)
        self.params = _make_params(net)
        self._passes = LastPasses(net, self.blobs, self.params)
        for step in net.plan.steps:
            self._set_loss_weights(step)
        self._fed = self._fed_shapes()

    @property
    def data(self) -> Blobs:
        """The blobs' values, by name."""
        return {name: blob.data for name, blob in self.blobs.items()}

    @property
    def diff(self) -> Blobs:
        """The blobs' gradients, by name."""
        return {name: blob.diff for name, blob in self.blobs.items()}

    def clear_param_diffs(self) -> None:
        for blob in self.params:
            blob.diff.zero_()
            blob.diff_memory.download()

    def share_with(self, other: Layerwise) -> None:
        """Uses the parameters of the layers of equal name in `other`, here and there from now on. Diffs stay apart."""
        pairs: list[tuple[int, int]] = []
        for step, source in self.net.plan.matched(other.net.plan):
            mine, theirs = self._shapes_of(step.params), other._shapes_of(source.params)
            if mine != theirs:
                raise SpecError(f"layer '{step.name}': blobs are {mine} here and {theirs} in the net it shares with")
            pairs += zip(step.params, source.params, strict=True)
        for i, k in pairs:
            tensor = other.net.tensors[k]
            self.net.tensors[i].data = tensor.data.view(self.net.tensors[i].shape)
            self.params[i].data_memory = other.params[k].data_memory

    def _shapes_of(self, indices: tuple[int, ...]) -> list[list[int]]:
        return [list(self.params[i].shape) for i in indices]

    # Shapes

    def reshape(self, start: int = 0, end: int | None = None) -> None:
        """Gives the tops of layers `start` to `end` the shapes that follow. LayerError where one of them refuses."""
        steps = self.net.plan.steps
        stop = len(steps) if end is None else end + 1
        for index, step in enumerate(steps[start:stop], start):
            layer = _layer_of(step)
            if layer.is_source:
                continue
            tell_pooled(steps, index, lambda name: self.blobs[name].shape)
            bottoms = [self.blobs[name].shape for name in step.bottoms]
            try:
                tops = layer.shapes(bottoms)
                learned = [list(blob.shape) for blob in layer.learned(bottoms)]
            except LayerError as error:
                raise LayerError(f"{step.node.label}: {error}", error.at) from error
            if learned != self._shapes_of(step.params):
                now = self._shapes_of(step.params)
                raise LayerError(f"{step.node.label}: bottoms {bottoms} need parameters {learned}; it has {now}")
            for name, shape in zip(step.tops, tops, strict=True):
                self.blobs[name].reshape(shape)
            self._set_loss_weights(step)
        if start == 0 and stop == len(steps):
            self._fed = self._fed_shapes()

    def _fed_shapes(self) -> list[Shape]:
        return [self.blobs[name].shape for name in self.net.inputs]

    def _set_loss_weights(self, step: Step) -> None:
        for top, weight in zip(step.tops, step.loss_weights, strict=True):
            if weight:
                self.blobs[top].diff.fill_(weight)

    # Forward

    def forward(
        self, inputs: Mapping[str, torch.Tensor] | None = None, start: int = 0, end: int | None = None
    ) -> torch.Tensor:
        """Runs layers `start` to `end` (inclusive; default: the last) and returns the loss they give."""
        steps = self.net.plan.steps
        loss = torch.zeros((), device=self.net.device)
        for name, tensor in (inputs or {}).items():
            self._write(name, tensor.to(self.net.device))
        if self._fed_shapes() != self._fed:
            self.reshape(start, end)  # no other layers: one behind `end` may never fit the new shapes
        with self._on_device():
            for i in range(start, len(steps) if end is None else end + 1):
                _tell(self.watchers.before_forward, i)
                self._forward_one(i, steps[i])
                for top, weight in zip(steps[i].tops, steps[i].loss_weights, strict=True):
                    if weight:
                        blob = self.blobs[top]
                        loss = loss + torch.dot(blob.data.reshape(-1), blob.diff.reshape(-1))
                _tell(self.watchers.after_forward, i)
        return loss

    def _forward_one(self, i: int, step: Step) -> None:
        layer = _layer_of(step)
        if layer.is_source:
            self._read(step)
            return
        for name, top in zip(step.tops, self._passes.forward(i, step), strict=True):
            self._write(name, top.detach())
        self._passes.written(i, step)

    def _read(self, step: Step) -> None:
        if self.read is None or step.kind.fed_by_caller:
            return
        for name, batch in self.read(step, {name: self.blobs[name].shape for name in step.tops}).items():
            self.fill(name, batch)

    def fill(self, name: str, batch: np.ndarray) -> None:
        """Gives a blob these values, and their shape."""
        values = np.asarray(batch, dtype=np.float32, order="C")
        self._write(name, torch.from_numpy(values if values.flags.writeable else values.copy()))

    def _write(self, name: str, values: torch.Tensor) -> None:
        blob = self.blobs[name]
        if tuple(values.shape) != blob.shape:
            blob.reshape(tuple(values.shape))
        kept = blob.data
        if kept.data_ptr() != values.data_ptr():  # a Split's top is its bottom
            kept.copy_(values)
            blob.data_memory.writes += 1

    # Backward

    def backward(
        self, top_diffs: Mapping[str, torch.Tensor] | None = None, start: int | None = None, end: int = 0
    ) -> None:
        """Back-propagates from layer `start` (default: the last) down to `end` (inclusive).

        It begins with the diffs that stand in the blobs: in loss tops their weights; `top_diffs` sets others first.
        """
        steps = self.net.plan.steps
        for name, diff in (top_diffs or {}).items():
            self.blobs[name].diff.copy_(diff.reshape(self.blobs[name].shape))
        with self._on_device():
            for i in range(len(steps) - 1 if start is None else start, end - 1, -1):
                _tell(self.watchers.before_backward, i)
                if steps[i].needs_backward:
                    self._backward_one(i, steps[i])
                _tell(self.watchers.after_backward, i)

    def _backward_one(self, i: int, step: Step) -> None:
        if not _layer_of(step).differentiable:
            raise LayerError(f"{step.node.label} has no gradient; a backward pass through it is not possible")
        kept = self._passes.last(i, step)
        wanted = [tensor for tensor in (*kept.bottoms, *kept.params) if tensor.requires_grad]
        if not wanted:
            return
        outputs = [
            (top, self.blobs[name].diff) for name, top in zip(step.tops, kept.tops, strict=True) if top.requires_grad
        ]
        grads: list[torch.Tensor | None] = [None] * len(wanted)
        if outputs:
            tops, diffs = zip(*outputs, strict=True)
            grads = list(torch.autograd.grad(tops, wanted, diffs, allow_unused=True, retain_graph=True))
        found = iter(grads)
        for name, bottom in zip(step.bottoms, kept.bottoms, strict=True):
            if bottom.requires_grad:
                grad = next(found)
                self.blobs[name].diff.copy_(torch.zeros_like(bottom) if grad is None else grad)
        written_over = _layer_of(step).overwrites([tuple(bottom.shape) for bottom in kept.bottoms])
        for j, (k, param) in enumerate(zip(step.params, kept.params, strict=True)):
            if param.requires_grad:
                grad = next(found)
                if grad is not None:
                    diff = self.params[k].diff
                    diff.copy_(grad if j in written_over else diff + grad)

    # The host's copies, where the net is on a GPU

    @contextmanager
    def _on_device(self) -> Iterator[None]:
        self.upload()
        yield
        self.download()

    def upload(self) -> None:
        """What was written into arrays counts from now on. On the CPU it does so anyway."""
        for memory in self._memories():
            memory.upload()

    def weights_changed(self) -> None:
        """Is told that something else than a pass or an array wrote the parameters: an update, a file."""
        for blob in self.params:
            blob.data_memory.writes += 1
        self.download()

    def download(self) -> None:
        """Arrays show what was computed. On the CPU they do so anyway."""
        for memory in self._memories():
            memory.download()

    def _memories(self) -> Iterable[Memory]:
        if storage.is_host(self.net.device):
            return ()
        blobs = (*self.blobs.values(), *self.params)
        return {id(m): m for blob in blobs for m in (blob.data_memory, blob.diff_memory)}.values()


def _layer_of(step: Step) -> Layer:
    assert step.layer is not None
    return step.layer


def _tell(watchers: list[Watcher], index: int) -> None:
    for watcher in watchers:
        watcher(index)


def _make_blobs(net: Net) -> dict[str, Blob]:
    """A blob for every name. Tops that only show their bottom's values in another form share its memory, as in Caffe.

    Not where a layer writes over such a top in place: Caffe spoils the bottom then.
    """
    rewritten = {top for step in net.plan.steps if step.in_place for top in step.tops}
    blobs: dict[str, Blob] = {}
    for step in net.plan.steps:
        for top in step.tops:
            if top in blobs:
                continue
            shape = net.plan.shapes[top]
            blob = Blob.new((0,) if shape is None else shape, net.device)
            if step.kind.is_view and top not in rewritten:
                bottom = blobs[step.bottoms[0]]
                diff = blob.diff_memory if step.kind.copies else bottom.diff_memory
                blob = Blob(blob.shape, bottom.data_memory, diff)
            blobs[top] = blob
    return blobs


def _make_params(net: Net) -> list[Blob]:
    """A blob for every parameter over the net's own tensor; sharers have their owner's memories."""
    blobs: list[Blob] = []
    for tensor, param in zip(net.tensors, net.plan.params, strict=True):
        shape = param.shape or ()
        if param.owner is not None:
            owner = blobs[param.owner]
            blobs.append(Blob(shape, owner.data_memory, owner.diff_memory))
        else:
            blobs.append(Blob(shape, Memory(tensor.detach().view(-1)), Memory(torch.zeros_like(tensor).view(-1))))
    return blobs
