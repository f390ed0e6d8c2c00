"""An ONNX model beside the net that it was made of: the same inputs through onnxruntime and through deepcae."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import onnxruntime

from ..net.net import Net
from .model import OnnxModel

TOLERANCE = 1e-5
Arrays = Mapping[str, np.ndarray]


@dataclass
class Difference:
    """How far one output is off for one set of inputs. Relative: the largest difference over the largest value."""

    output: str
    inputs: str  # "random", "data"
    batch: int
    absolute: float
    relative: float

    @property
    def too_large(self) -> bool:
        return not self.relative <= TOLERANCE  # NaN is too large

    def __str__(self) -> str:
        return f"'{self.output}' differs by {self.absolute:.2g} ({self.inputs} inputs, relative {self.relative:.2g})"


def runtime() -> str:
    """What runs the model, with its version."""
    return f"onnxruntime {onnxruntime.__version__}"


def session(model: OnnxModel, threads: int = 1) -> onnxruntime.InferenceSession:
    """The model, ready to run on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3  # errors only: they come as exceptions
    return onnxruntime.InferenceSession(model.to_bytes(), options, providers=["CPUExecutionProvider"])


def run(running: onnxruntime.InferenceSession, model: OnnxModel, inputs: Arrays) -> dict[str, np.ndarray]:
    """The model's outputs, by blob."""
    fed = {name: np.asarray(inputs[name], np.float32) for name in model.inputs}
    return dict(zip(model.outputs, running.run(list(model.outputs.values()), fed), strict=True))


def random_inputs(net: Net, model: OnnxModel, batch: int | None, seed: int = 0) -> dict[str, np.ndarray]:
    """Uniform numbers in [0, 1) for the net's own inputs (a label is then 0); blobs inside of it as it computes them.

    `batch`: how many samples, where that is free; None: as many as the text says.
    """
    generator = np.random.default_rng(seed)
    sizes = {name: tuple(net.plan.shapes[name] or ()) for name in net.inputs}
    lead = next((sizes[name][:1] for name in model.inputs if name in sizes and None in model.inputs[name]), None)
    lead = lead or next((found[:1] for found in sizes.values()), ())
    arrays = {}
    for name, found in sizes.items():
        resized = (batch, *found[1:]) if batch is not None and found[:1] == lead else found
        arrays[name] = generator.random(resized, dtype=np.float32)
    inner = [name for name in model.inputs if name not in sizes]
    if inner:
        arrays.update((name, blob.cpu().numpy()) for name, blob in net(arrays, want=inner).items())
    return {name: arrays[name] for name in model.inputs}


def compare(net: Net, model: OnnxModel, inputs: Iterable[tuple[str, Arrays]]) -> list[Difference]:
    """The differences of every output for each (description, inputs)."""
    running = session(model)
    found = []
    for what, arrays in inputs:
        ours = net(arrays, want=list(model.outputs))
        theirs = run(running, model, arrays)
        batch = next((len(array) for array in arrays.values() if array.ndim), 1)
        for name, values in theirs.items():
            absolute, relative = _distance(values, ours[name].cpu().numpy())
            found.append(Difference(name, what, batch, absolute, relative))
    return found


def _distance(values: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """The largest absolute difference, alone and over the largest expected value. Equal places are 0, NaN too."""
    if values.shape != expected.shape:
        return float("nan"), float("nan")
    same = (values == expected) | (np.isnan(values) & np.isnan(expected))
    with np.errstate(invalid="ignore"):
        gaps = np.where(same, 0, np.abs(values.astype(np.float64) - expected.astype(np.float64)))
    largest = np.abs(expected[np.isfinite(expected)]).max(initial=0.0)
    absolute = float(gaps.max(initial=0.0))
    return absolute, absolute / float(largest) if largest else absolute
