"""Caffe's two HDF5 files, as bytes and back: `.caffemodel.h5` and `.solverstate.h5`.

    model:  /data/<layer name>/<blob index>   float32; a group for every layer; shared blobs stand at their owner only
    state:  /iter, /current_step              int32 of shape (1,)
            /learned_net                      a string of fixed length
            /history/<index>                  float32

Equal values give equal bytes, in the oldest form of the format, which every HDF5 reads. Links and data that lie outside
of the file are refused: they could reach any file. `/diff` (Caffe's snapshot_diff) is passed over.
Source: Caffe's net.cpp (ToHDF5, CopyTrainedLayersFromHDF5), sgd_solver.cpp and util/hdf5.cpp.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..bounds import require_room, require_stored
from ..errors import SnapshotError, first_line
from ..inplace import HDF5_START, start_of, unread
from ..proto.schema import SolverState
from .blobs import StoredBlob, blob_of

_LIBVER = ("earliest", "v108")
LONGEST_NAME = 2**16
_MODEL, _STATE = "a .caffemodel.h5", "a .solverstate.h5"


def is_hdf5(path: Path) -> bool:
    """Whether an existing file begins as HDF5 does; its name does not matter."""
    try:
        return path.is_file() and start_of(path) == HDF5_START  # who reads another says what is wrong
    except OSError as error:
        raise SnapshotError(f"{path}: {error.strerror or error}") from None


def unsavable(names: Iterable[str]) -> Iterator[str]:
    """Why layers of these names cannot be kept in one HDF5 file, a sentence for each name."""
    for name, count in Counter(names).items():
        if count > 1:
            yield f"{count} layers are named '{name}', which HDF5 cannot hold"
        elif name in ("", ".") or "/" in name or "\0" in name:
            yield f"the layer name '{name}' is none in HDF5, where '/' separates names and '.' and '' have meanings"


def model_bytes(
    layers: Sequence[tuple[str, Mapping[int, np.ndarray]]], diffs: Mapping[str, Mapping[int, np.ndarray]] | None = None
) -> bytes:
    """The bytes of a .caffemodel.h5: each layer's name, and its own blobs by their index; `diffs` stand in /diff."""
    for sentence in unsavable(name for name, _ in layers):
        raise SnapshotError(sentence)
    with _new() as (buffer, file):
        _put_layers(file.create_group("data"), layers)
        if diffs is not None:
            _put_layers(file.create_group("diff"), [(name, diffs[name]) for name, _ in layers])
    return buffer.getvalue()


def _put_layers(into: Any, layers: Sequence[tuple[str, Mapping[int, np.ndarray]]]) -> None:
    for name, blobs in layers:
        group = into.create_group(name)
        for index, values in blobs.items():
            _put(group, str(index), values, "<f4")


def state_bytes(iteration: int, learned_net: str, current_step: int, history: Iterable[np.ndarray]) -> bytes:
    """The bytes of a .solverstate.h5."""
    with _new() as (buffer, file):
        _put(file, "iter", np.array([iteration]), "<i4")
        _put_text(file, "learned_net", os.fsencode(learned_net))
        _put(file, "current_step", np.array([current_step]), "<i4")
        group = file.create_group("history")
        for index, values in enumerate(history):
            _put(group, str(index), values, "<f4")
    return buffer.getvalue()


def read_model(path: Path) -> dict[str, dict[int, StoredBlob]]:
    """The blobs of a .caffemodel.h5: layer name → index → shape, and values once they are asked for."""
    with _opened(path, _MODEL) as file:
        if "data" not in file:
            raise SnapshotError(f"{path}: {_other_kind(file)}, not {_MODEL}: it holds no group /data")
        data = _group(file, "data", path)
        return {name: _kept(_group(data, name, path), path) for name in data}


def read_state(path: Path) -> Any:
    """The SolverState in a .solverstate.h5."""
    with _opened(path, _STATE) as file:
        missing = [name for name in ("iter", "history") if name not in file]
        if missing:
            raise SnapshotError(f"{path}: {_other_kind(file)}, not {_STATE}: it holds no /{missing[0]}")
        group = _group(file, "history", path)
        history = _numbered(group, path)
        if history != list(range(len(history))):
            raise SnapshotError(f"{path}: /history holds {len(history)} blobs, but not those from 0 on")
        items = [_dataset(group, str(index), path) for index in history]
        require_room(2 * sum(item.size * max(4, item.dtype.itemsize) for item in items), path.stat().st_size)
        state = SolverState(iter=_integer(file, "iter", path), learned_net=_text(file, "learned_net", path))
        state.current_step = _integer(file, "current_step", path) if "current_step" in file else 0
        state.history.extend(blob_of(_floats(item)) for item in items)
        return state


