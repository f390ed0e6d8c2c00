"""Watches a training: stops it at the first value that is not finite, and notices a net that has stopped learning.

What makes no alarm: saturated layers while the loss falls (the classic auto-encoders begin so), a steady loss with
layers that still tell their inputs apart (the end of every good run), and output units at 0 or 1 (black-and-white
images).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ..data.span import into_unit
from ..errors import NotFinite
from ..net.advice import authors_name
from ..net.flow import Flow
from .records import Warned, WarningKind

if TYPE_CHECKING:
    from ..net.net import Net
    from ..net.step import Step
    from .iteration import Passed

PERSISTENT = 8  # looks that must all agree before a layer is called saturated or constant
LOOK_EVERY = 50  # iterations between two looks, at least
SATURATED = 0.95  # a layer is saturated when this share of its outputs is in its tails (0.93 in nets that learn well)
CONSTANT = 1e-4  # a blob is constant when its spread over the batch is this small beside its size
PROGRESS = 0.005  # the loss is stuck unless a look within the last ones beat all before by this share
GONE = 1e-6  # gradients are gone at this share of the greatest norm so far
_SLACK = 1e-3  # beyond 0 and 1 that rounding may have brought
STOPPED_LEARNING = frozenset({WarningKind.SATURATED, WarningKind.CONSTANT, WarningKind.GRADIENTS_GONE})


def is_stuck(metrics: Iterable[Mapping[str, Any]]) -> bool:
    """Whether the guard said of a run, by its records in JSON, that it had stopped learning."""
    return any(entry["kind"] == "warned" and entry.get("warning") in STOPPED_LEARNING for entry in metrics)


def require_finite(net: Net, iteration: int, passed: Passed) -> None:
    """NotFinite for an iteration whose loss or gradient norm is not; names the layer and blob where that began."""
    loss, blobs, gradients = float(passed.loss), passed.blobs, passed.gradients
    culprit = _in_data(net, blobs) or _in_parameters(net) or _in_tops(net, blobs) or _in_gradients(net, gradients)
    if culprit is None and math.isfinite(loss):
        return  # every gradient is finite, only the square of their norm is beyond float32
    layer, told = culprit or Culprit("", "the loss is not finite")
    raise NotFinite(f"iteration {iteration}: {told} (loss = {loss:g})", layer)


def require_finite_since(net: Net, iteration: int, loss: float, norm: float) -> None:
    """As `require_finite` for an iteration that is over: its blobs are gone, the weights have moved since."""
    if math.isfinite(loss) and (math.isfinite(norm) or _in_parameters(net) is None):
        return
    what = f"the loss is not finite (loss = {loss:g})" if not math.isfinite(loss) else "a gradient is not finite"
    raise NotFinite(f"iteration {iteration}: {what}; alone, with --set 'display: 1', the run tells its layer")


def require_finite_state(net: Net, iteration: int, history: Sequence[torch.Tensor]) -> None:
    """NotFinite if the weights or the solver's history hold a value that is not finite: never worth a snapshot."""
    culprit = _in_parameters(net)
    if culprit is None and any(_bad(blob) for blob in history):
        culprit = Culprit("", "the solver's history is not finite")
    if culprit is not None:
        raise NotFinite(f"iteration {iteration}: {culprit.told}; no snapshot is taken", culprit.layer)


class Culprit(NamedTuple):
    """Where a value is that is not finite: the layer, "" if it is none's, and the sentence."""

    layer: str
    told: str


def _in_data(net: Net, blobs: Mapping[str, torch.Tensor]) -> Culprit | None:
    for step in net.plan.sources:
        for top in step.tops:
            if top in blobs and _bad(blobs[top]):
                told = f"layer '{step.name}' ({step.type}): data blob '{top}' {_what(blobs[top])}"
                return Culprit(step.name, told)
    return None


def _in_parameters(net: Net) -> Culprit | None:
    for blob in net.learnable:
        if _bad(blob.tensor):
            layer, index = blob.name.rsplit("/", 1)
            return Culprit(layer, f"layer '{layer}': its learned blob {index} {_what(blob.tensor)}")
    return None


def _in_tops(net: Net, blobs: Mapping[str, torch.Tensor]) -> Culprit | None:
    for step in net.plan.steps:
        for top in step.tops:
            if _bad(blobs[top]):
                return Culprit(step.name, f"layer '{step.name}' ({step.type}): blob '{top}' {_what(blobs[top])}")
    return None


