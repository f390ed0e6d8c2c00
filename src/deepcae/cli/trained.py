"""A trained network, from a run directory or from a text and its weights, and the parts that its blobs play."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import typer

from ..errors import DataError
from ..layers.base import count
from ..net.net import Net
from ..net.plan import Step
from ..net.summary import Summary, summarize


@dataclass
class Trained:
    """A net with its weights. `origin` names it; `folders` are where files named in its text are looked up."""

    net: Net
    origin: str
    folders: Sequence[Path]

    @cached_property
    def summary(self) -> Summary:
        return summarize(self.net.plan)

    @property
    def images(self) -> str:
        """The blob that the images are fed into: of those from outside the one with the most values per sample."""
        if not self.net.inputs:
            raise DataError(f"{self.origin}: its net is fed with nothing")
        return max(self.net.inputs, key=lambda name: count(self.net.plan.shapes[name] or (), 1))

    @property
    def labels(self) -> str:
        """The blob of classes that comes with the images; `label` where the net reads none."""
        others = [name for name in self.net.inputs if name != self.images]
        return next((name for name in others if "label" in name), others[0] if others else "label")

    @property
    def code(self) -> str:
        """The narrowest blob of an auto-encoder; of another net, its features: what the losses read and no label is."""
        if self.summary.code is not None:
            return self.summary.code
        for step in self._losses():
            for blob in map(self._original, step.bottoms):
                if blob not in self.net.inputs:
                    return blob
        raise DataError(f"{self.origin}: which blob is the code cannot be told from its layers; name it with --blob")

    @property
    def restored(self) -> str:
        """The blob of images as the decoder gives them back: what a loss compares with the input."""
        compared = [step for step in self._losses() if step.layer is not None and step.layer.compares]
        for step in compared:
            if step.type != "SigmoidCrossEntropyLoss":
                return self._original(step.bottoms[0])
        for step in compared:
            logits = self._original(step.bottoms[0])
            for other in self.net.plan.steps:
                if other.type == "Sigmoid" and self._original(other.bottoms[0]) == logits:
                    return other.tops[0]
        raise DataError(f"{self.origin}: which blob is the restored image cannot be told; name it with --blob")

    def path(self) -> list[str]:
        """The blobs from the image to what the losses read, in order; an activation in place shows its result once."""
        ends = [self._original(bottom) for step in self._losses() for bottom in step.bottoms]
        needed = {blob for blob in ends if blob not in self.net.inputs}
        steps = []
        for step in reversed(self.net.plan.steps):
            if not needed.isdisjoint(step.tops) and step.bottoms:
                needed.update(step.bottoms)
                steps.append(step)
        tops = [top for step in reversed(steps) if step.type != "Split" for top in step.tops]
        return list(dict.fromkeys(tops))

    def blob(self, name: str) -> str:
        """`name`, if the net has such a blob. DataError with the closest one otherwise."""
        if name in self.net.plan.shapes:
            return name
        import difflib

        close = difflib.get_close_matches(name, self.net.plan.shapes, 1)
        hint = f"; did you mean '{close[0]}'?" if close else f"; it has {', '.join(self.net.plan.shapes)}"
        raise DataError(f"{self.origin}: has no blob '{name}'{hint}")

    def _losses(self) -> list[Step]:
        return [step for step in self.net.plan.steps if step.layer is not None and step.layer.is_loss]

    def _original(self, blob: str) -> str:
        """The author's name of a blob: that of a split's bottom for a split's top."""
        maker = next((step for step in self.net.plan.steps if blob in step.tops), None)
        return maker.bottoms[0] if maker is not None and maker.type == "Split" else blob


def open_trained(run: Path | None, model: Path | None, weights: str | None, device: str) -> Trained:
    """The net of RUN with its latest weights, or the one of --model and --weights."""
    if run is not None and (model is not None or weights is not None):
        raise typer.BadParameter("give RUN, or --model and --weights, not both")
    if run is not None:
        return _from_run(run, device)
    if model is None or weights is None:
        raise typer.BadParameter("give RUN, or both --model and --weights")
    return Trained(*_from_files(model, weights, device))


def _from_run(folder: Path, device: str) -> Trained:
    from ..solver.run import Run

    run = Run(folder)
    return Trained(run.net("TEST", device=device), str(folder), run.folders)


def _from_files(model: Path, weights: str, device: str) -> tuple[Net, str, list[Path]]:
    from .states import states_of
    from .texts import net_of

    document, folders = net_of(model)
    state = [state for state in states_of(document) if state.phase == "TEST"][-1]
    net = Net(document, "TEST", level=state.level, stages=state.stages, seed=0, device=device, folders=folders)
    load_all(net, weights)
    return net, str(model), folders


def load_all(net: Net, weights: str) -> list[Any]:
    """Copies the weights of each file of Caffe's comma-separated list; the report of each."""
    from ..net.weights import load_weights

    return [load_weights(net, path) for path in weights.split(",") if path]
