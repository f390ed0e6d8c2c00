"""Weights into a net and out of it, by layer name: in Caffe's two formats, as .safetensors and as a state dict.

A .caffemodel is a NetParameter: every layer of the phase, Split layers included, with its phase and its blobs (shape
and data). Loading goes by name: the k-th layer of a name gets the k-th's blobs of that name in the file; where these
are not equally many, the net's first gets the file's last and the others keep their values, as in Caffe. Layers that
only the file has are ignored, layers that only the net has keep their values. A blob of the old 4-D form fits a blob
with fewer axes if the shapes are equal when aligned at the right: (1,1,N,K) fits (N,K). Outside of .caffemodel files, a
shared blob may be missing.
Source: Caffe's net.cpp (CopyTrainedLayersFrom, ToProto) and blob.cpp (ShapeEquals).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..atomic import whole_file
from ..bounds import Allowance
from ..errors import SnapshotError
from ..proto.binary import blob_shape, read_raw_weights, write_message
from ..proto.schema import LayerParameter, NetParameter
from ..proto.text import to_text
from .blobs import StoredBlob, blob_of, put, stored_in, stored_values
from .hdf5 import is_hdf5, model_bytes, read_model
from .net import Net
from .step import Step
from .tensors import (
    is_safetensors,
    is_state_dict,
    read_safetensors,
    read_state_dict,
    safetensors_bytes,
    state_dict_bytes,
    state_dict_of,
)

Stored = dict[str, list[Mapping[int, Any]]]  # name → for each layer of that name: index of the blob → its values


@dataclass
class LoadReport:
    """What became of the layers of a weights file and of the net."""

    path: str
    matched: list[str] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)  # layers with blobs that only the file has
    kept: list[str] = field(default_factory=list)  # layers that only the net has: their initial values stay
    duplicates: list[str] = field(default_factory=list)  # names that stand more often in the file: the last counts

    def __str__(self) -> str:
        parts = [f"{len(self.matched)} layer(s) loaded"]
        for what, names in (
            ("not in this net", self.ignored),
            ("kept at initial values", self.kept),
            ("more than once in the file, last taken", self.duplicates),
        ):
            if names:
                parts.append(f"{what}: {', '.join(names)}")
        return f"{self.path}: " + "; ".join(parts)


def load_weights(net: Net, source: str | Path | Any, strict: bool = False) -> LoadReport:
    """Copies weights into `net` from a file or NetParameter, and says what was matched.

    A file's content tells its format: .caffemodel, .caffemodel.h5, .safetensors, or a PyTorch state dict (.pt).
    With `strict`, a layer that only one side has is a SnapshotError; wrong counts or shapes of blobs always are.
    """
    report = LoadReport(str(source) if isinstance(source, str | Path) else source.name)
    theirs, sparse = _stored(net, source)
    writes: list[tuple[torch.Tensor, np.ndarray]] = []
    allowance = Allowance(os.stat(source).st_size if isinstance(source, str | Path) else 0)
    for step, blobs in _pairs(net, theirs, report):
        plans = [net.plan.params[i] for i in step.params]
        dispensable = {k for k, plan in enumerate(plans) if sparse and plan.owner is not None}
        shapes = [plan.shape or () for plan in plans]
        arrays = _fit(step.name, blobs, shapes, dispensable, report.path, allowance)
        writes.extend((net.tensors[step.params[k]], array) for k, array in arrays.items())
        report.matched.append(step.name)
    ours = {step.name for step in net.plan.steps}
    report.ignored = [name for name, blobs in theirs.items() if any(blobs) and name not in ours]
    if strict and (report.ignored or report.kept):
        raise SnapshotError(f"does not match the net: {report}")
    for tensor, array in writes:
        put(tensor, array)
    return report


def _stored(net: Net, source: str | Path | Any) -> tuple[Stored, bool]:
    """What the source holds, and whether its shared blobs may stand with their owner only."""
    if isinstance(source, NetParameter):
        return _by_name(source, [blob for layer in source.layer for blob in layer.blobs]), False
    path = Path(source)
    if _is_hdf5(path):
        return _each_once(read_model(path)), True
    if is_safetensors(path):
        return _each_once(read_safetensors(path)), True
    if is_state_dict(path):
        types = {step.name: step.type for step in net.plan.steps if step.params}
        return _each_once(read_state_dict(path, types)), True
    document, raw = read_raw_weights(path)
    blobs = [blob for layer in document.message.layer for blob in layer.blobs]
    return _by_name(document.message, stored_in(raw, blobs)), False


def _each_once(blobs: Mapping[str, Mapping[int, Any]]) -> Stored:
    """What a file holds whose names are unique."""
    return {name: [values] for name, values in blobs.items()}


def _by_name(message: Any, blobs: Sequence[Any]) -> Stored:
    """The blobs of the layers of each name, in file order, in which `blobs` are all of them."""
    theirs: Stored = {}
    following = iter(blobs)
    for layer in message.layer:
        theirs.setdefault(layer.name, []).append(dict(enumerate(islice(following, len(layer.blobs)))))
    return theirs


def _pairs(net: Net, theirs: Stored, report: LoadReport) -> Iterator[tuple[Step, Mapping[int, Any]]]:
    """The learning layers of the net, each with the blobs that it gets from the file."""
    for name, mine in net.plan.learning().items():
        given = theirs.get(name, [])
        given = [blobs for blobs in given if blobs] or given[-1:]
        if len(given) != len(mine):
            report.duplicates += [name] * (len(given) > 1)
            report.kept += [name] * (len(mine) - bool(given))
            mine, given = mine[: len(given[-1:])], given[-1:]
        yield from zip(mine, given, strict=True)


def _fit(
    name: str,
    blobs: Mapping[int, Any],
    shapes: Sequence[tuple[int, ...]],
    dispensable: set[int],
    path: str,
    allowance: Allowance,
) -> dict[int, np.ndarray]:
    """A layer's arrays by their index, in the shapes here; only those in `dispensable` may be missing."""
    if set(blobs) | dispensable != set(range(len(shapes))):
        if len(blobs) == len(shapes) or dispensable:
            needed = ", ".join(str(k) for k in range(len(shapes)) if k not in dispensable)
            raise SnapshotError(f"{path}: layer '{name}' has blobs {sorted(blobs)} there; it needs {needed}")
        raise SnapshotError(f"{path}: layer '{name}' has {len(blobs)} blob(s) there and {len(shapes)} here")
    arrays = {}
    for k, blob in blobs.items():
        there = blob.shape if isinstance(blob, StoredBlob) else blob_shape(blob)
        if not _fits(there, shapes[k]):
            raise SnapshotError(
                f"{path}: layer '{name}': blob {k} has shape {list(there)} there and {list(shapes[k])} here"
            )
        try:
            allowance.take(math.prod(there) * blob.itemsize if isinstance(blob, StoredBlob) else 0)
        except ValueError as error:
            raise SnapshotError(f"{path}: layer '{name}', blob {k}: {error}") from None
        arrays[k] = (blob.read() if isinstance(blob, StoredBlob) else stored_values(blob)).reshape(shapes[k])
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


