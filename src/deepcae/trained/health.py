"""What a net's blobs hold, and what is wrong with which layer: looked for in one pass of some images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ..net.execute import BoundStep
from ..solver.guard import unwell
from ..solver.records import Warned
from .examples import Examples
from .network import Trained
from .passes import all_over

SHOWN = 100  # images of the pass
BINS = 32


@dataclass(frozen=True)
class Finding:
    """A layer at fault. `kind`: of `solver.records.WarningKind`, or "not_finite"; `facts`: its figures by name."""

    kind: str
    layer: str
    blob: str
    message: str
    facts: dict[str, float]


@dataclass(frozen=True)
class Health:
    """`findings`: of `images` images, the first layer at fault first. `blobs`: what each comes to, see `held`."""

    images: int
    findings: list[Finding]
    blobs: dict[str, dict[str, Any]]


def health(trained: Trained, examples: Examples) -> Health:
    """Looks at every blob in one pass of images from all over the examples, as the guard of a training does."""
    entry, images = trained.fed(examples.pick(all_over(examples, SHOWN))[0], examples.origin)
    names = list(dict.fromkeys([entry, *trained.path(), *_activations(trained)]))
    with torch.no_grad():
        blobs = trained.net({entry: images}, want=names)
    lost = _lost(trained, blobs)
    found = [lost] if lost is not None else [_finding(each) for each in unwell(trained.net, 0, blobs)]
    makers = {top: each for each in trained.net.bound for top in each.step.tops}
    held_of = {name: held(values.detach().cpu().numpy(), makers.get(name)) for name, values in blobs.items()}
    return Health(len(images), found, held_of)


def held(values: np.ndarray, maker: BoundStep | None) -> dict[str, Any]:
    """What a blob (N, ...) of N samples holds, in JSON's types.

    `min`, `max`, `mean`: of its finite values, None where there are none; `not_finite`: how many are not. `histogram`:
    `counts` between `low` and `high`. `saturated`: the share of values where an activation is nearly flat; `dead`: of
    units that pass no gradient for any sample; None where `maker` is no activation, or no part of it is so. `constant`:
    whether it is the same for all samples.
    """
    finite = values[np.isfinite(values)].astype(np.float64)
    told: dict[str, Any] = {"min": None, "max": None, "mean": None, "histogram": None}
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        counts, _ = np.histogram(finite, BINS, (low, high if high > low else low + 1))
        histogram = {"low": low, "high": high, "counts": counts.tolist()}
        told = {"min": low, "max": high, "mean": float(finite.mean()), "histogram": histogram}
    told |= {"not_finite": int(values.size - finite.size), "saturated": None, "dead": None}
    told["constant"] = len(values) > 1 and bool((values == values[:1]).all())
    layer = None if maker is None else maker.step.layer
    if maker is None or layer is None or not layer.is_activation:
        return told
    top = torch.from_numpy(np.ascontiguousarray(values))
    tails, gone = layer.tails(top, maker.params), layer.gone(top, maker.params)
    told["saturated"] = None if tails is None else float(tails.float().mean())
    told["dead"] = None if gone is None else float(gone.reshape(len(values), -1).all(dim=0).float().mean())
    return told


def _finding(warned: Warned) -> Finding:
    return Finding(str(warned.kind), warned.layer, warned.blob, warned.message, dict(warned.facts))


def _activations(trained: Trained) -> list[str]:
    """The blobs of activations that an image leads to."""
    reached = {trained.images}
    for step in trained.net.plan.steps:
        if step.bottoms and reached.issuperset(step.bottoms):
            reached.update(step.tops)
    steps = trained.net.plan.steps
    return [top for step in steps if step.kind.is_activation for top in step.tops if top in reached]


def _lost(trained: Trained, blobs: dict[str, torch.Tensor]) -> Finding | None:
    """The first layer whose weights or values are not finite: whatever is wrong behind it follows from that."""
    for step in trained.net.plan.steps:
        weights = [trained.net.tensors[number] for number in step.params]
        for where, tensors in (
            ("its weights hold", weights),
            ("it makes", [blobs[t] for t in step.tops if t in blobs]),
        ):
            wrong = sum(int((~torch.isfinite(each)).sum()) for each in tensors)
            if wrong:
                told = f"layer '{step.name}' ({step.type}): {where} {wrong:,} values that are not finite"
                return Finding("not_finite", step.name, (*step.tops, "")[0], told, {"values": float(wrong)})
    return None
