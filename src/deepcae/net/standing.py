"""What a layer's backward pass goes through: its forward pass, as long as what that read still stands in the blobs.

Caffe's Backward reads the values that stand in bottoms, parameters and tops, whoever wrote them, a script or another
pass; some layers beside these what their last Forward left in them (`Layer.keeps_state`). Where there was none, or it
read other values, the layer is run again over what stands now, and leaves no trace: no blob, no sum, no random number.
Differs from Caffe: a layer that keeps state and has none yet computes with what stands, too, where Caffe takes zeros.
Source: Caffe's net.cpp (BackwardFromTo) and the layers' Backward_cpu.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from ..errors import LayerError
from ..layers.base import Context, Layer
from .net import Net
from .step import Step
from .storage import Blob, Look


@dataclass
class Pass:
    """What a layer's gradient is taken of; bottoms and parameters lie in their blobs' memory, but for those in place.

    `looks`: at the blobs whose values decide that gradient, when the pass was done.
    """

    bottoms: list[torch.Tensor]
    params: list[torch.Tensor]
    tops: list[torch.Tensor]
    looks: Sequence[Look] = ()


class LastPasses:
    """The last pass of each of a net's layers, over kept blobs."""

    def __init__(self, net: Net, blobs: Mapping[str, Blob], params: Sequence[Blob]) -> None:
        self._net, self._blobs, self._params = net, blobs, params
        self._force = net.document.message.force_backward
        self._last_writer = {top: step for step in net.plan.steps for top in step.tops}
        self._done: dict[int, Pass] = {}

    def forward(self, i: int, step: Step) -> list[torch.Tensor]:
        """The tops that layer `i` makes of what stands in its bottoms."""
        context = Context(self._net.generator)
        made = self._prepared(step)
        with torch.enable_grad():
            made.tops = list(_layer_of(step).forward(made.bottoms, made.params, context))
        context.apply_updates()
        self._done[i] = made
        return made.tops

    def written(self, i: int, step: Step) -> None:
        """Is told that the blobs have that pass's tops."""
        self._done[i].looks = [blob.data_memory.look(blob.shape) for blob in self._read_back(step)]

    def last(self, i: int, step: Step) -> Pass:
        """The layer's last forward pass, or where that was one of other values, one over what stands now."""
        done = self._done.get(i)
        if done is None or not self._fits(done, step) or self._changed(done, step):
            self._done[i] = done = self._standing(step)
            self.written(i, step)
        return done

    def _standing(self, step: Step) -> Pass:
        """LayerError where the layer's tops are of other shapes than they would become."""
        made, tops = self._prepared(step), [self._blobs[name] for name in step.tops]
        context = Context(_twin(self._net.generator))
        with torch.enable_grad():
            standing = [top.data for top in tops]
            made.tops = list(_layer_of(step).standing(made.bottoms, made.params, standing, context))
        for name, top, blob in zip(step.tops, made.tops, tops, strict=True):
            if tuple(top.shape) != blob.shape:
                raise LayerError(
                    f"{step.node.label}: its top '{name}' is of shape {list(blob.shape)}, its bottoms make one of "
                    f"{list(top.shape)}; call net.reshape() or net.forward() before net.backward()"
                )
        return made

    def _prepared(self, step: Step) -> Pass:
        """The kept blobs themselves, but for those that the layer writes over: their copies."""
        bottoms = []
        for name, flag in zip(step.bottoms, step.bottom_needs_backward, strict=True):
            data = self._blobs[name].data
            bottoms.append((data.clone() if name in step.tops else data).requires_grad_(flag))
        return Pass(bottoms, [self._params[k].data.requires_grad_(self._learns(step, k)) for k in step.params], [])

    def _learns(self, step: Step, k: int) -> bool:
        """Whether a parameter gets a gradient: not with lr_mult 0, unless the text forces it."""
        return step.needs_backward and (self._net.plan.params[k].lr_mult != 0 or self._force)

    def _read_back(self, step: Step) -> list[Blob]:
        """The blobs whose values decide the layer's gradient: one that a later layer writes over in place does not."""
        layer = _layer_of(step)
        bottoms = [self._blobs[name] for name in step.bottoms if name not in step.tops]
        read = [name for name in step.tops if layer.reads_top or name in step.bottoms]
        tops = [self._blobs[name] for name in read if self._last_writer[name] is step]
        return [*bottoms, *(self._params[k] for k in step.params), *tops]

    def _changed(self, done: Pass, step: Step) -> bool:
        """Whether the layer's gradient is one of other values than those of the pass."""
        pairs = zip(self._read_back(step), done.looks, strict=True)
        return not _layer_of(step).keeps_state and any(b.data_memory.changed(look, b.shape) for b, look in pairs)

    def _fits(self, done: Pass, step: Step) -> bool:
        """Whether the pass was one of blobs of these shapes, in these places."""
        named = zip((*step.bottoms, *step.tops), (*done.bottoms, *done.tops), strict=True)
        if any(tuple(tensor.shape) != self._blobs[name].shape for name, tensor in named):
            return False
        places = [
            (self._blobs[name], tensor)
            for name, tensor in zip(step.bottoms, done.bottoms, strict=True)
            if name not in step.tops
        ]
        places += zip((self._params[k] for k in step.params), done.params, strict=True)
        return all(blob.data.data_ptr() == tensor.data_ptr() for blob, tensor in places)


def _layer_of(step: Step) -> Layer:
    assert step.layer is not None
    return step.layer


def _twin(generator: torch.Generator | None) -> torch.Generator | None:
    """One that draws the same numbers, and leaves the other where it is."""
    if generator is None:
        return None
    twin = torch.Generator(generator.device)
    twin.set_state(generator.get_state())
    return twin
