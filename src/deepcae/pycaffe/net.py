"""`caffe.Net`: a network whose blobs, parameters and gradients lie open as arrays.

    net = caffe.Net("deploy.prototxt", caffe.TEST, weights="net.caffemodel")
    net.blobs["data"].data[...] = image
    probabilities = net.forward()["prob"]

Every value has its place in memory from the start; arrays alias it, and layers run one by one over it
(`net.layerwise`). Source: Caffe's pycaffe.py and _caffe.cpp.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from ..atomic import whole_file
from ..data.output import Outputs
from ..layers.source import MemoryData
from ..lazy import torch
from ..net import net as core
from ..net.layerwise import Layerwise, Watcher
from ..net.step import Step
from ..net.weights import load_weights, save_weights, to_hdf5
from ..proto.suggest import closest
from ..writes import writes_elsewhere
from . import batches, mode
from .batches import Arrays
from .blob import Blob
from .files import existing
from .python_layer import BlobVec, Layer, NetLayer, own_errors
from .sources import Sources


class Net:
    """`Net(network_file, phase, level=0, stages=None, weights=None)`, or as of old `Net(network_file, weights, phase)`.

    `phase` and `level` are the net's, whatever its text says; `stages` come in addition to the text's. RuntimeError
    for a missing file, SpecError for a text that cannot be used. Python layers in it are run.
    """

    def __init__(self, network_file: str | Path, *given: Any, **named: Any) -> None:
        if given and isinstance(given[0], str | Path):
            warnings.warn(
                "Net(network_file, weights_file, phase) is the old form; write Net(network_file, phase, weights=…)",
                DeprecationWarning,
                stacklevel=2,
            )
            self._load(network_file, *given[1:], **{**named, "weights": given[0]})
        else:
            self._load(network_file, *given, **named)

    def _load(
        self,
        network_file: str | Path,
        phase: int,
        level: int = 0,
        stages: Iterable[str] | None = None,
        weights: str | Path | None = None,
    ) -> None:
        with own_errors():
            made = core.Net(
                existing(network_file), phase, level=level, stages=stages or (), generator=mode.generator(),
                device=mode.device(), allow_python_layers=True,
            )  # fmt: skip
        seed = int(torch.randint(2**31, (), generator=made.generator))
        if made.device.type != "cpu":
            made.generator = torch.Generator(made.device)
            made.generator.manual_seed(seed)
        self._open(made, Sources(made, seed))
        if weights is not None:
            self.copy_from(weights)

    @classmethod
    def of(cls, made: core.Net, sources: Sources) -> Self:
        """A solver's net."""
        net = cls.__new__(cls)
        net._open(made, sources)
        return net

    def _open(self, made: core.Net, sources: Sources) -> None:
        self._net, self._sources = made, sources
        self._view = Layerwise(made, sources.read)
        for name, values in sources.constant().items():
            self._view.fill(name, values)
        self._steps = made.plan.steps
        for index, step in enumerate(self._steps):
            if step.kind.writes_file:
                self._view.watchers.after_forward.append(_writer(self._view, index, step))
        self._layer_names = [step.name for step in self._steps]
        self._blob_names = list(map(_shown, self._view.blobs))
        self.blobs = OrderedDict((_shown(name), Blob(kept)) for name, kept in self._view.blobs.items())
        vectors = [BlobVec(Blob(self._view.params[k], fixed=True) for k in step.params) for step in self._steps]
        self.params = OrderedDict((name, v) for name, v in zip(self._layer_names, vectors, strict=True) if v)
        self.layers: list[Layer] = [
            getattr(step.layer, "written", None) or NetLayer(step.type, vector)
            for step, vector in zip(self._steps, vectors, strict=True)
        ]
        self._written = [
            (layer, vector)
            for layer, vector in zip(self.layers, vectors, strict=True)
            if vector and not isinstance(layer, NetLayer)
        ]
        self._show_params()

    def _show_params(self) -> None:
        """Layers in Python see the net's parameters in their `blobs` between the passes, too."""
        for layer, vector in self._written:
            for blob, mine in zip(layer.blobs, vector, strict=True):
                blob.show(mine.data, mine.diff)

    # What it is

    @property
    def name(self) -> str:
        return self._net.name

    @property
    def layer_dict(self) -> OrderedDict[str, Layer]:
        return OrderedDict(zip(self._layer_names, self.layers, strict=True))

    @property
    def blob_loss_weights(self) -> OrderedDict[str, float]:
        weights = OrderedDict.fromkeys(self._blob_names, 0.0)
        for step in self._steps:
            weights.update(zip(map(_shown, step.tops), step.loss_weights, strict=True))
        return weights

    @property
    def top_names(self) -> OrderedDict[str, list[str]]:
        return OrderedDict((step.name, list(map(_shown, step.tops))) for step in self._steps)

    @property
    def bottom_names(self) -> OrderedDict[str, list[str]]:
        return OrderedDict((step.name, list(step.bottoms)) for step in self._steps)

    @property
    def inputs(self) -> list[str]:
        """The tops of Input layers."""
        return list(self._net.plan.inputs)

    @property
    def outputs(self) -> list[str]:
        """The tops that nobody reads, in alphabetical order."""
        return list(self._net.outputs)

    # Passes

    def forward(
        self, blobs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **inputs: Any
    ) -> Arrays:
        """Runs layers `start` to `end` (inclusive). The outputs' arrays (with `end` its tops'), and those of `blobs`.

        `inputs`: a value for each of the net's inputs, broadcast into its blob.
        """
        last = self._index(end, len(self._steps) - 1)
        wanted = [*(self.outputs if end is None else self.top_names[end]), *(blobs or [])]
        if inputs:
            self._fill(inputs, self.inputs, "Input blob arguments do not match net inputs.", "Input is not batch sized")
            for name, value in inputs.items():
                self.blobs[name].data[...] = value
        self._forward(self._index(start, 0), last)
        return {name: self._blob(name).data for name in wanted}

    def backward(
        self, diffs: Sequence[str] | None = None, start: str | None = None, end: str | None = None, **top_diffs: Any
    ) -> Arrays:
        """Back-propagates from `start` to `end` (inclusive). The inputs' diffs (with `end` its bottoms'), and `diffs`'.

        `top_diffs`: a value for each of the net's outputs; without them the diffs that stand in the blobs count.
        """
        first = self._index(start, len(self._steps) - 1)
        wanted = [*(self.inputs if end is None else self.bottom_names[end]), *(diffs or [])]
        if top_diffs:
            sentence = "Top diff arguments do not match net outputs."
            self._fill(top_diffs, self.outputs, sentence, "Diff is not batch sized")
            for name, value in top_diffs.items():
                self.blobs[name].diff[...] = value
        self._backward(first, self._index(end, 0))
        return {name: self._blob(name).diff for name in wanted}

    def _forward(self, start: int, end: int) -> float:
        """The loss of the layers from `start` to `end`."""
        with own_errors():
            loss = float(self._view.forward(start=start, end=end))
        self._show_params()
        return loss

    def _backward(self, start: int, end: int) -> None:
        with own_errors():
            self._view.backward(start=start, end=end)
        self._show_params()

    def _fill(self, given: Mapping[str, Any], names: Sequence[str], mismatch: str, wrong_size: str) -> None:
        """Exception, as pycaffe's, unless there is a value of the right batch size for every name."""
        if set(given) != set(names):
            raise Exception(f"{mismatch} Given {sorted(given)}; wanted {sorted(names)}")
        for name, value in given.items():
            size, here = np.shape(value)[:1], self.blobs[name].shape[:1]
            if size != here:
                raise Exception(
                    f"{wrong_size}: '{name}' has {list(np.shape(value))} for {list(self.blobs[name].shape)}"
                )

    def _index(self, layer: str | None, default: int) -> int:
        if layer is None:
            return default
        if layer not in self._layer_names:
            raise ValueError(f"net '{self.name}' has no layer '{layer}'{_hint(layer, self._layer_names)}")
        return self._layer_names.index(layer)

    def _blob(self, name: str) -> Blob:
        if name not in self.blobs:
            raise KeyError(f"net '{self.name}' has no blob '{name}'{_hint(name, self._blob_names)}")
        return self.blobs[name]

    def forward_all(self, blobs: Any = None, **inputs: Any) -> Arrays:
        """`forward` over any number of samples, batch by batch; the arrays hold all of them."""
        return batches.forward_all(self, blobs, inputs)

    def forward_backward_all(
        self, blobs: Sequence[str] | None = None, diffs: Sequence[str] | None = None, **given: Any
    ) -> tuple[Arrays, Arrays]:
        """`forward` and `backward` over any number of samples; `given`: inputs and output diffs."""
        return batches.forward_backward_all(self, blobs, diffs, given)

    def reshape(self) -> None:
        """Gives every blob the shape that follows from the inputs'. LayerError where a layer refuses them."""
        with own_errors():
            self._view.reshape()

    def clear_param_diffs(self) -> None:
        """Zeroes the parameters' diffs, which backward passes add to."""
        self._view.clear_param_diffs()

    # Weights

    def copy_from(self, file: str | Path) -> None:
        """Takes the weights of the layers of equal name from a .caffemodel or .caffemodel.h5."""
        load_weights(self._net, existing(file))
        self._view.weights_changed()

    load_hdf5 = copy_from

    def share_with(self, other: Net) -> None:
        """Uses the parameters of the layers of equal name in `other`; diffs stay apart."""
        self._view.share_with(other._view)
        self._show_params()

    def save(self, file: str | Path) -> None:
        """Writes a .caffemodel."""
        self._view.upload()
        save_weights(self._net, file)

    def save_hdf5(self, file: str | Path) -> None:
        """Writes a .caffemodel.h5."""
        self._view.upload()
        with whole_file(Path(file)) as temporary:
            temporary.write_bytes(to_hdf5(self._net))

    # Data, and who looks on

    def set_input_arrays(self, data: np.ndarray, labels: np.ndarray) -> None:
        """What the net's MemoryData layer, its first, reads: float32, C-contiguous, (n, C, H, W) and n labels."""
        step = self._steps[0]
        if not issubclass(step.kind, MemoryData):
            raise RuntimeError("set_input_arrays may only be called if the first layer is a MemoryDataLayer")
        settings = step.node.param.memory_data_param
        labels = labels.reshape(-1, 1, 1, 1) if labels.ndim == 1 else labels
        batches.require_array(data, "data", (settings.channels, settings.height, settings.width))
        batches.require_array(labels, "labels", (1, 1, 1))
        if len(data) != len(labels):
            raise RuntimeError("data and labels must have the same first dimension")
        if not len(data) or len(data) % settings.batch_size:
            raise RuntimeError("first dimensions of input arrays must be a multiple of batch size")
        self._sources.set_arrays(step, data, labels)

    def before_forward(self, callback: Watcher) -> None:
        """`callback(i)` is called before layer i of every forward pass."""
        self._view.watchers.before_forward.append(callback)

    def after_forward(self, callback: Watcher) -> None:
        """`callback(i)` is called after layer i of every forward pass."""
        self._view.watchers.after_forward.append(callback)

    def before_backward(self, callback: Watcher) -> None:
        """`callback(i)` is called before layer i of every backward pass."""
        self._view.watchers.before_backward.append(callback)

    def after_backward(self, callback: Watcher) -> None:
        """`callback(i)` is called after layer i of every backward pass."""
        self._view.watchers.after_backward.append(callback)

    def __repr__(self) -> str:
        return f"<caffe.Net '{self.name}': {len(self._steps)} layers>"


def _shown(name: str) -> str:
    """A blob's name as Caffe has it: a loss without a top makes "(automatic)"."""
    return "(automatic)" if name.startswith("(automatic ") else name


def _writer(view: Layerwise, index: int, step: Step) -> Watcher:
    """Writes the bottoms of an HDF5Output layer after each of its passes."""
    with writes_elsewhere(True):  # a script runs anyway, and writes where it says
        outputs = Outputs([step.node.param])
    blobs = {name: view.blobs[name] for name in step.bottoms}

    def write(layer: int) -> None:
        if layer == index:
            outputs.write({name: blob.data for name, blob in blobs.items()})

    return write


def _hint(name: str, names: Sequence[str]) -> str:
    near = closest(name, names)
    return f"; did you mean '{near}'?" if near else ""