# Writing


@contextmanager
def _new() -> Iterator[tuple[io.BytesIO, Any]]:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=_LIBVER, track_order=False) as file:
        yield buffer, file


def _put(group: Any, name: str, values: np.ndarray, dtype: str) -> None:
    group.create_dataset(name, data=np.ascontiguousarray(values, dtype=dtype).reshape(values.shape), track_times=False)


def _put_text(group: Any, name: str, text: bytes) -> None:
    """A string as C has it: of fixed length, and a 0 at its end."""
    from h5py import h5d, h5p, h5s, h5t

    kind = h5t.C_S1.copy()
    kind.set_size(len(text) + 1)
    kind.set_strpad(h5t.STR_NULLTERM)
    options = h5p.create(h5p.DATASET_CREATE)
    options.set_obj_track_times(False)
    dataset = h5d.create(group.id, name.encode(), kind, h5s.create(h5s.SCALAR), dcpl=options)
    dataset.write(h5s.ALL, h5s.ALL, np.array(text, dtype=f"S{len(text) + 1}"), mtype=kind)


# Reading


@contextmanager
def _opened(path: Path, kind: str) -> Iterator[Any]:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and error.strerror and not path.is_file():
            raise SnapshotError(f"{path}: {os.strerror(error.errno or 2)}") from None
        sentence = f"{path}: not a readable {kind.removeprefix('a ')} ({first_line(error)})"
        raise SnapshotError(unread(path, error, sentence)) from None


def _other_kind(file: Any) -> str:
    if "history" in file and "iter" in file:
        return f"this is {_STATE}; it belongs to --snapshot"
    return "this is a .caffemodel.h5; it belongs to --weights" if "data" in file else "this is another HDF5 file"


def _member(group: Any, name: str, kind: str, path: Path) -> Any:
    """What stands in the group under a name: a group or a dataset of the file itself."""
    import h5py

    where = f"{path}: {group.name.rstrip('/')}/{name}"
    if name not in group or not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise SnapshotError(f"{where} is {'a link' if group.get(name, getlink=True) else 'missing'}, not a {kind}")
    item = group[name]
    if not isinstance(item, h5py.Group if kind == "group" else h5py.Dataset):
        raise SnapshotError(f"{where} is no {kind}")
    if kind == "dataset" and (item.is_virtual or item.external):
        raise SnapshotError(f"{where}: its values lie in another file")
    return item


def _group(parent: Any, name: str, path: Path) -> Any:
    return _member(parent, name, "group", path)


def _dataset(group: Any, name: str, path: Path) -> Any:
    """A dataset of numbers that are in the file."""
    item = _member(group, name, "dataset", path)
    if item.shape is None or item.dtype.kind not in "fiu":
        raise SnapshotError(f"{path}: {item.name} holds no numbers")
    try:
        require_stored(item)
    except ValueError as error:
        raise SnapshotError(f"{path}: {item.name} {error}") from None
    return item


def _floats(item: Any) -> np.ndarray:
    """The values of a dataset as float32, a double beyond it as inf."""
    values = np.empty(item.shape, np.float32)
    if values.size:
        item.read_direct(values)  # HDF5 converts them on the way
    return values


def _numbered(group: Any, path: Path) -> list[int]:
    """The numbers that the datasets of a group have for names."""
    for name in group:
        if not (name.isascii() and name.isdigit() and str(int(name)) == name):
            raise SnapshotError(f"{path}: {group.name} holds '{name}', but blobs are numbered from 0")
    return sorted(map(int, group))


def _kept(group: Any, path: Path) -> dict[int, StoredBlob]:
    """The datasets of a group, by number."""
    return {
        number: StoredBlob(item.shape, partial(_read, path, item.name), item.dtype.itemsize)
        for number in _numbered(group, path)
        for item in [_dataset(group, str(number), path)]
    }


def _read(path: Path, name: str) -> np.ndarray:
    with _opened(path, _MODEL) as file:
        values: np.ndarray = file[name][()]
        return values


def _integer(file: Any, name: str, path: Path) -> int:
    item = _dataset(file, name, path)
    if item.size != 1 or item.dtype.kind == "f":
        raise SnapshotError(f"{path}: /{name} is not one whole number")
    return int(np.asarray(item[()]).reshape(()))


def _text(file: Any, name: str, path: Path) -> str:
    if name not in file:
        return ""
    item = _member(file, name, "dataset", path)
    if item.dtype.kind != "S" or item.shape != () or item.dtype.itemsize > LONGEST_NAME:
        raise SnapshotError(f"{path}: /{name} is no text")  # one of any length could lead anywhere in a hostile file
    return bytes(item[()]).decode(errors="replace")
