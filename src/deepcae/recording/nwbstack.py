"""A stack as NWB (Neurodata Without Borders 2) keeps what was computed of a recording: `processing/deepcae/restored`.

An ImageSeries of (time, height, width) or (time, channels or depth, height, width), the first axis written image by
image. Its times are those of the source; where the source tells none, an image a second stands for them, which its
`comments` say. When the session began is not known: NWB asks for a date, and 1970-01-01 stands for none.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from ..atomic import whole_file
from ..codes.job import library
from ..codes.nwb import MODULE, clock
from ..data.stream import Shape
from ..errors import DataError
from ..h5disk import new_h5

UNTOLD = "The source tells no times: one image a second stands for them."
MOST_AXES = 4  # of an ImageSeries


def require_axes(path: Path, shape: Shape) -> None:
    """DataError for stacks that an ImageSeries does not hold."""
    if not 3 <= len(shape) <= MOST_AXES:
        given = "x".join(map(str, shape))
        raise DataError(
            f"{path}: NWB's ImageSeries has 3 or {MOST_AXES} axes, this stack is {given}; write .tif or .h5"
        )


def write_nwb_stack(
    path: Path, images: Iterable[np.ndarray], shape: Shape, dtype: np.dtype[Any], seconds: np.ndarray | None
) -> None:
    """Images, one after another, as an array of `shape`; `seconds` (n,): of each, or of each along its first axis."""
    require_axes(path, shape)
    nwb, utils = library("pynwb", path), library("hdmf.data_utils", path)
    whole = seconds is not None and len(seconds) > 0 and len(seconds) % shape[0] == 0
    when = clock(seconds[:: len(seconds) // shape[0]]) if whole and seconds is not None else None
    file = nwb.NWBFile(
        session_description="a restored recording, by deepcae; when the session began is not known",
        identifier=str(uuid4()),
        session_start_time=datetime(1970, 1, 1, tzinfo=UTC),
    )
    data = utils.DataChunkIterator(data=_along_first(images, shape), maxshape=shape, dtype=dtype)
    module = file.create_processing_module(MODULE, "what a network made of a recording")
    module.add(library("pynwb.image", path).ImageSeries(
        name="restored", data=data, unit="a.u.", description="the recording as the network restores it",
        comments="" if when else UNTOLD, **(when or {"starting_time": 0.0, "rate": 1.0}),
    ))  # fmt: skip
    with (
        whole_file(path) as temporary,
        new_h5(temporary) as (stored, require_whole),
        nwb.NWBHDF5IO(file=stored, mode="w") as stream,
    ):
        stream.write(file)
        require_whole()


def _along_first(images: Iterable[np.ndarray], shape: Shape) -> Iterator[np.ndarray]:
    """Images, joined to what one step of the first axis holds."""
    waiting: list[np.ndarray] = []
    for image in images:
        waiting.append(image)
        if sum(each.size for each in waiting) == math.prod(shape[1:]):
            yield np.concatenate([each.reshape(-1) for each in waiting]).reshape(shape[1:])
            waiting.clear()
