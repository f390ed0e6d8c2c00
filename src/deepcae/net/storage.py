"""Blobs with memory of their own, as Caffe keeps them: it stays where it is while the shape does not outgrow it.

What shares a `Memory` shares its values, whatever the shapes: an in-place top and its bottom, a Split's outputs, a
Reshape's or Flatten's two sides, parameters of one name. On the CPU `Memory.array` is a numpy view of it; on a GPU it
is a copy on the host, which `upload` and `download` keep equal around each pass (Caffe's SyncedMemory).
Source: Caffe's blob.cpp and syncedmem.cpp.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from ..layers.base import Shape


def is_host(device: torch.device) -> bool:
    """Whether numpy sees this device's memory itself."""
    return device.type == "cpu"


class Memory:
    """A run of float32 values that grows when more are asked for: then it begins anew with zeros, as in Caffe."""

    def __init__(self, values: torch.Tensor) -> None:
        """`values`: of one axis; not copied."""
        self.values = values
        self._host: np.ndarray | None = None  # handed out, where the values are not on the CPU

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
        if is_host(self.values.device):
            view: np.ndarray = self.tensor(shape).numpy()
            return view
        if self._host is None:
            self._host = self.values.detach().cpu().numpy().copy()
        return self._host[: math.prod(shape)].reshape(shape)

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
