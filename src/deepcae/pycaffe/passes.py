"""The nets of a training that lie open: their passes go layer by layer over blobs that stay in place.

`solver.loop` drives them as it drives every training; here an iteration's blobs and diffs show it afterwards. As in
Caffe a parameter's diff then holds what was subtracted from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..lazy import torch
from ..solver.iteration import Inputs, Passed
from ..solver.passes import Blobs, FedNet
from .net import Net
from .sources import Sources

if TYPE_CHECKING:
    from torch import Tensor

    from ..net.execute import Hook
    from ..solver.update import Updater


class Shown(FedNet):
    """A training's net, `shown`, whose data layers read for themselves."""

    def __init__(self, fed: FedNet, generator: torch.Generator) -> None:
        fed.net.generator = generator
        assert isinstance(fed.feed, Sources)
        self.shown = Net.of(fed.net, fed.feed)
        self._loss = 0.0
        super().__init__(fed.net, fed.feed, writes=False)

    @property
    def position(self) -> int:
        return self.shown._sources.position

    @position.setter
    def position(self, batches: int) -> None:
        self.shown._sources.position = batches

    def next_inputs(self) -> dict[str, Tensor]:
        """Nothing: see `forward`."""
        return {}

    def forward(self, generator: torch.Generator) -> Blobs:
        """A pass over the next batch: all blobs."""
        self._loss = self.shown._forward(0, len(self.shown.layers) - 1)
        return self.shown._view.data

    def loss(self, blobs: Blobs) -> Tensor:
        """Of the last pass."""
        return torch.tensor(self._loss)


class LayerByLayer:
    """An iteration's passes (`solver.iteration.Batchwise`). `on_start` is called before them."""

    def __init__(self, net: Net, tests: Sequence[Net], updater: Updater, on_start: Callable[[], None]) -> None:
        self.net, self.nets, self.updater, self.on_start = net, (net, *tests), updater, on_start
        owners = [i for i, param in enumerate(net._net.plan.params) if param.owner is None]
        self._learnable = [net._view.params[i] for i in owners]
        self._losses: list[float] = []

    def begin(self, hook: Hook | None = None) -> None:
        self.net.clear_param_diffs()
        self._losses = []
        self.on_start()

    def forward(self, inputs: Inputs, generator: torch.Generator | None) -> Blobs:
        self._losses.append(self.net._forward(0, len(self.net.layers) - 1))
        return self.net._view.data

    def backward(self) -> None:
        self.net._backward(len(self.net.layers) - 1, 0)

    def passed(self) -> Passed:
        self.upload()
        self.updater.follow()  # the net may share another's weights since
        loss = sum(loss / len(self._losses) for loss in self._losses)
        return Passed(loss, 0.0, self.net._view.data, [blob.diff for blob in self._learnable])

    def update(self, passed: Passed, rate: float, iteration: int) -> None:
        self.updater.step(passed.gradients, passed.norm, rate, iteration, leave_update=True)
        self.weights_changed()

    def upload(self) -> None:
        """What the script wrote counts from now on."""
        for net in self.nets:
            net._view.upload()

    def weights_changed(self) -> None:
        """Something else than a pass or the script wrote the weights."""
        for net in self.nets:
            net._view.weights_changed()
