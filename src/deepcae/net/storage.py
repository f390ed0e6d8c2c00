"""Blobs with memory of their own, as Caffe keeps them: it stays where it is while the shape does not outgrow it.

What shares a `Memory` shares its values, whatever the shapes: an in-place top and its bottom, a Split's outputs, a
Reshape's or Flatten's two sides, parameters of one name. On the CPU `Memory.array` is a numpy view of it; on a GPU it
is a copy on the host, which `upload` and `download` keep equal around each pass (Caffe's SyncedMemory).
Source: Caffe's blob.cpp and syncedmem.cpp.
"""

from __future__ import annotations

import math
import weakref
from dataclasses import dataclass

import numpy as np
import torch

from ..layers.base import Shape


def is_host(device: torch.device) -> bool:
    """Whether numpy sees this device's memory itself."""
    return device.type == "cpu"


@dataclass(frozen=True)
class Look:
    """A memory at some time: how often it was written and handed out; the values, where an array could change them."""

    writes: int
    handed_out: int
    copy: torch.Tensor | None


class Memory:
    """A run of float32 values that grows when more are asked for: then it begins anew with zeros, as in Caffe."""

    def __init__(self, values: torch.Tensor) -> None:
        """`values`: of one axis; not copied."""
        self.values = values
        self.writes = 0  # of passes and updates; what is written through an array, nobody counts
        self._host: np.ndarray | None = None  # handed out, where the values are not on the CPU
        self._arrays: list[weakref.ref[np.ndarray]] = []  # those of them that may still be written
        self._handed_out = 0
        self._watched = False  # whether arrays are taken between a look and the next

    def reserve(self, count: int) -> None:
        """Makes room for `count` values."""
        if self.values.numel() < count:
            self.values = torch.zeros(count, dtype=torch.float32, device=self.values.device)
            self._host = None

    def tensor(self, shape: Shape) -> torch.Tensor:
        """The first values in this shape, unseen by autograd: a write counts wherever the values are used."""
        return self.values.data[: math.prod(shape)].view(shape)

    def array(self, shape: Shape) -> np.ndarray:
        """The same for numpy; what is written into it counts from the next pass on."""
        self._handed_out += 1
        if is_host(self.values.device):
            view: np.ndarray = self.tensor(shape).numpy()
            self._arrays = [*filter(lambda array: array() is not None, self._arrays), weakref.ref(view)]
            return view
        if self._host is None:
            self._host = self.values.detach().cpu().numpy().copy()
        return self._host[: math.prod(shape)].reshape(shape)

    def look(self, shape: Shape) -> Look:
        """What tells later whether these values are still there."""
        writable = self._host is not None or any(array() is not None for array in self._arrays)
        copy = self.tensor(shape).clone() if writable or self._watched else None
        return Look(self.writes, self._handed_out, copy)

    def changed(self, before: Look, shape: Shape) -> bool:
        """Whether other values may stand there than at that look."""
        if self.writes != before.writes:
            return True
        if before.copy is None:
            self._watched = self._watched or self._handed_out != before.handed_out
            return self._handed_out != before.handed_out
        return before.copy.shape != shape or not torch.equal(before.copy, self.tensor(shape))

    def upload(self) -> None:
        """What was written into the host's copy, to the device."""
        if self._host is not None:
            self.values.data.copy_(torch.from_numpy(self._host))

    def download(self) -> None:
        """What was computed on the device, into the host's copy."""
        if self._host is not None:
            torch.from_numpy(self._host).copy_(self.values.data)


class Blob:
    """A shape over two memories: `data` and `diff`."""

    def __init__(self, shape: Shape, data: Memory, diff: Memory) -> None:
        self.data_memory, self.diff_memory = data, diff
        self.reshape(shape)

    @classmethod
    def new(cls, shape: Shape, device: torch.device) -> Blob:
        """One of zeros, with memories of its own."""
        return cls(shape, _empty(device), _empty(device))

    def reshape(self, shape: Shape) -> None:
        """Another shape over the same memory, which grows if it must."""
        count = math.prod(shape)
        self.data_memory.reserve(count)
        self.diff_memory.reserve(count)
        self.shape = tuple(shape)  # which stays where there is no room

    @property
    def data(self) -> torch.Tensor:
        return self.data_memory.tensor(self.shape)

    @property
    def diff(self) -> torch.Tensor:
        return self.diff_memory.tensor(self.shape)


def _empty(device: torch.device) -> Memory:
    return Memory(torch.zeros(0, dtype=torch.float32, device=device))
