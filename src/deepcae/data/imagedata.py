"""ImageData: a text file lists image files with labels (Caffe: `image_data_layer.cpp`); tops data and label.

A line is `path label`, split at its last blank; `root_folder` is put before the path as it stands. Channels B, G, R
(one with `is_color: false`), 0..255, and resizing by `new_height` and `new_width` are OpenCV's (`images`, `resize`).
Differs from Caffe: shuffling is seeded and starts from the list's order in each epoch; how many images `rand_skip`
leaves out at the start, the seed decides; an image is also looked up in the list's folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DataError
from ..proto.lookup import once, resolve
from .images import decode
from .listed import ListedImages
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
    files = ImageFiles(resolve(param.source, *folders), param.root_folder, folders)
    size = (param.new_height, param.new_width) if param.new_height else None
    rows = ImageRows(files, tuple(layer.top), param.is_color, size)
    transform = make_transform(layer.transform_param, rows.shapes[rows.tops[0]], phase, folders, seed)
    skip = drawn(seed, param.rand_skip) if param.rand_skip else 0
    if skip >= rows.total:
        raise DataError(
            f"image_data_param: rand_skip {param.rand_skip} skips {skip} images here, but the list has {rows.total}"
        )
    return Stream(rows, param.batch_size, transform=transform, shuffle=param.shuffle, seed=seed, skip=skip)


class ImageFiles:
    """The image files of a list: the path of each is looked up when it is asked for."""

    def __init__(self, path: Path, root: str, folders: Sequence[str | Path]) -> None:
        self.listed = ListedImages(path, exact=False)
        self._root, self._folders, self._tell = root, (path.parent, *folders), once(most=1)

    def __len__(self) -> int:
        return len(self.listed)

    def path(self, index: int) -> Path:
        """Where the image is."""
        return resolve(self._root + self.listed.name(index), *self._folders, tell=self._tell)


class ImageRows:
    """Image files and their labels as rows."""

    def __init__(self, files: ImageFiles, tops: tuple[str, ...], color: bool, size: tuple[int, int] | None) -> None:
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
                    f"{self._files.path(number)}: is of size {list(image.shape)}, the first image of "
                    f"{list(images.shape[1:])}; new_height and new_width make them equal"
                )
            images[at] = image
        labels = np.array([self._files.listed.labels[number] for number in numbers], np.float32)
        return {self.tops[0]: images, self.tops[1]: labels}

    def _image(self, number: int) -> np.ndarray:
        path = self._files.path(number)
        pixels = decode(path, self._color, str(path))
        return resize(pixels, *self._size) if self._size else pixels

    def close(self) -> None:
        """Nothing stays open."""
