"""Any number of samples through a net of a fixed batch size: the last batch is filled up with zeros, then cut off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Protocol

import numpy as np

Arrays = dict[str, Any]  # of numpy arrays, by blob


class Batched(Protocol):
    """What is asked of a net here: `pycaffe.Net`."""

    @property
    def inputs(self) -> Sequence[str]: ...

    @property
    def outputs(self) -> Sequence[str]: ...

    @property
    def blobs(self) -> Mapping[str, Any]: ...

    def forward(self, blobs: Sequence[str] | None = None, **given: Any) -> Arrays: ...

    def backward(self, diffs: Sequence[str] | None = None, **given: Any) -> Arrays: ...


def forward_all(net: Batched, blobs: Sequence[str] | None, inputs: Mapping[str, Any]) -> Arrays:
    """See `Net.forward_all`."""
    given = _arrays(inputs)
    parts: dict[str, list[np.ndarray]] = {name: [] for name in (*net.outputs, *(blobs or []))}
    for batch in _batches(net, given):
        _collect(parts, net.forward(blobs=blobs, **batch))
    return _joined(parts, _samples(given))


def forward_backward_all(
    net: Batched, blobs: Sequence[str] | None, diffs: Sequence[str] | None, given: Mapping[str, Any]
) -> tuple[Arrays, Arrays]:
    """See `Net.forward_backward_all`."""
    arrays = _arrays(given)
    unknown = sorted(set(arrays) - set(net.inputs) - set(net.outputs))
    if unknown:
        raise Exception(f"{', '.join(unknown)}: neither an input nor an output of the net")
    outs: dict[str, list[np.ndarray]] = {name: [] for name in (*net.outputs, *(blobs or []))}
    grads: dict[str, list[np.ndarray]] = {name: [] for name in (*net.inputs, *(diffs or []))}
    forward = _batches(net, {name: arrays[name] for name in net.inputs if name in arrays})
    backward = _batches(net, {name: arrays[name] for name in net.outputs if name in arrays})
    empty: Arrays = {}
    for bottoms, tops in zip_longest(forward, backward, fillvalue=empty):
        _collect(outs, net.forward(blobs=blobs, **bottoms))
        _collect(grads, net.backward(diffs=diffs, **tops))
    return _joined(outs, _samples(arrays)), _joined(grads, _samples(arrays))


def _arrays(given: Mapping[str, Any]) -> Arrays:
    if not given:
        raise Exception("no samples are given: name the net's inputs, e.g. data=images")
    return {name: np.asarray(value) for name, value in given.items()}


def _samples(given: Arrays) -> int:
    return len(next(iter(given.values())))


def _batches(net: Batched, given: Arrays) -> Iterator[Arrays]:
    """Slices of the net's batch size; the last one filled up."""
    if not given:
        return
    size = next(iter(net.blobs.values())).shape[0]
    for begin in range(0, _samples(given), size):
        batch = {name: values[begin : begin + size] for name, values in given.items()}
        lacking = size - _samples(batch)
        yield {name: np.concatenate([v, np.zeros((lacking, *v.shape[1:]), v.dtype)]) for name, v in batch.items()}


def _collect(parts: dict[str, list[np.ndarray]], arrays: Arrays) -> None:
    for name, values in arrays.items():
        parts[name].extend(np.atleast_1d(values).copy())


def _joined(parts: Mapping[str, list[np.ndarray]], samples: int) -> Arrays:
    """All rows of each blob; what has a row for each sample loses those that filled up the last batch.

    A loss has one value per batch and keeps them all (pycaffe cuts those, too, and may leave none).
    """
    joined = {name: np.asarray(rows) for name, rows in parts.items()}
    most = max(map(len, joined.values()), default=0)
    return {name: rows[:samples] if len(rows) == most else rows for name, rows in joined.items()}


def require_array(array: np.ndarray, name: str, row: tuple[int, int, int]) -> None:
    """RuntimeError with pycaffe's words unless a MemoryData layer could point at it: float32, C order, (n, *row)."""
    wrong = (
        "must be C contiguous" if not array.flags.c_contiguous
        else "must be 4-d" if array.ndim != 4
        else "must be float32" if array.dtype != np.float32
        else "has wrong number of channels" if array.shape[1] != row[0]
        else "has wrong height" if array.shape[2] != row[1]
        else "has wrong width" if array.shape[3] != row[2]
        else ""
    )  # fmt: skip
    if wrong:
        raise RuntimeError(f"{name} array {wrong}; it is {array.dtype} {list(array.shape)}, wanted (n, {row})")
