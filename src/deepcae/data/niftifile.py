"""NIfTI files (.nii, .nii.gz; MRI): the slices of a volume (x, y, z), and of each time of a recording (x, y, z, t).

A slice is one row (1, y, x), across the file's third axis, which is mostly from feet to head. Values are in the units
of the file: where its header scales them, they are float32. Source: NIfTI-1 and NIfTI-2 (nifti.nimh.nih.gov).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..bounds import ROOM
from ..errors import DataError, first_line
from ..inplace import unread
from .named import Key, Named
from .stored import DAMAGE, Format, Stored

SIZES = tuple(size.to_bytes(4, order) for size in (348, 540) for order in ("little", "big"))  # of the header
ENDING, ZIPPED = ".nii.gz", b"\x1f\x8b"
AXES = "tzyx"  # as the values follow one another in the file, the slowest first


def open_nifti(path: Path) -> Mapping[str, Stored]:
    """The volume, as `data`."""
    try:
        import nibabel
    except ModuleNotFoundError as error:
        raise DataError(f"{path}: reading NIfTI needs nibabel: pip install nibabel") from error
    try:
        image: Any = nibabel.load(path)
        values = image.dataobj
        shape, kind = tuple(map(int, values.shape)), np.dtype(image.get_data_dtype())
        scaled = (float(values.slope), float(values.inter)) != (1.0, 0.0)
    except (*DAMAGE, nibabel.filebasedimages.ImageFileError, AttributeError) as error:
        raise DataError(unread(path, error, f"{path}: is damaged ({first_line(error)})")) from error
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    if kind.kind not in "fiu" or len(shape) not in (2, 3, 4) or 0 in shape:
        raise DataError(
            f"{path}: holds values of type {kind} and shape {list(shape)}; needs numbers (x, y, z) or (x, y, z, t)"
        )
    if 8 * math.prod(shape[:2]) > ROOM + 2 * path.stat().st_size:
        raise DataError(f"{path}: a slice of {shape[0]}x{shape[1]} would not fit into memory")
    dtype = np.dtype(np.float32) if scaled or kind.kind == "f" else kind.newbyteorder("=")

    def part(key: Key) -> np.ndarray:
        found = np.asarray(values[(*reversed(key), *(0,) * (len(values.shape) - len(shape)))])
        return found.T.astype(dtype, copy=False)

    notes = (f"scaled by its header: value * {values.slope:g} + {values.inter:g}",) if scaled else ()
    return {"data": Named(str(path), AXES[-len(shape) :], shape[::-1], dtype, part, notes=notes)}


def _begins(path: Path, head: bytes) -> bool:
    return head.startswith(SIZES) or (head.startswith(ZIPPED) and path.name.lower().endswith(ENDING))


FORMAT = Format("NIfTI", _begins, open_nifti, nameless=True)
