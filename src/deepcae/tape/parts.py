"""Parts of a net, each as a pass that is written down when it is first asked for, and played again and again."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import DataError, SpecError
from ..kernels.choice import kernels
from ..net.net import Net
from ..net.part import Part
from .op import Unsuited
from .tape import Tape

KEPT = 4  # parts of a net that one thread keeps


class _Own(threading.local):
    """What a thread has: passes by what they are of, the last one used last; None where there can be none."""

    def __init__(self) -> None:
        self.passes: dict[object, Tape | None] = {}


class Parts:
    """The passes of one net, forward alone; each thread has its own.

    A sample's numbers are the same bits wherever it stands among the others, inside `kernels.products.rows_alike`.
    """

    def __init__(self, net: Net) -> None:
        self.net = net
        self._own = _Own()

    def made(self, given: str, samples: Tensor, wanted: Sequence[str]) -> dict[str, Tensor] | None:
        """The wanted blobs (N, ...) for samples (N, ...) of blob `given`; None where the net itself is to compute them.

        That is where `Tapes` has none, where Python code runs, and where the net complains of what is asked for.
        """
        tape = self._tape(given, tuple(samples.shape), tuple(wanted))
        if tape is None:
            return None
        with torch.no_grad():
            tape.forward({given: samples}, self.net.generator)
        return {name: tape.rows(name) for name in wanted}

    def _tape(self, given: str, shape: tuple[int, ...], wanted: tuple[str, ...]) -> Tape | None:
        if self.net.device.type != "cpu" or not (found := kernels()).core:
            return None
        key = (given, shape, wanted, found)
        passes = self._own.passes
        if key not in passes:
            passes[key] = self._written(given, shape, wanted)
        else:
            passes[key] = passes.pop(key)  # the last one used stands last
        while len(passes) > KEPT:
            del passes[next(iter(passes))]
        return passes[key]

    def _written(self, given: str, shape: tuple[int, ...], wanted: tuple[str, ...]) -> Tape | None:
        plan = self.net.plan
        planned = plan.shapes.get(given)
        if planned is None or planned[1:] != shape[1:] or any(step.kind.runs_code for step in plan.steps):
            return None
        try:
            part = Part(self.net, {given: shape}, wanted)
            return Tape(part, backward=False) if all(part.plan.shapes[name] for name in wanted) else None
        except (Unsuited, DataError, SpecError):
            return None
