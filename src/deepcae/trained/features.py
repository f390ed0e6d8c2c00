"""Blobs of a trained net over its own data, written to files: Caffe's `extract_features`.

The net runs in the TEST phase on what its data layers read, `num_batches` times. Sample n of a blob is record `%010d`
of an LMDB, a Datum of floats (C, H, W), or row n of `data` in an .h5 or .npz file. All files appear when all are done.
Source: Caffe's extract_features.cpp.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from ..atomic import whole_file
from ..data.ahead import Ahead
from ..data.records import float_datum, new_lmdb
from ..data.source import Feed
from ..errors import DataError
from ..h5disk import new_h5
from ..net.net import Net
from ..npy import Spool

KINDS = ("lmdb", "h5", "npz")


Writer = Callable[[np.ndarray], object]
"""Takes a blob's batches, one by one."""


def extract_features(
    net: Net,
    blobs: Sequence[str],
    outputs: Sequence[str | Path],
    num_batches: int,
    kind: str = "lmdb",
    *,
    progress: Callable[[int], object] | None = None,
) -> dict[str, int]:
    """Samples written of each blob. DataError for an unknown blob or kind, or a file that exists."""
    _check(net, blobs, outputs, num_batches, kind)
    written = dict.fromkeys(blobs, 0)
    with ExitStack() as stack:
        feed = stack.enter_context(Feed(net.sources, net.phase, net.folders))
        batches = Ahead(feed.batch, num_batches)
        stack.callback(batches.close)
        writers = [stack.enter_context(_WRITERS[kind](Path(output))) for output in outputs]
        for index in range(num_batches):
            made = net(batches.batch(index), want=list(blobs))
            for blob, write in zip(blobs, writers, strict=True):
                batch = made[blob].detach().cpu().numpy()
                write(batch if batch.ndim else batch[None])
                written[blob] += len(batch) if batch.ndim else 1
            if progress is not None:
                progress(index + 1)
    return written


def _check(net: Net, blobs: Sequence[str], outputs: Sequence[str | Path], num_batches: int, kind: str) -> None:
    if kind == "leveldb":
        raise DataError("leveldb cannot be written; give lmdb, h5 or npz")
    if kind not in KINDS:
        raise DataError(f"features are written as {', '.join(KINDS)}, not '{kind}'")
    if len(blobs) != len(outputs):
        raise DataError(f"{len(blobs)} blob(s) and {len(outputs)} output(s); give one output for each blob")
    if len({os.path.abspath(output) for output in outputs}) < len(outputs):
        raise DataError("two blobs cannot go to one output; give each its own")
    if num_batches < 1:
        raise DataError(f"the number of batches is at least 1, not {num_batches}")
    for blob in blobs:
        shape = net.plan.shapes[net.plan.require(blob)]
        if kind == "lmdb" and shape is not None and len(shape) > 4:
            raise DataError(f"blob '{blob}' has {len(shape)} axes; a Datum holds (C, H, W), so write h5 or npz")
    for output in outputs:
        if os.path.lexists(output):
            raise DataError(f"{output}: exists already; databases are not overwritten, give another name")


@contextmanager
def _lmdb(path: Path) -> Iterator[Writer]:
    with new_lmdb(path) as records:

        def write(batch: np.ndarray) -> None:
            for sample in batch:
                records.put(f"{records.number:010d}", float_datum(sample))

        yield write


@contextmanager
def _h5(path: Path) -> Iterator[Writer]:
    with whole_file(path) as temporary, new_h5(temporary) as (file, require_whole):

        def write(batch: np.ndarray) -> None:
            if "data" not in file:
                shape = (0, *batch.shape[1:])
                file.create_dataset("data", shape, "f4", maxshape=(None, *shape[1:]), track_times=False)
            rows = file["data"]
            rows.resize(len(rows) + len(batch), axis=0)
            rows[len(rows) - len(batch) :] = batch
            require_whole()

        yield write


@contextmanager
def _npz(path: Path) -> Iterator[Writer]:
    with whole_file(path) as temporary, Spool(path.parent) as rows:
        yield rows.add
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            rows.into(archive, "data")


_WRITERS = {"lmdb": _lmdb, "h5": _h5, "npz": _npz}