def _in_gradients(net: Net, gradients: Sequence[torch.Tensor]) -> Culprit | None:
    """The last layer's first: gradients come from there."""
    for blob, gradient in reversed(list(zip(net.learnable, gradients, strict=True))):
        if _bad(gradient):
            layer, index = blob.name.rsplit("/", 1)
            return Culprit(layer, f"layer '{layer}': the gradient of its learned blob {index} {_what(gradient)}")
    return None


def _bad(tensor: torch.Tensor) -> bool:
    return not bool(torch.isfinite(tensor).all())


def _what(tensor: torch.Tensor) -> str:
    """`holds nan at [3, 0, 2] (12 of 784 values are not finite)`."""
    wrong = ~torch.isfinite(tensor.detach())
    if tensor.dim() == 0:
        return f"is {tensor.item():g}"
    place = [int(index) for index in wrong.nonzero()[0]]
    value = tensor[tuple(place)].item()
    return f"holds {value:g} at {place} ({int(wrong.sum())} of {tensor.numel()} values are not finite)"


def unwell(net: Net, iteration: int, blobs: Mapping[str, torch.Tensor]) -> Iterator[Warned]:
    """What is wrong with a net's blobs in this one pass of several samples, whether its loss is stuck or not.

    `blobs`: of one pass, by name; those that are not there are not looked at.
    """
    for watched in _watched(net):
        for kind, sentence, facts in _symptoms(watched, blobs[watched.blob]) if watched.blob in blobs else ():
            told = f"layer '{watched.step.name}' ({watched.step.type}): {sentence}"
            yield Warned(iteration, told, kind, watched.step.name, watched.name, facts)


@dataclass
class _Watched:
    """A blob that the guard looks at, and what it saw in the last looks."""

    step: Step  # its layer
    params: Sequence[torch.Tensor]  # and that one's learned blobs
    blob: str
    name: str  # the blob's in the text
    hidden: bool  # whether being in the tails is a fault: not for the net's restored images
    seen: dict[str, int] = field(default_factory=dict)  # symptom -> looks in a row
    told: set[str] = field(default_factory=set)


class _Symptom(NamedTuple):
    """What is wrong with a blob in one pass."""

    kind: WarningKind
    sentence: str
    facts: dict[str, float]


class Guard:
    """Looks at the activations of the train net now and then, and says once what is wrong with which layer.

    `every`: iterations between two looks; with 0 it never does.
    """

    def __init__(self, net: Net, display: int) -> None:
        self.every = display * math.ceil(LOOK_EVERY / display) if display else 2 * LOOK_EVERY
        self._steps = net.plan.steps
        self._watched = list(_watched(net))
        self._targets = [
            (step.name, step.bottoms[1])
            for step in net.plan.steps
            if step.layer is not None and step.layer.unit_targets
        ]
        self._losses: deque[float] = deque(maxlen=PERSISTENT)
        self._best_before = math.inf  # the least loss of the looks before those
        self._greatest = 0.0
        self._gone = 0

    def look(self, iteration: int, loss: float, norm: float, blobs: Mapping[str, torch.Tensor]) -> Iterator[Warned]:
        """Warnings of this iteration; looks at the blobs only every `every` iterations."""
        if self.every:
            self._greatest = max(self._greatest, norm)
        if not self.every or iteration % self.every:
            return
        if len(self._losses) == PERSISTENT:
            self._best_before = min(self._best_before, self._losses[0])
        self._losses.append(loss)
        yield from self._beyond(iteration, blobs)
        stuck = min(self._losses) > (1 - PROGRESS) * self._best_before
        for watched in self._watched:
            yield from self._judge(iteration, watched, _symptoms(watched, blobs[watched.blob].detach()), stuck)
        self._gone = self._gone + 1 if norm <= GONE * self._greatest else 0
        if self._gone == PERSISTENT and stuck:
            facts = {"norm": norm, "greatest": self._greatest}
            told = f"the gradients are gone (norm {norm:.3g}, greatest {self._greatest:.3g}): no weight moves any more"
            yield Warned(iteration, told, WarningKind.GRADIENTS_GONE, facts=facts)

    def _beyond(self, iteration: int, blobs: Mapping[str, torch.Tensor]) -> Iterator[Warned]:
        """Of a cross-entropy, once: that its targets are no probabilities. Its least value lies at infinity, then."""
        for layer, blob in list(self._targets):
            values = blobs.get(blob)
            least, most = (0.0, 1.0) if values is None else (end.item() for end in values.detach().aminmax())
            if least < -_SLACK or most > 1 + _SLACK:
                self._targets.remove((layer, blob))
                name = authors_name(self._steps, blob)
                told = (
                    f"layer '{layer}' (SigmoidCrossEntropyLoss): its targets '{name}' lie in {least:g}..{most:g}, but "
                    f"must lie in 0..1; {into_unit(least, most)}"
                )
                yield Warned(iteration, told, WarningKind.TARGETS, layer, name, {"least": least, "most": most})

    def to_json(self) -> dict[str, Any]:
        """What it has seen so far, for a snapshot; floats as JSON's text gives them back exactly."""
        return {
            "losses": list(self._losses),
            "best_before": self._best_before if math.isfinite(self._best_before) else None,
            "greatest": self._greatest,
            "gone": self._gone,
            "targets": [blob for _, blob in self._targets],
            "layers": {each.blob: {"seen": each.seen, "told": sorted(each.told)} for each in self._watched},
        }

    def restore(self, seen: Mapping[str, Any]) -> None:
        """Goes on from `to_json`: what was told is not told again, what was near to it is as near."""
        best = seen["best_before"]
        self._losses = deque(map(float, seen["losses"]), maxlen=PERSISTENT)
        self._best_before = math.inf if best is None else float(best)
        self._greatest, self._gone = float(seen["greatest"]), int(seen["gone"])
        if "targets" in seen:  # of older snapshots they are looked at anew
            self._targets = [each for each in self._targets if each[1] in seen["targets"]]
        for watched in self._watched:
            layer = seen["layers"].get(watched.blob, {"seen": {}, "told": []})
            watched.seen, watched.told = dict(layer["seen"]), set(layer["told"])

    def _judge(self, iteration: int, watched: _Watched, symptoms: Sequence[_Symptom], stuck: bool) -> Iterator[Warned]:
        watched.seen = {each.kind: watched.seen.get(each.kind, 0) + 1 for each in symptoms}
        for kind, sentence, facts in symptoms:
            dead = kind == WarningKind.DEAD and watched.seen[kind] >= 2  # no gradient at all: it will not come back
            if (dead or (stuck and watched.seen[kind] >= PERSISTENT)) and kind not in watched.told:
                watched.told.add(kind)
                loss = self._losses[-1]
                told = f"layer '{watched.step.name}' ({watched.step.type}): {sentence}"
                told += "" if dead else f", and the loss is stuck at {loss:.6g}"
                facts |= {} if dead else {"loss": loss}
                yield Warned(iteration, told, kind, watched.step.name, watched.name, facts)


