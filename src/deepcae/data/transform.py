"""Caffe's transformer: y = (x - mean)·scale, after cropping and mirroring (`data_transformer.cpp`).

Crop first (TRAIN: a random place, TEST: the centre); then the mean, of `mean_file` at the same place or `mean_value`
for each channel; then the scale; then the flip from left to right, which `mirror` gives to half of the images in both
phases. deepcae's own `flip` (top and bottom), `turn` (by 180 degrees) and `transpose` (rows become columns) do so, too.
Random choices depend on (seed, the row's position in the stream). Differs from Caffe: it draws from one global stream.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError, SnapshotError
from ..proto.lookup import resolve
from ..proto.schema import TRAIN
from .stream import Shape, aligned, draws

TURNS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirror": lambda image: image[..., ::-1],
    "flip": lambda image: image[..., ::-1, :],
    "turn": lambda image: image[..., ::-1, ::-1],
    "transpose": lambda image: image.swapaxes(-1, -2),
}
"""What is done to half of the images (..., H, W), one after the other: to which, the bits of their first words say."""


@dataclass(frozen=True)
class Transform:
    """Rows (N, C, H, W) → (N, C, crop, crop); without crop and `turns`, of `TURNS`, rows of any shape (N, ...)."""

    scale: float = 1.0
    mean: np.ndarray | None = None  # (C, H, W) for a mean file, else (C, 1, 1) or ()
    crop: int = 0
    turns: tuple[str, ...] = ()
    random_crop: bool = False
    seed: int = 0

    def __call__(self, rows: np.ndarray, position: int) -> np.ndarray:
        """Float32, C order; `position` is the stream's number of the first row."""
        words = draws(self.seed, position, len(rows)) if self.turns or (self.crop and self.random_crop) else None
        if self.crop:
            rows, mean = self._cropped(rows, words)
        else:
            mean = self.mean
        made = aligned(rows.shape)  # by itself alone: each array more is pages that the system has to clear first
        if mean is not None:
            np.subtract(rows, mean, out=made)
        if self.scale != 1:
            np.multiply(rows if mean is None else made, np.float32(self.scale), out=made)
        elif mean is None:
            made[...] = rows
        if words is not None:
            self._turn(made, words[:, 0])
        return made

    def _turn(self, made: np.ndarray, words: np.ndarray) -> None:
        for bit, (name, turned) in enumerate(TURNS.items()):
            if name in self.turns:
                for number in np.flatnonzero(words & np.uint64(1 << bit)).tolist():
                    made[number] = turned(made[number])

    def shape_of(self, row: Shape) -> Shape:
        """What a row of this shape becomes."""
        return (row[0], self.crop, self.crop) if self.crop else row

    def _cropped(self, rows: np.ndarray, words: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None]:
        """The rows' windows (N, C, crop, crop), and the mean's at the same places."""
        size = self.crop
        spare_h, spare_w = rows.shape[2] - size, rows.shape[3] - size
        whole_mean = self.mean if self.mean is not None and self.mean.shape[1:] == rows.shape[2:] else None
        if not self.random_crop or words is None:
            window = np.s_[..., spare_h // 2 : spare_h // 2 + size, spare_w // 2 : spare_w // 2 + size]
            return rows[window], self.mean if whole_mean is None else whole_mean[window]
        tops, lefts = words[:, 1] % np.uint64(spare_h + 1), words[:, 2] % np.uint64(spare_w + 1)
        windows = [np.s_[..., h : h + size, w : w + size] for h, w in zip(tops.tolist(), lefts.tolist(), strict=True)]
        cropped = np.stack([row[window] for row, window in zip(rows, windows, strict=True)])
        return cropped, self.mean if whole_mean is None else np.stack([whole_mean[window] for window in windows])


def make_transform(param: Any, row: Shape, phase: int, folders: Sequence[str | Path], seed: int) -> Transform | None:
    """The transform that a TransformationParameter asks for, for rows of this shape; None where it changes nothing."""
    if param.mean_file and param.mean_value:
        raise DataError("transform_param: mean_file and mean_value cannot both be given")
    turns = tuple(name for name in TURNS if getattr(param, name))
    if (param.crop_size or turns or param.mean_file) and len(row) != 3:
        asked = f"crop_size, mean_file, {', '.join(TURNS)}"
        raise DataError(f"transform_param: {asked} need images (C, H, W), not rows {list(row)}")
    if param.crop_size and param.crop_size > min(row[1:]):
        raise DataError(f"transform_param: crop_size {param.crop_size} is greater than the image, {row[1]}x{row[2]}")
    if param.transpose and not param.crop_size and row[1] != row[2]:
        raise DataError(f"transform_param: transpose needs square images, or crop_size, not {row[1]}x{row[2]}")
    mean = None
    if param.mean_file:
        mean = _mean_image(resolve(param.mean_file, *folders), row)
    elif param.mean_value:
        mean = _mean_values(list(param.mean_value), row)
    if mean is None and param.scale == 1 and not param.crop_size and not turns:
        return None
    return Transform(param.scale, mean, param.crop_size, turns, phase == TRAIN, seed)


def _mean_values(values: list[float], row: Shape) -> np.ndarray:
    if len(values) == 1:
        return np.array(values[0], np.float32)
    if not row or len(values) != row[0]:
        channels = row[0] if row else 1
        raise DataError(f"transform_param: mean_value must be given once or once per channel ({channels})")
    return np.array(values, np.float32).reshape(-1, *(1 for _ in row[1:]))


def _mean_image(path: Path, row: Shape) -> np.ndarray:
    from ..proto.binary import read_blob

    if not os.path.isfile(path):
        raise DataError(f"{path}: no such mean_file")
    try:
        blob = read_blob(path)
    except SnapshotError as error:  # the reader speaks of weights files too
        raise DataError(str(error)) from error
    shape = tuple(blob.shape.dim) or (blob.num, blob.channels, blob.height, blob.width)
    while len(shape) > len(row) and shape[0] == 1:
        shape = shape[1:]
    if shape != row:
        raise DataError(f"{path}: the mean has shape {list(shape)}, but the images {list(row)}")
    values = blob.double_data or blob.data
    with np.errstate(over="ignore"):  # a double beyond float32 becomes inf, as in C
        return np.fromiter(values, np.float32, len(values)).reshape(row)
