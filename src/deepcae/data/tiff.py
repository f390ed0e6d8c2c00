"""What a TIFF's tags say, read before pillow sees them: pillow knows only some kinds of values, and trusts all counts.

file   "II" or "MM", 42 (BigTIFF: 43, 8, 0), place of the first page's tags
page   count of tags | of each: tag (2), type (2), count of values, the values or their place | place of the next
places and counts have 4 bytes, in a BigTIFF 8; the count of tags has 2, in a BigTIFF 8; each tag 12, or 20
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import DataError

BITS = (1, 2, 4, 8, 16)  # a channel
OR = "or its values as HDF5"
_STARTS = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
_NUMBERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}  # by type
_PLAIN_BYTES = (1, 2, 6, 7)  # types that cost no more in memory than in the file
_SUBFILE, _WIDTH, _BITS, _SAMPLES_PER_PIXEL, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _SAMPLES = (
    254, 256, 258, 277, 284, 322, 323, 339,
)  # fmt: skip
_FLOAT, _PART = {3, 6}, 1 | 4  # sample formats; a reduced copy or a mask of another page
_MOST_PAGES, _MOST_TAGS, _MOST_VALUES = 1000, 10_000, 2**18
_SHOWN = 64  # values of a tag that are looked at
_MOST_OF_A_TILE = 2**25  # bytes
Page = dict[int, tuple[int, ...]]


def check_tiff(file: BinaryIO, what: str, floats: bool) -> None:
    """Refuses a TIFF with several pages, or whose numbers do not become bytes (`floats`: or floats). Any other passes.

    DataError, or a ValueError for tags that are damaged or hold too much. The file is at its start then.
    """
    order = _STARTS.get(file.read(4))
    if order is not None:
        file.seek(0)
        pages = _pages(file, order)
        _check_page(next(pages), what, floats)
        if any(not _first(page, _SUBFILE, 0) & _PART for page in pages):
            raise DataError(more_than_one(what))
    file.seek(0)


def more_than_one(what: str) -> str:
    """The sentence about a file with several pictures."""
    return (
        f"{what}: holds more than one picture (pages or frames), and only the first would be read; "
        "save each one in a file of its own"
    )


def floating(what: str) -> str:
    """The sentence about pixels that are floats."""
    return f"{what}: its pixels are floating-point numbers; save it with 8 or 16 bits, {OR}"


def _check_page(page: Page, what: str, floats: bool) -> None:
    bits = max(page.get(_BITS, (1,)))
    if set(page.get(_SAMPLES, (1,))) & _FLOAT:
        if not floats:
            raise DataError(floating(what))
    elif bits not in BITS:
        allowed = ", ".join(map(str, BITS))
        raise DataError(f"{what}: its pixels have {bits} bits, not {allowed}; save it with 8 or 16 bits, {OR}")
    elif bits == 16 and _first(page, _PLANAR, 1) == 2:
        raise DataError(f"{what}: has planes of 16 bits for each colour; save it with the colours of a pixel together")
    tile = _first(page, _TILE_WIDTH, 0) * _first(page, _TILE_LENGTH, 0) * _first(page, _SAMPLES_PER_PIXEL, 1)
    if tile * bits > 8 * _MOST_OF_A_TILE:
        raise ValueError(f"a tile of it takes {tile * bits // 8} bytes")


def _first(page: Page, tag: int, default: int) -> int:
    return (page.get(tag) or (default,))[0]


def _pages(file: BinaryIO, order: str) -> Iterator[Page]:
    head = file.read(16)
    is_big = 43 in head[2:4]
    place = _unpack(f"{order}8xQ" if is_big else f"{order}4xI", head)[0]
    for _ in range(_MOST_PAGES):
        if not place:
            return
        file.seek(place)
        number, size, rest = ("Q", 20, "Q") if is_big else ("H", 12, "I")
        count = _unpack(order + number, file.read(struct.calcsize(number)))[0]
        if count > _MOST_TAGS:
            raise ValueError(f"it says that a page has {count} tags")
        entries = file.read(count * size)
        place = _unpack(order + rest, file.read(struct.calcsize(rest)))[0]
        page: Page = {}
        for at in range(0, count * size, size):
            tag, kind, values = _unpack(f"{order}HH{rest}", entries[at : at + size])
            if kind not in _PLAIN_BYTES and values > _MOST_VALUES:
                raise ValueError(f"it says that its tag {tag} has {values} values")
            if kind in _NUMBERS and tag in _LOOKED_AT:
                page[tag] = _values(
                    file, entries[at + size - struct.calcsize(rest) : at + size], order, rest, kind, values
                )
        yield page
    raise ValueError(f"it has more than {_MOST_PAGES} pages")


_LOOKED_AT = {_SUBFILE, _BITS, _SAMPLES_PER_PIXEL, _PLANAR, _TILE_WIDTH, _TILE_LENGTH, _SAMPLES}


def _values(file: BinaryIO, inside: bytes, order: str, rest: str, kind: int, count: int) -> tuple[int, ...]:
    """The first values of a tag: they lie in it, or where it says."""
    form = f"{order}{min(count, _SHOWN)}{_NUMBERS[kind]}"
    if count * struct.calcsize(_NUMBERS[kind]) > len(inside):
        file.seek(_unpack(order + rest, inside)[0])
        inside = file.read(struct.calcsize(form))
    return _unpack(form, inside)


def _unpack(form: str, content: bytes) -> tuple[int, ...]:
    if len(content) < struct.calcsize(form):
        raise ValueError("its tags are cut off")
    return struct.unpack_from(form, content)
