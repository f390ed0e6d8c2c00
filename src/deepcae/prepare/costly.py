"""Arrays that are too costly to read image by image: recognised before they are read, and rewritten once.

A chunk is unpacked as a whole. An NWB series of 512×512 in chunks of 2254×14×14 unpacks 1,369 of them, 1.2 GB, for one
image. `cost_of` tells that; `Rewritten` is the array in a file without a name, image after image, made in one pass over
blocks of whole chunks.
"""

from __future__ import annotations

import itertools
import math
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data.named import Key, Named
from ..data.readcost import COSTLY, in_units, row_bytes
from ..data.stored import Stored

BLOCK = 64 * 2**20  # bytes that are held at a time
SAMPLE = 24  # blocks of chunks that are looked at


@dataclass(frozen=True)
class Cost:
    """Of one image: the `chunks` it lies in, and the bytes that are `unpacked` for it; `total`: bytes of all images."""

    chunk: tuple[int, ...]
    chunks: int
    unpacked: int
    total: int

    def __str__(self) -> str:
        shape = "x".join(map(str, self.chunk))
        return (
            f"stored in chunks of {shape}: one image lies in {self.chunks} of them, {in_units(self.unpacked)} would be "
            f"unpacked for each; so it is rewritten once, {in_units(self.total)}"
        )


def cost_of(array: Stored, at_random: bool = False) -> Cost | None:
    """What an image costs where that is more than it is worth; None where it is cheap, unless they are read `at_random`
    also by reading all chunks of its rows at once."""
    if not isinstance(array, Named) or array.chunks is None:
        return None
    size = dict(zip(array.axes, zip(array.array_shape, array.chunks, strict=True), strict=True))
    touched = math.prod(math.ceil(whole / chunk) for name, (whole, chunk) in size.items() if name in "csyx")
    unpacked, image = array.alone, row_bytes(array)
    steps = [chunk for name, (_, chunk) in size.items() if name not in "csyx"]
    by_rows = (
        not at_random and array.axes[0] not in "csyx" and math.prod(steps[:-1]) == 1 and array.chunk * image <= BLOCK
    )
    if unpacked <= COSTLY * image or by_rows:
        return None
    return Cost(array.chunks, touched, unpacked, image * array.shape[0])


def sample_of_chunks(array: Named, seed: int, most: int) -> np.ndarray:
    """Values of some chunks that the seed draws: each is unpacked once."""
    assert array.chunks is not None
    generator = np.random.default_rng([seed % 2**64, 0xC405])
    parts = []
    for _ in range(SAMPLE):
        firsts = [
            int(generator.integers(0, math.ceil(whole / chunk))) * chunk
            for whole, chunk in zip(array.array_shape, array.chunks, strict=True)
        ]
        key = tuple(slice(first, first + chunk) for first, chunk in zip(firsts, array.chunks, strict=True))
        values = np.asarray(array.fetch(key)).reshape(-1)
        parts.append(values if values.size <= most // SAMPLE else generator.choice(values, most // SAMPLE))
    return np.concatenate(parts)


class Rewritten(Stored):
    """The images of `array`, one after another, in a file without a name in `folder`; made when this is made.

    OSError where the disk is full: before anything is written, if the system tells.
    """

    def __init__(self, array: Named, folder: Path) -> None:
        super().__init__(array.origin, array.shape, array.dtype.newbyteorder("="))
        self.told = array.told
        self._row = math.prod(self.shape[1:]) * self.dtype.itemsize
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by `close`
        size = self._row * self.shape[0]
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(self._file.fileno(), 0, size)  # a map of a full disk would kill the process
        else:
            self._file.truncate(size)
        sizes = [array.array_shape[array.axes.index(name)] for name in _order(array)]
        for key in blocks_of(array):
            part = array.ordered(np.asarray(array.fetch(key)))
            whole = np.memmap(self._file, self.dtype, "r+", shape=tuple(sizes))
            whole[tuple(key[array.axes.index(name)] for name in _order(array))] = part
            del whole  # its pages are no longer this process's

    def read(self, start: int, stop: int) -> np.ndarray:
        content = bytearray((stop - start) * self._row)
        done = 0
        while done < len(content):  # a call reads 2 GiB at most
            piece = os.pread(self._file.fileno(), min(len(content) - done, 2**30), start * self._row + done)
            if not piece:
                raise EOFError("the rewritten file ends")
            content[done : done + len(piece)] = piece
            done += len(piece)
        return np.frombuffer(content, self.dtype).reshape(stop - start, *self.shape[1:])

    def close(self) -> None:
        self._file.close()


def _order(array: Named) -> list[str]:
    return [*(name for name in array.axes if name not in "csyx"), *(name for name in "csyx" if name in array.axes)]


def blocks_of(array: Named) -> Iterator[Key]:
    """Parts of the array that hold whole chunks and at most `BLOCK` bytes, or one chunk: each chunk once."""
    assert array.chunks is not None
    block = dict(zip(array.axes, array.chunks, strict=True))
    sizes = dict(zip(array.axes, array.array_shape, strict=True))
    for name in reversed(_order(array)):  # whole rows of pixels first
        room = max(1, BLOCK // (math.prod(block.values()) * array.dtype.itemsize))
        block[name] = min(sizes[name], block[name] * room)
    ranges = [range(0, sizes[name], block[name]) for name in array.axes]
    for firsts in itertools.product(*ranges):
        yield tuple(
            slice(first, min(sizes[name], first + block[name])) for name, first in zip(array.axes, firsts, strict=True)
        )
