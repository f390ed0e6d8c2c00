"""Picture files written byte by byte, in forms that image libraries do not write: for tests of reading them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6  # a PNG's colour types


def png(pixels: np.ndarray, kind: int, chunks: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    """A PNG of uint8 or uint16 pixels (H, W, ...); `chunks`: (name, content) before the pixels."""
    height, width = pixels.shape[:2]
    depth = 8 * pixels.dtype.itemsize
    rows = pixels.astype(pixels.dtype.newbyteorder(">")).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def tiff(
    pages: np.ndarray | Sequence[np.ndarray],
    order: str = "<",
    *,
    white_is_0: bool = False,
    alpha: int | None = None,
    planes: bool = False,
    bits: int | None = None,
    subfile: int = 0,
) -> bytes:
    """An uncompressed TIFF of one page (H, W) or (H, W, C), or of several.

    `order`: of the bytes, "<" or ">"; `alpha`: what an extra channel means, 1 multiplied already, 2 not; `planes`: one
    for each channel; `bits`: claimed of each number; `subfile`: what the later pages are.
    """
    listed = [pages] if isinstance(pages, np.ndarray) else list(pages)
    made = bytearray({"<": b"II", ">": b"MM"}[order] + struct.pack(order + "HI", 42, 0))
    link = 4
    for number, page in enumerate(listed):
        height, width, channels = (*page.shape, 1)[:3]
        data = (np.moveaxis(page, 2, 0) if planes else page).astype(page.dtype.newbyteorder(order)).tobytes()
        start = len(made)
        made += data + b"\0" * (len(data) % 2)
        size = len(data) // (channels if planes else 1)
        strips = range(start, start + len(data), size)
        form = {"u": 1, "i": 2, "f": 3}[page.dtype.kind]
        entries: list[tuple[int, str, Sequence[int]]] = [
            (256, "I", [width]), (257, "I", [height]), (258, "H", [bits or 8 * page.dtype.itemsize] * channels),
            (259, "H", [1]), (262, "H", [2 if channels >= 3 else 0 if white_is_0 else 1]), (273, "I", strips),
            (277, "H", [channels]), (278, "I", [height]), (279, "I", [size] * len(strips)),
            (284, "H", [2 if planes else 1]), (339, "H", [form] * channels),
        ]  # fmt: skip
        if alpha is not None:
            entries.insert(-1, (338, "H", [alpha]))
        if number and subfile:
            entries.insert(0, (254, "I", [subfile]))
        link = _directory(made, order, link, entries)
    return bytes(made)


def _directory(made: bytearray, order: str, link: int, entries: list[tuple[int, str, Sequence[int]]]) -> int:
    """Appends a page's tags, and puts their place at `link`; where the next one's place belongs."""
    fields = []
    for tag, kind, values in entries:
        content = struct.pack(f"{order}{len(values)}{kind}", *values)
        if len(content) > 4:
            place = len(made)
            made += content + b"\0" * (len(content) % 2)
            content = struct.pack(order + "I", place)
        fields.append(struct.pack(order + "HHI", tag, {"H": 3, "I": 4}[kind], len(values)) + content.ljust(4, b"\0"))
    made[link : link + 4] = struct.pack(order + "I", len(made))
    made += struct.pack(order + "H", len(fields)) + b"".join(fields) + bytes(4)
    return len(made) - 4