def _watched(net: Net) -> Iterator[_Watched]:
    """Every nonlinearity's blob, and what the losses read as predictions."""
    steps, flow = net.plan.steps, Flow(net.plan.steps)
    last_writer = {top: each for each in net.bound for top in each.step.tops}
    for step, _, params in net.bound:
        if step.kind.is_activation and last_writer[step.tops[0]].step is step:
            readers = [other for other in steps if step.tops[0] in other.bottoms and other is not step]
            hidden = any(not any(other.loss_weights) and not other.kind.compares for other in readers)
            yield _Watched(step, params, step.tops[0], step.tops[0], hidden)
        elif any(step.loss_weights) and step.bottoms:
            read = flow.told_apart(step)[0] if step.kind.compares else step.bottoms[0]
            maker = last_writer.get(read)
            while maker is not None and maker.step.kind.copies:
                maker = last_writer.get(maker.step.bottoms[0])
            if maker is not None and not maker.step.kind.is_activation:
                yield _Watched(maker.step, (), read, authors_name(steps, read), hidden=False)


def _symptoms(watched: _Watched, y: torch.Tensor) -> list[_Symptom]:
    """What is wrong with a blob (N, …) in this pass."""
    found: list[_Symptom] = []
    if y.dim() == 0 or len(y) < 2:
        return found
    layer = watched.step.layer
    if layer is not None and watched.hidden:
        gone, tails = layer.gone(y, watched.params), layer.tails(y, watched.params)
    else:
        gone = tails = None
    if gone is not None and bool(gone.all()):
        where = "are 0" if not bool(y.any()) else "lie at its bounds"
        return [_Symptom(WarningKind.DEAD, f"all outputs of blob '{watched.name}' {where} and pass no gradient", {})]
    share = 0.0 if tails is None else float(tails.float().mean())
    if share > SATURATED:
        told = f"{100 * share:.1f} % of blob '{watched.name}' is saturated"
        found.append(_Symptom(WarningKind.SATURATED, told, {"share": share}))
    spread = (y - y[0]).abs().max()
    if bool(spread <= CONSTANT * y.abs().max()):
        found.append(_Symptom(WarningKind.CONSTANT, f"blob '{watched.name}' is the same for every input", {}))
    return found
