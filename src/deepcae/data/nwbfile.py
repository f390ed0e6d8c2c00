"""NWB files (neurophysiology, HDF5): the images of an ImageSeries, TwoPhotonSeries, …, one row a frame.

    acquisition/TwoPhotonSeries/data (t, y, x)      →   t rows (1, y, x)
    acquisition/TwoPhotonSeries/data (t, y, x, z)   →   t·z rows: each plane is one

NWB's text calls the axes of a frame x, y; most programs write rows of pixels first, and so they are read. Links are not
followed. Source: NWB schema 2, nwb.image.yaml and nwb.ophys.yaml.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ..errors import DataError
from ..inplace import HDF5_START
from .h5file import H5Arrays, opened
from .named import Named
from .stored import Format, Stored

_SERIES = ("ImageSeries", "TwoPhotonSeries", "OnePhotonSeries", "OpticalSeries", "ImageMaskSeries")
_PLACES = ("acquisition", "stimulus", "processing", "scratch")
_COLOURS = 3
_MOST = 1000


class NwbArrays(Mapping[str, Stored]):
    """The series of images by name, `acquisition/TwoPhotonSeries`; one that is alone is `data`, too."""

    def __init__(self, path: Path) -> None:
        self._path, self._plain = path, H5Arrays(path)
        self._series: dict[str, str] = {}  # type by name
        outside: list[str] = []
        with opened(path) as file:
            for name, kind, shape in _found(file):
                if shape is not None:
                    self._series[name] = kind
                else:
                    outside.append(name)
        if not self._series:
            why = f"; the frames of {outside[0]} are in other files: give these" if outside else ""
            raise DataError(f"{path}: holds no images of an acquisition (ImageSeries, TwoPhotonSeries, ...){why}")

    def listing(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all series, by name."""
        return {name: self[name].shape for name in self._series}

    def plain(self, name: str) -> Stored:
        """The frames of a series as they are stored, whatever their axes are called; or any dataset."""
        name = self._called(name)
        return self._plain[f"{name}/data" if name in self._series else name]

    def _called(self, name: str) -> str:
        return next(iter(self._series)) if name == "data" and len(self._series) == 1 else name.strip("/")

    def __getitem__(self, name: str) -> Stored:
        name, array = self._called(name), self.plain(name)
        if name not in self._series:
            return array
        kind = self._series[name]
        axes, notes = _axes_of(array.shape, kind, f"{self._path}: {name}")
        found = Named(
            f"{self._path}: {name}", axes, array.shape, array.dtype, array.part,
            chunks=array.chunks, packed=array.packed, notes=notes, held=array,
        )  # fmt: skip
        frames = array.shape[0]
        with opened(self._path) as file:
            seconds = _seconds(file[name], frames)
        if seconds is not None and found.told is not None:
            found.told = replace(found.told, seconds=np.repeat(seconds, found.shape[0] // frames))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([*(["data"] if len(self._series) == 1 else []), *self._series])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _found(file: h5py.File) -> Iterator[tuple[str, str, tuple[int, ...] | None]]:
    """The name, type and shape of each series; without a shape where its frames lie in other files."""
    count = 0
    waiting = [place for place in _PLACES if _hard(file, place)]
    while waiting and count < _MOST:
        name = waiting.pop(0)
        item: Any = file[name]
        if not isinstance(item, h5py.Group):
            continue
        count += 1
        kind = item.attrs.get("neurodata_type", "")
        kind = kind.decode(errors="replace") if isinstance(kind, bytes) else str(kind)
        if kind in _SERIES:
            data = item["data"] if _hard(item, "data") else None
            whole = isinstance(data, h5py.Dataset) and data.ndim >= 3 and data.shape[0] > 0
            yield name, kind, data.shape if whole else None  # type: ignore[union-attr]
        else:
            waiting += [f"{name}/{each}" for each in item if _hard(item, each)]


def _seconds(series: h5py.Group, count: int) -> np.ndarray | None:
    """The time of each frame: its timestamps, or start + number / rate. None where neither is told, or is no number."""
    if _hard(series, "timestamps"):
        times = series["timestamps"]
        plain = isinstance(times, h5py.Dataset) and times.shape == (count,) and times.dtype.kind in "fiu"
        return np.asarray(times, np.float64) if plain and not (times.external or times.is_virtual) else None
    start = series["starting_time"] if _hard(series, "starting_time") else None
    if not isinstance(start, h5py.Dataset) or start.shape or start.dtype.kind not in "fiu" or "rate" not in start.attrs:
        return None
    rate = np.asarray(start.attrs["rate"])
    if rate.dtype.kind not in "fiu" or rate.size != 1 or not 0 < rate.item() < np.inf:
        return None
    return float(start[()]) + np.arange(count) / rate.item()


def _hard(group: h5py.Group, name: str) -> bool:
    return isinstance(group.get(name, getlink=True), h5py.HardLink)


def _axes_of(shape: tuple[int, ...], kind: str, origin: str) -> tuple[str, list[str]]:
    notes = ["frames are taken to be height x width (NWB's text has x, y)"] if shape[1] != shape[2] else []
    if len(shape) == 3:
        return "tyx", notes
    if len(shape) != 4:
        raise DataError(f"{origin}: its frames have shape {list(shape[1:])}; needs (t, y, x) or (t, y, x, z)")
    if kind == "ImageSeries" and shape[3] == _COLOURS:
        return "tyxc", [*notes, "the last axis, of 3, is taken for colours"]
    return "tyxz", notes


def _is_nwb(path: Path, head: bytes) -> bool:
    return head == HDF5_START and path.suffix.lower() == ".nwb"


FORMAT = Format("NWB", _is_nwb, NwbArrays, of_pictures=False)
