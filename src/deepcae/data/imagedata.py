"""ImageData: a text file lists image files with labels (Caffe: `image_data_layer.cpp`); tops data and label.

A line is `path label`, split at its last blank; `root_folder` is put before the path as it stands. Channels B, G, R
(one with `is_color: false`), 0..255, and resizing by `new_height` and `new_width` are OpenCV's (`images`, `resize`).
Differs from Caffe: shuffling is seeded and starts from the list's order in each epoch; how many images `rand_skip`
leaves out at the start, the seed decides; an image is also looked up in the list's folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..inplace import read_file, why_no_file
from ..proto.lookup import resolve
from .images import decode
from .resize import resize
from .stream import Arrays, Shape, Stream, drawn
from .transform import make_transform


def open_images(layer: Any, phase: int, folders: Sequence[str | Path], seed: int) -> Stream:
    """The source of an ImageData layer."""
    param = layer.image_data_param
    if len(layer.top) != 2:
        raise DataError(f"ImageData makes exactly 2 tops, data and label, not {len(layer.top)}")
    if bool(param.new_height) != bool(param.new_width):
        raise DataError("image_data_param: new_height and new_width must be given both or not at all")
    files = read_list(resolve(param.source, *folders), param.root_folder, folders)
    size = (param.new_height, param.new_width) if param.new_height else None
    rows = ImageRows(files, tuple(layer.top), param.is_color, size)
    transform = make_transform(layer.transform_param, rows.shapes[rows.tops[0]], phase, folders, seed)
    skip = drawn(seed, param.rand_skip) if param.rand_skip else 0
    if skip >= rows.total:
        raise DataError(
            f"image_data_param: rand_skip {param.rand_skip} skips {skip} images here, but the list has {rows.total}"
        )
    return Stream(rows, param.batch_size, transform=transform, shuffle=param.shuffle, seed=seed, skip=skip)


def read_list(path: Path, root: str, folders: Sequence[str | Path]) -> list[tuple[Path, int]]:
    """(image file, label) of every line."""
    if why := why_no_file(path):
        raise DataError(
            f"{path}: {why if os.path.exists(path) else 'no such list file (a text file with lines `image label`)'}"
        )
    files = []
    for number, line in enumerate(os.fsdecode(read_file(path)).splitlines(), 1):
        if not line.strip():
            continue
        name, _, label = line.rstrip().rpartition(" ")
        digits = re.match(r"[+-]?\d+", label)
        if not name or not digits:
            raise DataError(f"{path}:{number}: needs an image file, a blank and an integer label, not {line[:80]!r}")
        files.append((resolve(root + name, path.parent, *folders), int(digits[0])))
    if not files:
        raise DataError(f"{path}: lists no image")
    return files


class ImageRows:
    """Image files and their labels as rows."""

    def __init__(
        self, files: list[tuple[Path, int]], tops: tuple[str, ...], color: bool, size: tuple[int, int] | None
    ) -> None:
        self.tops, self.total = tops, len(files)
        self._files, self._color, self._size = files, color, size
        self.shapes: dict[str, Shape] = {tops[0]: self._image(0).shape, tops[1]: ()}

    def at_hand(self, size: int, shuffled: bool) -> bool:
        return False

    def read(self, rows: slice | np.ndarray) -> Arrays:
        numbers = range(rows.start, rows.stop) if isinstance(rows, slice) else rows.tolist()
        images = np.empty((len(numbers), *self.shapes[self.tops[0]]), np.float32)
        for at, number in enumerate(numbers):
            image = self._image(number)
            if image.shape != images.shape[1:]:
                raise DataError(
                    f"{self._files[number][0]}: is of size {list(image.shape)}, the first image of "
                    f"{list(images.shape[1:])}; new_height and new_width make them equal"
                )
            images[at] = image
        labels = np.array([self._files[number][1] for number in numbers], np.float32)
        return {self.tops[0]: images, self.tops[1]: labels}

    def _image(self, number: int) -> np.ndarray:
        path = self._files[number][0]
        pixels = decode(path, self._color, str(path))
        return resize(pixels, *self._size) if self._size else pixels

    def close(self) -> None:
        """Nothing stays open."""
