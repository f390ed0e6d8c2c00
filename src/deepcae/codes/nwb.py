"""Codes as NWB (Neurodata Without Borders 2) keeps what was computed of a recording: a module of `processing`.

| in `processing/deepcae` | holds |
|---|---|
| `codes`, a TimeSeries | (N, K), where column `time` grows from row to row; of equal steps the rate |
| `images`, a table | beside it: the columns and `label`, row for row |
| `codes`, a table | where there is no such time: column `code` (N, K) and these columns |

Columns that NWB's tables have names of their own for (`name`, `id`, …) are called `image_name`, …; the attributes stand
in the file's `notes` as JSON. When the session began is not known: NWB asks for a date, and 1970-01-01 stands for none.
All codes are in memory until the end. Not read back.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import numpy as np

from ..h5disk import new_h5
from .job import Job, Put, columns_of, library
from .table import Codes

MODULE, TIME = "deepcae", "time"
_EVEN = 1e-3  # of a step, by which steps of one rate may differ


@contextmanager
def write_nwb(job: Job) -> Iterator[Put]:
    """Codes as a `TimeSeries` where their times are known, and a table. All blocks are held until the end."""
    nwb, common = library("pynwb", job.target), library("hdmf.common", job.target)
    parts: list[Codes] = []
    yield lambda start, block: parts.append(block)
    codes = np.concatenate([part.codes.reshape(len(part.codes), -1) for part in parts])
    tables = [columns_of(part) for part in parts]
    columns = {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}
    about = dict(job.attributes or {})
    file = nwb.NWBFile(
        session_description="codes of images, by deepcae; when the session began is not known",
        identifier=str(uuid4()),
        session_start_time=datetime(1970, 1, 1, tzinfo=UTC),
        notes=json.dumps(about, sort_keys=True),
    )
    module = file.create_processing_module(MODULE, "codes of images, a row for each")
    when = clock(columns.get(TIME))
    told = f"blob {about.get('blob', 'of the code')} of network {about.get('net', 'unknown')}"
    if when is not None:
        module.add(nwb.TimeSeries(name="codes", data=codes, unit="a.u.", description=told, **when))
    vectors = [] if when is not None else [common.VectorData(name="code", description=told, data=codes)]
    for name, values in columns.items():
        called = f"image_{name}" if hasattr(common.DynamicTable, name) else name
        vectors.append(common.VectorData(name=called, description=f"{name} of each image", data=_plain(values)))
    if vectors:
        name = "codes" if when is None else "images"
        rows = list(range(len(codes)))
        module.add(common.DynamicTable(name=name, description="a row for each code", id=rows, columns=vectors))
    with new_h5(job.temporary) as (stored, require_whole), nwb.NWBHDF5IO(file=stored, mode="w") as stream:
        stream.write(file)
        require_whole()


def clock(time: np.ndarray | None) -> dict[str, Any] | None:
    """How a TimeSeries tells its times (N,), in seconds; None where they are unknown or do not grow from row to row."""
    if time is None or len(time) < 2 or time.dtype.kind not in "fiu":
        return None
    seconds = time.astype(np.float64)
    steps = np.diff(seconds)
    if not (np.isfinite(seconds).all() and (steps > 0).all()):
        return None
    step = (seconds[-1] - seconds[0]) / len(steps)
    if np.abs(steps - step).max() <= _EVEN * step:
        return {"starting_time": float(seconds[0]), "rate": float(1 / step)}
    return {"timestamps": seconds}


def _plain(values: np.ndarray) -> Any:
    """Words as NWB takes them; numbers as they are."""
    return values.tolist() if values.dtype.kind == "U" else values
