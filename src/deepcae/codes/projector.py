"""Codes for TensorBoard's projector: a folder `x.projector`, which `tensorboard --logdir x.projector` opens.

| file | holds |
|---|---|
| `tensors.tsv` | a line for each code, its values between tabs |
| `metadata.tsv` | the columns and `label`; the first line has their names, unless there is one column alone |
| `projector_config.pbtxt` | which of these belong together |

Tabs and ends of lines within words become blanks. The folder is new: one that is there is left alone. Not read back.
Source: https://www.tensorflow.org/tensorboard/tensorboard_projector_plugin
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from .job import Job, Put, columns_of
from .table import Codes

TENSORS, METADATA, CONFIG = "tensors.tsv", "metadata.tsv", "projector_config.pbtxt"


@contextmanager
def write_projector(job: Job) -> Iterator[Put]:
    with ExitStack() as stack:
        vectors = stack.enter_context((job.temporary / TENSORS).open("w", encoding="utf-8"))
        about: list[Any] = []

        def put(start: int, block: Codes) -> None:
            rows = block.codes.reshape(len(block.codes), -1)
            digits = "%.17g" if rows.dtype == np.float64 else "%.9g"
            vectors.writelines("\t".join([digits % value for value in row]) + "\n" for row in rows.tolist())
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
        text = f'embeddings {{\n  tensor_name: "codes"\n  tensor_path: "{TENSORS}"\n{named}}}\n'
        (job.temporary / CONFIG).write_text(text, encoding="utf-8")


def _word(value: Any) -> str:
    return " ".join(str(value).split()) or " "
