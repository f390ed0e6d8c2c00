"""Labels from a file that a person names: numbers stay numbers, words become classes 0, 1, ..., sorted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..data.folder import natural
from ..data.labelfile import read_values
from ..errors import DataError
from .options import Options


def read_label_file(options: Options, names: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Labels (n,) of the images of these names, which may be empty, and the classes that they count, if they do.

    DataError where the number differs, or a name or a value is missing.
    """
    path = options.labels
    assert path is not None
    values = read_values(path, names, options.label_column, "--label-column {}".format)
    missing = np.flatnonzero(
        values == "" if values.dtype.kind == "U" else np.isnan(values.reshape(len(values), -1)[:, 0])
    )
    if len(missing):
        first = int(missing[0])
        raise DataError(f"{path}: has no value for image {first}{f' ({names[first]})' if names[first] else ''}")
    return numbered(values)


def numbered(values: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Numbers (n,) or (n, k) as they are, words (n,) as the numbers of classes, and these."""
    if values.dtype.kind != "U":
        return values.astype(np.float32), ()
    classes = sorted(set(values.tolist()), key=natural)
    number = {name: index for index, name in enumerate(classes)}
    return np.array([number[word] for word in values.tolist()], np.float32), tuple(classes)
