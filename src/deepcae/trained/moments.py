"""What a net was like at each snapshot of its training: its layers' figures, filters, codes and restored images.

A run's records hold no figures of single layers, unless `debug_info` asked for their means. They are computed here,
from outside, so that no training becomes slower or another one by being watched: values over some examples in the TEST
phase; gradients over the first training batch, by the TRAIN net; of the weights how far they have moved since the
snapshot before.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..data.source import Feed
from ..errors import DataError, DeepcaeError
from ..net.net import Net
from ..net.step import Step
from ..solver.run import Run
from ..solver.snapshot import BEST, MANIFEST
from .examples import Examples, open_examples
from .health import held
from .kernels import kernels
from .network import AS_TOLD, Named, Trained
from .passes import all_over, encoded, restored

EXAMPLES, CODES, PICTURES, FILTERS = 64, 500, 8, 48  # how many of each
KEPT = 64  # answers that are kept
Found = tuple[dict[str, Any], dict[str, np.ndarray]]
Gradients = tuple[dict[str, float], dict[tuple[str, int], float]]  # by blob; by layer and number


class Moments:
    """The moments of one run. `examples`: what the net is shown; None: its own TEST data."""

    def __init__(self, run: Run, source: Path | None = None, named: Named = AS_TOLD, device: str = "cpu") -> None:
        self.run, self.named, self.device, self._source = run, named, device, source
        self._examples: Examples | None = None
        self._found: OrderedDict[tuple[str, str | None, float], Found] = OrderedDict()

    def at(self, which: str, before: str | None = None) -> Found:
        """Facts and arrays of the snapshot `which`, as of `Run.choose`; `before`: the one that it is compared with.

        Arrays: `codes` (n, 2), `labels` (n), `filters` (k, h, w), `images` and `restored` (n, C, H, W), as far as the
        net has them. DataError where there is no such snapshot.
        """
        key = which, before, self._stamp(which)
        if key in self._found:
            self._found.move_to_end(key)
            return self._found[key]
        found = self._look(which, before)
        self._found[key] = found
        while len(self._found) > KEPT:
            self._found.popitem(last=False)
        return found

    def _stamp(self, which: str) -> float:
        """When the snapshot was written: a training that begins anew writes another one under its name."""
        stem = self.run.prefix + (BEST if which == "best" else f"_iter_{which}")
        try:
            return Path(stem + MANIFEST).stat().st_mtime
        except (OSError, ValueError):
            return 0.0

    def _look(self, which: str, before: str | None) -> Found:
        trained = Trained.of_run(self.run, self.device, self.named, which)
        iteration = 0 if trained.chosen is None else trained.chosen.iteration
        facts: dict[str, Any] = {"iteration": iteration, "name": which, "blobs": [], "learned": [], "missing": []}
        arrays: dict[str, np.ndarray] = {}
        gradients: Gradients = self._told(facts, lambda: _gradients(self.run, self.device, which)) or ({}, {})
        facts["learned"] = _learned(trained.net, self._weights(before), gradients[1])
        self._told(facts, lambda: arrays.update(_filters(facts, trained)))
        examples = self._told(facts, lambda: self._open(trained))
        if examples is not None:
            facts["blobs"] = self._told(facts, lambda: list(_blobs(trained, examples, gradients[0]))) or []
            self._told(facts, lambda: arrays.update(_codes(facts, trained, examples)))
            self._told(facts, lambda: arrays.update(_pictures(trained, examples)))
        return facts, arrays

    def _told(self, facts: dict[str, Any], make: Any) -> Any:
        """What `make` gives; None where it cannot, which `missing` tells."""
        try:
            return make()
        except (DeepcaeError, OSError) as error:
            if str(error) not in facts["missing"]:
                facts["missing"].append(str(error))
            return None

    def _open(self, trained: Trained) -> Examples:
        if self._examples is None:
            self._examples = open_examples(trained, self._source)
        return self._examples

    def _weights(self, which: str | None) -> dict[str, list[torch.Tensor]]:
        if which is None:
            return {}
        try:
            return self.run.net("TEST", self.device, which).params
        except DeepcaeError:  # it has gone since
            return {}


def _blobs(trained: Trained, examples: Examples, gradients: dict[str, float]) -> Any:
    """What each blob from the image to what is restored holds, see `held`."""
    images, _ = examples.pick(all_over(examples, EXAMPLES))
    entry, images = trained.fed(images, examples.origin)
    names = list(dict.fromkeys([entry, *trained.path()]))
    blobs = trained.net({entry: images}, want=names)
    makers = {top: each for each in trained.net.bound if not each.step.kind.copies for top in each.step.tops}
    for name in names:
        maker = makers[name]
        told = held(blobs[name].detach().cpu().numpy(), None if maker.step.is_source else maker)
        del told["histogram"]
        yield {
            "blob": name, "layer": maker.step.name, "type": maker.step.type,
            "shape": list(blobs[name].shape[1:]), **told, "gradient": gradients.get(name),
        }  # fmt: skip


def _learned(
    net: Net, before: dict[str, list[torch.Tensor]], gradients: dict[tuple[str, int], float]
) -> list[dict[str, Any]]:
    """The figures of each learned blob; `size` and `gradient` are means of |.|, `moved` a share of `size` before."""
    found = []
    for step in net.plan.steps:
        earlier = before.get(step.name, [])
        for k, index in enumerate(step.params):
            value = net.tensors[index].detach()
            least, most = (float(end) for end in value.aminmax()) if value.numel() else (0.0, 0.0)
            moved = None
            if k < len(earlier) and earlier[k].shape == value.shape and (was := _size(earlier[k])):
                moved = _size(value - earlier[k].detach()) / was
            found.append({
                "layer": step.name, "type": step.type, "param": k, "shape": list(value.shape), "min": least,
                "max": most, "size": _size(value), "moved": moved, "gradient": gradients.get((step.name, k)),
            })  # fmt: skip
    return found


def _size(values: torch.Tensor) -> float:
    """The mean of |.|; 0 for nothing."""
    return float(values.detach().abs().mean()) if values.numel() else 0.0


def _gradients(run: Run, device: str, which: str) -> Gradients:
    """The means of the absolute gradients of the loss on the first training batch, by blob and by (layer, number)."""
    net = run.net("TRAIN", device, which)
    passed: list[tuple[Step, Sequence[torch.Tensor]]] = []

    def hook(step: Step, bottoms: Sequence[torch.Tensor], tops: Sequence[torch.Tensor]) -> None:
        passed.append((step, tops))
        for top in tops:
            if top.requires_grad:
                top.retain_grad()

    with Feed(net.sources, net.phase, net.folders, run.about.get("seed") or 0) as feed:
        inputs = {name: torch.tensor(array, device=net.device) for name, array in feed.batch(0).items()}
    if lacking := [name for name in net.inputs if name not in inputs]:
        raise DataError(f"no gradients: nothing in the text says what '{lacking[0]}' is fed with")
    loss = net.loss(net.forward(inputs, torch.Generator(net.device).manual_seed(0), hook))
    if loss.requires_grad:
        loss.backward()
    blobs = {
        name: _size(top.grad)
        for step, tops in passed
        for name, top in zip(step.tops, tops, strict=True)
        if top.grad is not None
    }
    learned = {
        (step.name, k): _size(gradient)
        for step in net.plan.steps
        for k, index in enumerate(step.params)
        if (gradient := net.tensors[index].grad) is not None
    }
    return blobs, learned


def _filters(facts: dict[str, Any], trained: Trained) -> dict[str, np.ndarray]:
    """(k, h, w): of the first layer whose weights are pictures, the first slice of each kernel."""
    for layer, blob in kernels(trained).items():
        if blob.ndim >= 4:
            planes = blob.reshape(-1, *blob.shape[-2:])[:: int(np.prod(blob.shape[2:-2], dtype=int))]
            facts["filters"] = {"layer": layer, "total": len(planes)}
            return {"filters": planes[:FILTERS].astype(np.float32)}
    return {}


def _codes(facts: dict[str, Any], trained: Trained, examples: Examples) -> dict[str, np.ndarray]:
    """(n, 2) codes, of more numbers their first two principal components; labels (n) as the numbers of classes."""
    codes, labels = encoded(trained, examples.some(CODES), trained.code)
    codes = codes.reshape(len(codes), -1)
    facts["code"] = {"blob": trained.code, "dims": codes.shape[1]}
    points = codes if codes.shape[1] <= 2 else _principal(codes)
    if points.shape[1] == 1:
        points = np.stack([points[:, 0], np.zeros(len(points))], 1)
    found = {"codes": points.astype(np.float32)}
    if labels is not None and examples.classified:
        names, numbers = np.unique(labels, return_inverse=True)
        facts["code"]["names"] = [str(name) for name in names]
        found["labels"] = numbers.astype(np.int32)
    return found


def _principal(codes: np.ndarray) -> np.ndarray:
    """The first two principal components, each with its largest loading positive."""
    centred = codes - codes.mean(0)
    if not np.isfinite(centred).all():
        return centred[:, :2]
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    signs = np.sign(axes[np.arange(2), np.abs(axes).argmax(1)])
    return centred @ (axes * signs[:, None]).T


def _pictures(trained: Trained, examples: Examples) -> dict[str, np.ndarray]:
    images, made, _ = restored(trained, examples, all_over(examples, PICTURES))
    return {"images": images.astype(np.float32), "restored": made.astype(np.float32)}
