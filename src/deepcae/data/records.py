"""Writing data sets of Datum records: an LMDB as Caffe's tools make it (`db_lmdb.cpp`).

One unnamed database; the keys are texts whose byte order is the order of the records. The folder appears when the
last record is in it; an existing one is never touched.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..atomic import whole_folder
from ..errors import DataError
from ..proto.schema import Datum

FIRST_MAP, BATCH = 64 * 2**20, 1000  # bytes of the first map, which grows; records of a transaction (Caffe's)
BATCH_BYTES = 2**24  # after which a transaction ends sooner
LONGEST_KEY = 511  # bytes, LMDB's


class RecordWriter:
    """Takes records in; `number` counts them."""

    def __init__(self, environment: Any, target: Path) -> None:
        self.number = 0
        self._environment, self._target = environment, target
        self._waiting: list[tuple[bytes, bytes]] = []
        self._bytes = 0  # of what waits

    def put(self, key: str, datum: Any) -> None:
        """A Datum under a key."""
        name = key.encode("utf-8", "surrogateescape")
        if len(name) > LONGEST_KEY:
            raise DataError(f"{self._target}: the key {key[:40]!r}... has {len(name)} bytes; LMDB takes {LONGEST_KEY}")
        self._waiting.append((name, datum.SerializeToString()))
        self._bytes += len(self._waiting[-1][1])
        self.number += 1
        if len(self._waiting) >= BATCH or self._bytes >= BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Writes what waits; the map is doubled until it fits."""
        import lmdb

        while True:
            try:
                with self._environment.begin(write=True) as transaction:
                    for key, value in self._waiting:
                        transaction.put(key, value)
                break
            except lmdb.MapFullError:
                self._environment.set_mapsize(2 * self._environment.info()["map_size"])
        self._waiting.clear()
        self._bytes = 0


@contextmanager
def new_lmdb(path: str | Path) -> Iterator[RecordWriter]:
    """A new LMDB to put records into. DataError where `path` exists or cannot be written."""
    try:
        import lmdb
    except ModuleNotFoundError as error:
        raise DataError(f"{path}: writing LMDB needs the lmdb package: pip install 'deepcae[lmdb]'") from error
    try:
        with whole_folder(path) as folder:
            with lmdb.open(str(folder), map_size=FIRST_MAP, lock=False, sync=False) as environment:
                writer = RecordWriter(environment, Path(path))
                yield writer
                writer.flush()
            (folder / "lock.mdb").unlink(missing_ok=True)
    except FileExistsError as error:
        raise DataError(f"{path}: exists already; databases are not overwritten, give another name") from error
    except lmdb.Error as error:
        reason = str(error).rpartition(": ")[2]
        code = next((code for code in errno.errorcode if os.strerror(code) == reason), None)
        cause = error if code is None else OSError(code, reason)  # by which a full disk is known
        raise DataError(f"{path}: cannot be written: {reason}") from cause


def pixels_datum(pixels: np.ndarray, label: int = 0) -> Any:
    """A Datum of bytes (C, H, W)."""
    channels, height, width = pixels.shape
    return Datum(channels=channels, height=height, width=width, data=pixels.tobytes(), label=label, encoded=False)


def float_datum(values: np.ndarray) -> Any:
    """A Datum of floats, as `extract_features` writes one sample's blob: (C, H, W), (C, H) or (C)."""
    channels, height, width = (*values.shape, 1, 1, 1)[:3]
    return Datum(channels=channels, height=height, width=width, float_data=values.reshape(-1).tolist())