def to_message(net: Net, diffs: Mapping[int, torch.Tensor] | None = None) -> Any:
    """The net as Caffe's snapshot holds it: name, and every layer of its phase with blobs.

    `diffs`: what is written beside each learned blob, by the index of its owner (`snapshot_diff`).
    """
    message = NetParameter(name=net.name)
    for step in net.plan.steps:
        layer = LayerParameter()
        layer.CopyFrom(step.node.param)
        layer.ClearField("blobs")
        if step.layer is not None and step.layer.is_loss and not layer.loss_weight:
            layer.loss_weight.append(1)  # Caffe's loss layers write their default down
        layer.blobs.extend(blob_of(_values(net, i), _diff(net, i, diffs)) for i in step.params)
        message.layer.append(layer)
    return message


def to_hdf5(net: Net, diffs: Mapping[int, torch.Tensor] | None = None) -> bytes:
    """The net as Caffe's HDF5 snapshot holds it: every layer of its phase, shared blobs with their owner only.

    `diffs`: as for `to_message`; they stand with every layer, sharing or not.
    """
    if diffs is None:
        return model_bytes(_own_blobs(net))
    beside = {
        step.name: {k: _diff(net, i, diffs) for k, i in enumerate(step.params)} for step in net.plan.steps
    }  # names are unique in HDF5
    return model_bytes(_own_blobs(net), beside)


def _diff(net: Net, index: int, diffs: Mapping[int, torch.Tensor] | None) -> Any:
    """The diff of a learned blob in its planned shape; None where none are written."""
    if diffs is None:
        return None
    return diffs[net.plan.owner(index)].detach().cpu().numpy().reshape(net.plan.params[index].shape or ())


def to_safetensors(net: Net) -> bytes:
    """The net as a .safetensors: its own blobs, its name and its text."""
    layers = [(name, blobs) for name, blobs in _own_blobs(net) if blobs]
    return safetensors_bytes(layers, {"name": net.name, "net": to_text(net.document.message)})


def to_state_dict(net: Net) -> dict[str, torch.Tensor]:
    """The net's learned blobs by PyTorch's names ("conv1.weight"), shared ones as one tensor; no copies."""
    plan = net.plan
    made: dict[int, torch.Tensor] = {}
    layers = []
    for step in plan.steps:
        mine: dict[int, torch.Tensor] = {}
        for k, i in enumerate(step.params):
            owner = plan.owner(i)
            if plan.params[i].shape == plan.params[owner].shape:
                mine[k] = made.setdefault(owner, _tensor(net, i))
        layers.append((step.name, step.type, mine))
    return state_dict_of(layers)


def _own_blobs(net: Net) -> list[tuple[str, dict[int, np.ndarray]]]:
    """Every layer's blobs by their index, shared ones with their owner only."""
    return [
        (step.name, {k: _values(net, i) for k, i in enumerate(step.params) if net.plan.params[i].owner is None})
        for step in net.plan.steps
    ]


def _tensor(net: Net, index: int) -> torch.Tensor:
    """A parameter in its planned shape."""
    return net.tensors[index].detach().reshape(net.plan.params[index].shape or ())


def _values(net: Net, index: int) -> np.ndarray:
    values: np.ndarray = _tensor(net, index).cpu().numpy()
    return values


def save_weights(net: Net, path: str | Path) -> None:
    """Writes the weights, at once or not at all; `path` ends in .h5, .safetensors or .pt, or else is a .caffemodel."""
    target = Path(path)
    if target.suffix == ".safetensors":
        data = to_safetensors(net)
    elif target.suffix in (".pt", ".pth"):
        data = state_dict_bytes(to_state_dict(net))
    elif target.suffix == ".h5":
        data = to_hdf5(net)
    else:
        write_message(target, to_message(net))
        return
    with whole_file(target) as temporary:
        temporary.write_bytes(data)
