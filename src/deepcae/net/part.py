"""A part of a net: its layers between blobs that are given and blobs that are wanted, for another number of samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ..layers.base import Shape
from .execute import BoundStep
from .net import Net


class Part:
    """Layers of a net, as `tape` wants them. Learned blobs are the net's own; no loss counts.

    `given`: blobs by name, with shapes that may differ from the net's in the number of samples. DataError and SpecError
    as from the net itself, where it cannot be run so.
    """

    def __init__(self, net: Net, given: Mapping[str, Shape], wanted: Sequence[str]) -> None:
        self.inputs, self.wanted = tuple(given), tuple(wanted)
        self.loss_weights: dict[str, float] = {}
        self.tensors = net.tensors
        numbers = net.between(frozenset(given), frozenset(wanted))
        plan = net.planned(given)
        for mine, its in zip(plan.steps, net.plan.steps, strict=True):
            if mine.layer is not None and its.layer is not None and its.layer.convolves:
                mine.layer.strides = its.layer.strides  # a choice of the whole net
        steps = [plan.steps[i] for i in numbers]
        steps = [replace(step, loss_weights=(0.0,) * len(step.loss_weights)) for step in steps]
        names = dict.fromkeys([*given, *wanted, *(name for step in steps for name in (*step.bottoms, *step.tops))])
        self.plan = replace(plan, steps=steps, shapes={name: plan.shapes[name] for name in names})
        self.bound = [
            BoundStep(step, plan.steps[i].layer or net.bound[i].layer, net.bound[i].params)
            for i, step in zip(numbers, steps, strict=True)
        ]
