"""Weights into a net and out of it, by layer name, in Caffe's two formats.

A .caffemodel is a NetParameter: every layer of the phase, Split layers included, with its phase and its blobs (shape
and data). Loading: the first layer of a name in the file serves all layers of that name here; layers that only the file
has are ignored, layers that only the net has keep their values. A blob of the old 4-D form fits a blob with fewer axes
if the shapes are equal when aligned at the right: (1,1,N,K) fits (N,K). In HDF5 a shared blob may be missing.
Source: Caffe's net.cpp (CopyTrainedLayersFrom, ToProto) and blob.cpp (ShapeEquals).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import SnapshotError
from ..proto.binary import read_weights, write_message
from ..proto.schema import LayerParameter, NetParameter
from .blobs import array_of, blob_of
from .hdf5 import is_hdf5, model_bytes, read_model
from .net import Net


@dataclass
class LoadReport:
    """What became of the layers of a weights file and of the net."""

    path: str
    matched: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # layers with blobs that only the file has
    kept: list[str] = field(default_factory=list)  # layers that only the net has: their initial values stay
    duplicates: list[str] = field(default_factory=list)  # names that stand several times in the file: the first counts

    def __str__(self) -> str:
        parts = [f"{len(self.matched)} layer(s) loaded"]
        for what, names in (
            ("not in this net", self.ignored),
            ("kept at initial values", self.kept),
            ("more than once in the file, first taken", self.duplicates),
        ):
            if names:
                parts.append(f"{what}: {', '.join(names)}")
        return f"{self.path}: " + "; ".join(parts)


def load_weights(net: Net, source: str | Path | Any, strict: bool = False) -> LoadReport:
    """Copies weights into `net` from a .caffemodel, .caffemodel.h5 or NetParameter, and says what was matched.

    With `strict`, a layer that only one side has is a SnapshotError; wrong counts or shapes of blobs always are.
    """
    sparse = not isinstance(source, NetParameter) and _is_hdf5(Path(source))
    report = LoadReport(str(source) if isinstance(source, str | Path) else source.name)
    if sparse:
        theirs: dict[str, Mapping[int, Any]] = dict(read_model(Path(source)))
    else:
        message = source if isinstance(source, NetParameter) else read_weights(Path(source))
        theirs = _first_of_each_name(message, report)
    writes: list[tuple[torch.Tensor, np.ndarray]] = []
    for step in net.plan.steps:
        if not step.params:
            continue
        if step.name not in theirs:
            report.kept.append(step.name)
            continue
        plans = [net.plan.params[i] for i in step.params]
        dispensable = {k for k, plan in enumerate(plans) if sparse and plan.owner is not None}
        shapes = [plan.shape or () for plan in plans]
        arrays = _fit(step.name, theirs[step.name], shapes, dispensable, report.path)
        writes.extend((net.tensors[step.params[k]], array) for k, array in arrays.items())
        report.matched.append(step.name)
    ours = {step.name for step in net.plan.steps}
    report.ignored = [name for name, blobs in theirs.items() if blobs and name not in ours]
    if strict and (report.ignored or report.kept):
        raise SnapshotError(f"does not match the net: {report}")
    with torch.no_grad():
        for tensor, array in writes:
            tensor.copy_(torch.from_numpy(array).reshape(tensor.shape))
    return report


def _first_of_each_name(message: Any, report: LoadReport) -> dict[str, Mapping[int, Any]]:
    """The blobs of each layer name by their index; of several layers of one name those of the first."""
    theirs: dict[str, Mapping[int, Any]] = {}
    for layer in message.layer:
        if layer.name in theirs and layer.blobs:
            report.duplicates.append(layer.name)
        theirs.setdefault(layer.name, dict(enumerate(layer.blobs)))
    return theirs


def _fit(
    name: str, blobs: Mapping[int, Any], shapes: Sequence[tuple[int, ...]], dispensable: set[int], path: str
) -> dict[int, np.ndarray]:
    """A layer's arrays by their index, in the shapes here; only those in `dispensable` may be missing."""
    if set(blobs) | dispensable != set(range(len(shapes))):
        if len(blobs) == len(shapes) or dispensable:
            needed = ", ".join(str(k) for k in range(len(shapes)) if k not in dispensable)
            raise SnapshotError(f"{path}: layer '{name}' has blobs {sorted(blobs)} there; it needs {needed}")
        raise SnapshotError(f"{path}: layer '{name}' has {len(blobs)} blob(s) there and {len(shapes)} here")
    arrays = {}
    for k, blob in blobs.items():
        array = blob if isinstance(blob, np.ndarray) else array_of(blob)
        if not _fits(array.shape, shapes[k]):
            raise SnapshotError(
                f"{path}: layer '{name}': blob {k} has shape {list(array.shape)} there and {list(shapes[k])} here"
            )
        arrays[k] = array.reshape(shapes[k])
    return arrays


def _fits(there: tuple[int, ...], here: tuple[int, ...]) -> bool:
    """Equal; or an old 4-D shape equal if aligned at the right, or (1,C,1,1) for one value per channel (fork's BN)."""
    if there == here:
        return True
    if len(there) == 4 and len(here) <= 4:
        return there == (1,) * (4 - len(here)) + here or there == (1, *here, 1, 1)
    return False


def _is_hdf5(path: Path) -> bool:
    return is_hdf5(path) or (path.suffix == ".h5" and path.is_file())


def to_message(net: Net) -> Any:
    """The net as Caffe's snapshot holds it: name, and every layer of its phase with blobs."""
    message = NetParameter(name=net.name)
    for step in net.plan.steps:
        layer = LayerParameter()
        layer.CopyFrom(step.node.param)
        layer.ClearField("blobs")
        if step.layer is not None and step.layer.is_loss and not layer.loss_weight:
            layer.loss_weight.append(1)  # Caffe's loss layers write their default down
        layer.blobs.extend(blob_of(_values(net, i)) for i in step.params)
        message.layer.append(layer)
    return message


def to_hdf5(net: Net) -> bytes:
    """The net as Caffe's HDF5 snapshot holds it: every layer of its phase, shared blobs with their owner only."""
    layers = []
    for step in net.plan.steps:
        own = {k: i for k, i in enumerate(step.params) if net.plan.params[i].owner is None}
        layers.append((step.name, {k: _values(net, i) for k, i in own.items()}))
    return model_bytes(layers)


def _values(net: Net, index: int) -> np.ndarray:
    """A parameter's values in its planned shape."""
    values: np.ndarray = net.tensors[index].detach().cpu().numpy()
    return values.reshape(net.plan.params[index].shape or ())


def save_weights(net: Net, path: str | Path) -> None:
    """Writes a .caffemodel, at once or not at all."""
    write_message(Path(path), to_message(net))
