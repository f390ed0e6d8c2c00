"""Weights for today's programs, as bytes and back: .safetensors, and a PyTorch state dict (.pt).

    safetensors   "<layer>/<index>"  float32 in the blob's shape; a shared blob with its owner only
                  metadata: format "deepcae", version "1", name and net (the network's text)
    state dict    "<layer>.<role>"   the role tells the index: weight, bias; sum_mean, sum_var, factor of a BatchNorm;
                  a shared blob under each of its names, as one tensor (with its owner only, where a sharer sees
                  it in another shape)

Both are read from any hand: neither can run code (`weights_only`), and what does not fit is refused. safetensors checks
its own header; a state dict's tensor may be a view that repeats few values without end, which is refused.
"""

from __future__ import annotations

import io
import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import SnapshotError, first_line
from ..inplace import open_to_read, unread, why_no_file
from ..layers import Layer
from ..lazy import torch
from .blobs import StoredBlob

if TYPE_CHECKING:
    from torch import Tensor

Layers = Sequence[tuple[str, Mapping[int, np.ndarray]]]
_NUMPY = ("torch.float32", "torch.float64", "torch.float16", "torch.uint8", "torch.int8", "torch.int32", "torch.int64")
_ZIP = b"PK\x03\x04"
_MOST_HEADER = 100_000_000  # the limit of the safetensors library


def roles(kind: str, count: int) -> tuple[str, ...]:
    """What the learned blobs of a layer type are called in a state dict."""
    named = Layer.registry.get(kind, Layer).learned_names
    return (*named, *(f"blob{index}" for index in range(len(named), count)))[:count]


def _head(path: Path) -> bytes:
    try:
        if not path.is_file():
            return b""  # who reads it says what is wrong
        with open_to_read(path) as file:
            return file.read(9)
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror or error}") from None


def is_safetensors(path: Path) -> bool:
    """Whether an existing file begins as safetensors do: eight bytes with the header's size, then the header's `{`."""
    head = _head(path)
    return head[8:] == b"{" and 2 <= int.from_bytes(head[:8], "little") <= _MOST_HEADER


def is_state_dict(path: Path) -> bool:
    """Whether an existing file begins as those of torch.save do (a zip archive)."""
    return _head(path).startswith(_ZIP)


# safetensors


def safetensors_bytes(layers: Layers, about: Mapping[str, str]) -> bytes:
    """The bytes of a .safetensors: each layer's name, and its own blobs by their index."""
    from safetensors.numpy import save

    _refuse_repeated(name for name, blobs in layers if blobs)
    values = {
        f"{name}/{index}": array.astype("<f4", order="C") for name, blobs in layers for index, array in blobs.items()
    }
    return bytes(save(values, {"format": "deepcae", "version": "1", **about}))


def read_safetensors(path: Path) -> dict[str, dict[int, StoredBlob]]:
    """The blobs of a .safetensors: layer name → index → shape, and values once they are asked for.

    SnapshotError for one that is damaged or not ours.
    """
    found: dict[str, dict[int, StoredBlob]] = {}
    with _opened(path) as file:
        for key in file.keys():  # noqa: SIM118 - it is no mapping
            name, _, index = key.rpartition("/")
            if not (name and index.isascii() and index.isdigit() and str(int(index)) == index):
                raise SnapshotError(f"{path}: tensor '{key}' is not named '<layer>/<index of the blob>'")
            shape = tuple(file.get_slice(key).get_shape())
            found.setdefault(name, {})[int(index)] = StoredBlob(shape, partial(_read_tensor, path, key))
    return found


def _read_tensor(path: Path, key: str) -> np.ndarray:
    with _opened(path) as file:
        return _values(file.get_tensor(key), f"{path}: tensor '{key}'")


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(os.fspath(path), framework="pt") as file:
            yield file
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError, KeyError) as error:
        sentence = f"{path}: not a readable .safetensors ({_reason(path, error)})"
        raise SnapshotError(unread(path, error, sentence)) from None


def _reason(path: Path, error: Exception) -> str:
    """The library calls every file that cannot be opened missing."""
    is_there = isinstance(error, FileNotFoundError) and path.is_file()
    return "it cannot be opened" if is_there else why_no_file(path) or first_line(error)


# PyTorch's state dict


def state_dict_bytes(state: Mapping[str, Tensor]) -> bytes:
    """The bytes of a .pt that `torch.load(..., weights_only=True)` reads."""
    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    return buffer.getvalue()


def read_state_dict(path: Path, kinds: Mapping[str, str]) -> dict[str, dict[int, StoredBlob]]:
    """The blobs of a .pt: layer name → index → shape, and values once they are asked for.

    `kinds` are the layer types that tell which role is which index.
    Entries of a layer that is not in `kinds` are counted from 0. SnapshotError for a role that the layer does not have.
    """
    found: dict[str, dict[int, StoredBlob]] = {}
    for key, tensor in _load(path).items():
        name, _, role = str(key).rpartition(".")
        if not isinstance(tensor, torch.Tensor) or not name:
            raise SnapshotError(f"{path}: entry '{key}' is not a tensor named '<layer>.<weight, bias, …>'")
        blobs = found.setdefault(name, {})
        index = len(blobs)
        if name in kinds:
            known = roles(kinds[name], 8)
            if role not in known:
                wanted = ", ".join(Layer.registry.get(kinds[name], Layer).learned_names)
                raise SnapshotError(f"{path}: layer '{name}' ({kinds[name]}) has no '{role}'; it has {wanted}")
            index = known.index(role)
        where = f"{path}: entry '{key}'"
        _require_plain(tensor, where)
        blobs[index] = StoredBlob(tuple(tensor.shape), partial(_values, tensor, where))
    return found


def _load(path: Path) -> Mapping[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:  # torch.save compresses nothing; what is compressed may grow without end
            grown = [entry.filename for entry in archive.infolist() if entry.compress_type != zipfile.ZIP_STORED]
        if grown:
            raise SnapshotError(f"{path}: entry '{grown[0]}' is compressed, which no state dict's is")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, SnapshotError):
        raise
    except Exception as error:  # a damaged archive or a refused pickle: torch raises almost anything
        sentence = f"{path}: not a readable state dict ({first_line(error)})"
        raise SnapshotError(unread(path, error, sentence)) from None
    if not isinstance(state, Mapping):
        raise SnapshotError(f"{path}: holds a {type(state).__name__}, not a state dict of tensors by name")
    return state


def _require_plain(tensor: Tensor, where: str) -> None:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_complex() or tensor.device.type != "cpu":
        raise SnapshotError(f"{where}: is not a plain tensor of numbers")
    if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise SnapshotError(f"{where}: shape {list(tensor.shape)} repeats its few stored values")


def _values(tensor: Tensor, where: str) -> np.ndarray:
    """The values in the type that they are stored in, where numpy has it."""
    _require_plain(tensor, where)
    plain = tensor.detach() if str(tensor.dtype) in _NUMPY else tensor.detach().to(torch.float32)
    values: np.ndarray = plain.contiguous().numpy()
    return values


def _refuse_repeated(names: Iterator[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise SnapshotError(f"{count} layers with weights are named '{name}'; only a .caffemodel can hold both")


def state_dict_of(layers: Sequence[tuple[str, str, Mapping[int, Tensor]]]) -> dict[str, Tensor]:
    """(name, type, tensors by their index) of each layer as one state dict."""
    _refuse_repeated(name for name, _, tensors in layers if tensors)
    return {
        f"{name}.{roles(kind, index + 1)[index]}": tensor
        for name, kind, tensors in layers
        for index, tensor in tensors.items()
    }
