"""Codes for TensorBoard's projector: a folder `x.projector`, which `tensorboard --logdir x.projector` opens.

| file | holds |
|---|---|
| `tensors.tsv` | a line for each code, its values between tabs |
| `metadata.tsv` | the columns and `label`; the first line has their names, unless there is one column alone |
| `sprite.png` | a picture of each image, row by row, in a square as good as it goes; where they are given |
| `projector_config.pbtxt` | which of these belong together |

Tabs and ends of lines within words become blanks. The folder is new: one that is there is left alone. Not read back.
Source: https://www.tensorflow.org/tensorboard/tensorboard_projector_plugin
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from .job import Job, Put, columns_of
from .table import Codes

TENSORS, METADATA, CONFIG = "tensors.tsv", "metadata.tsv", "projector_config.pbtxt"
SPRITE = "sprite.png"


@contextmanager
def write_projector(job: Job) -> Iterator[Put]:
    """A folder for TensorBoard's projector: vectors, a table of the columns, small pictures."""
    with ExitStack() as stack:
        vectors = stack.enter_context((job.temporary / TENSORS).open("w", encoding="utf-8"))
        about: list[Any] = []
        sheet = _Sheet(job.total)

        def put(start: int, block: Codes) -> None:
            rows = block.codes.reshape(len(block.codes), -1)
            digits = "%.17g" if rows.dtype == np.float64 else "%.9g"
            vectors.writelines("\t".join([digits % value for value in row]) + "\n" for row in rows.tolist())
            if block.pictures is not None:
                sheet.put(start, block.pictures)
            columns = columns_of(block)
            if not columns:
                return
            if not start:
                about.append(stack.enter_context((job.temporary / METADATA).open("w", encoding="utf-8")))
                if len(columns) > 1:  # TensorBoard's rule
                    about[0].write("\t".join(map(_word, columns)) + "\n")
            lines = zip(*(values.tolist() for values in columns.values()), strict=True)
            about[0].writelines("\t".join(map(_word, line)) + "\n" for line in lines)

        yield put
        named = f'  metadata_path: "{METADATA}"\n' if about else ""
        named += sheet.write(job.temporary / SPRITE)
        text = f'embeddings {{\n  tensor_name: "codes"\n  tensor_path: "{TENSORS}"\n{named}}}\n'
        (job.temporary / CONFIG).write_text(text, encoding="utf-8")


class _Sheet:
    """The pictures of `total` codes on one sheet."""

    def __init__(self, total: int) -> None:
        self._columns = max(1, math.ceil(math.sqrt(total)))
        self._rows = math.ceil(total / self._columns)
        self._levels: np.ndarray | None = None
        self._size = 0, 0

    def put(self, start: int, pictures: np.ndarray) -> None:
        """Pictures (n, height, width, 3) of the codes from number `start` on."""
        height, width = self._size = pictures.shape[1:3]
        if self._levels is None:
            self._levels = np.zeros((self._rows * height, self._columns * width, 3), np.uint8)
        for number, picture in enumerate(pictures, start):
            row, column = divmod(number, self._columns)
            self._levels[row * height : (row + 1) * height, column * width : (column + 1) * width] = picture

    def write(self, path: Path) -> str:
        """The file, and the lines of the configuration that name it; "" where there are no pictures."""
        if self._levels is None:
            return ""
        from PIL import Image

        Image.fromarray(self._levels).save(path)
        height, width = self._size
        sized = f"single_image_dim: {width} single_image_dim: {height}"
        return f'  sprite {{ image_path: "{SPRITE}" {sized} }}\n'


def _word(value: Any) -> str:
    return " ".join(str(value).split()) or " "
