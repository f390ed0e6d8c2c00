"""How much memory a file may take: twice its size and 256 MiB. What says it holds more is refused before it is read.

What is legitimately larger than its file (pictures of one colour, zipped) is read in pieces; what can only be held as a
whole (codes, weights, labels) must pass `require_room` first. What is wrong is a ValueError whose sentence lacks the
file's name.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

MOST_DENSE = 1100  # bytes that one byte of a file can stand for: deflate's limit is 1032
ROOM = 192 * 2**20  # bytes that may be held beside twice the file; the rest of 256 MiB is for what is done with them
SMALL = 8 * 2**20  # bytes of a JSON file that is read as a whole
CHUNK = 64 * 2**20  # bytes of an HDF5 chunk, which its library unpacks as a whole


class Allowance:
    """What may be held of a file of `stored` bytes while it is read: ValueError as soon as it would be more."""

    def __init__(self, stored: int) -> None:
        self.left, self._stored = 2 * stored + ROOM, stored

    def take(self, held: int) -> None:
        """Counts `held` further bytes of memory."""
        self.left -= held
        if self.left < 0:
            require_room(2 * self._stored + ROOM - self.left, self._stored)


def require_room(held: int, stored: int) -> None:
    """Refuses what would take `held` bytes of memory out of `stored` bytes of a file."""
    if held > 2 * stored + ROOM:
        raise ValueError(f"it would take {_mib(held)} of memory, but its file has {_mib(stored)}: that is refused")


def require_stored(dataset: Any) -> None:
    """Refuses an HDF5 dataset whose values are not in the file, or packed in chunks too large to unpack."""
    stored = dataset.id.get_storage_size()
    if dataset.size * dataset.dtype.itemsize > MOST_DENSE * stored:
        what = f"only {stored} bytes" if stored else "no values"
        raise ValueError(f"has shape {list(dataset.shape)}, but {what} of it are stored")
    chunk = chunk_bytes(dataset)
    if chunk > max(CHUNK, stored // 2):
        raise ValueError(f"is packed in chunks of {_mib(chunk)}, at most {_mib(CHUNK)} are unpacked; use smaller ones")


def chunk_bytes(dataset: Any) -> int:
    """Bytes that are unpacked at a time to read from an HDF5 dataset: 0 where nothing is packed."""
    packed = dataset.chunks and dataset.id.get_create_plist().get_nfilters()
    return math.prod(dataset.chunks) * dataset.dtype.itemsize if packed else 0


def require_small(path: Path) -> None:
    """Refuses a file that is small by nature (a JSON object) and is not: 1 byte of it becomes 20 of memory."""
    size = path.stat().st_size
    if size > SMALL:
        raise ValueError(f"has {_mib(size)}; such a file has less than {_mib(SMALL)}")


def _mib(size: int) -> str:
    return f"{size / 2**20:,.1f} MiB"
