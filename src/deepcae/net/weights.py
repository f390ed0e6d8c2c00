"""Weights into a net and out of it, by layer name, in Caffe's wire format.

A .caffemodel is a NetParameter: every layer of the phase, Split layers included, with its phase and its blobs (shape
and data). Loading: the first layer of a name in the file serves all layers of that name here; layers that only the file
has are ignored, layers that only the net has keep their values. A blob of the old 4-D form fits a blob with fewer axes
if the shapes are equal when aligned at the right: (1,1,N,K) fits (N,K).
Source: Caffe's net.cpp (CopyTrainedLayersFrom, ToProto) and blob.cpp (ShapeEquals).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import SnapshotError
from ..proto.binary import read_weights, write_message
from ..proto.schema import LayerParameter, NetParameter
from .blobs import array_of, blob_of
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
    message = source if isinstance(source, NetParameter) else _read(Path(source))
    report = LoadReport(str(source) if isinstance(source, str | Path) else message.name)
    theirs: dict[str, Any] = {}
    for layer in message.layer:
        if layer.name in theirs and layer.blobs:
            report.duplicates.append(layer.name)
        theirs.setdefault(layer.name, layer)
    writes: list[tuple[torch.Tensor, np.ndarray]] = []
    for step in net.plan.steps:
        if not step.params:
            continue
        if step.name not in theirs:
            report.kept.append(step.name)
            continue
        arrays = _fit(step.name, theirs[step.name], [net.plan.params[i].shape or () for i in step.params], report.path)
        writes.extend((net.tensors[i], array) for i, array in zip(step.params, arrays, strict=True))
        report.matched.append(step.name)
    ours = {step.name for step in net.plan.steps}
    report.ignored = [name for name, layer in theirs.items() if layer.blobs and name not in ours]
    if strict and (report.ignored or report.kept):
        raise SnapshotError(f"does not match the net: {report}")
    with torch.no_grad():
        for tensor, array in writes:
            tensor.copy_(torch.from_numpy(array).reshape(tensor.shape))
    return report


def _fit(name: str, layer: Any, shapes: Sequence[tuple[int, ...]], path: str) -> list[np.ndarray]:
    if len(layer.blobs) != len(shapes):
        raise SnapshotError(f"{path}: layer '{name}' has {len(layer.blobs)} blob(s) there and {len(shapes)} here")
    arrays = []
    for k, (blob, shape) in enumerate(zip(layer.blobs, shapes, strict=True)):
        array = array_of(blob)
        if not _fits(array.shape, shape):
            raise SnapshotError(
                f"{path}: layer '{name}': blob {k} has shape {list(array.shape)} there and {list(shape)} here"
            )
        arrays.append(array.reshape(shape))
    return arrays


def _fits(there: tuple[int, ...], here: tuple[int, ...]) -> bool:
    """Equal; or an old 4-D shape equal if aligned at the right, or (1,C,1,1) for one value per channel (fork's BN)."""
    if there == here:
        return True
    if len(there) == 4 and len(here) <= 4:
        return there == (1,) * (4 - len(here)) + here or there == (1, *here, 1, 1)
    return False


def _read(path: Path) -> Any:
    if path.suffix == ".h5" or _is_hdf5(path):
        return _read_hdf5(path)
    return read_weights(path)


def _is_hdf5(path: Path) -> bool:
    try:
        if not path.is_file():
            return False  # read_weights says what is wrong
        with path.open("rb") as file:
            return file.read(8) == b"\x89HDF\r\n\x1a\n"
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror or error}") from None


def _read_hdf5(path: Path) -> Any:
    """A .caffemodel.h5: /data/<layer>/<blob index>."""
    import h5py

    message = NetParameter()
    try:
        with h5py.File(path, "r") as file:
            if "data" not in file:
                raise SnapshotError(f"{path}: holds no group /data, so it is no .caffemodel.h5")
            for name, group in file["data"].items():
                layer = message.layer.add(name=name)
                for k in sorted(group, key=int):
                    layer.blobs.append(blob_of(group[k][()]))
    except (OSError, ValueError, AttributeError) as error:
        raise SnapshotError(f"{path}: not a readable .caffemodel.h5 ({error})") from None
    return message


def to_message(net: Net) -> Any:
    """The net as Caffe's snapshot holds it: name, and every layer of its phase with blobs."""
    message = NetParameter(name=net.name)
    for step in net.plan.steps:
        layer = LayerParameter()
        layer.CopyFrom(step.node.param)
        layer.ClearField("blobs")
        if step.layer is not None and step.layer.is_loss and not layer.loss_weight:
            layer.loss_weight.append(1)  # Caffe's loss layers write their default down
        for i in step.params:
            values = net.tensors[i].detach().cpu().numpy()
            layer.blobs.append(blob_of(values.reshape(net.plan.params[i].shape or ())))
        message.layer.append(layer)
    return message


def save_weights(net: Net, path: str | Path) -> None:
    """Writes a .caffemodel, at once or not at all."""
    write_message(Path(path), to_message(net))
