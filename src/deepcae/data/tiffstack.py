"""TIFF stacks: several pages, BigTIFF, ImageJ's hyperstacks, OME; pages are rows, read where they lie.

Axes are those that the file names (T, Z, C, Y, X; see `named`). Pages that lie one after another uncompressed are read
as they lie, also ImageJ's of more than 4 GB, which have one page's tags alone; others are unpacked one by one. What
tifffile cannot unpack alone (LZW, JPEG) pillow does, where it gives the same numbers.
"""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ..bounds import require_room
from ..errors import DataError, first_line
from ..inplace import system_error, unread
from .named import SPELLED, Key, Named, made_of
from .pages import PlainPages, read_by_pillow
from .stored import DAMAGE, Format, Stored, Told

STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_LOG = logging.getLogger("tifffile")
_STUMBLES = (*DAMAGE, IndexError, AssertionError, ArithmeticError, MemoryError, AttributeError, struct.error)
_ALPHA, _PALETTE, _WHITE_FIRST = (1, 2), 3, 0
_LOG.addHandler(logging.NullHandler())


class TiffArrays(Mapping[str, Stored]):
    """`data`: the images of the file; where it holds several series, also `series1` … by number."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with opened_tiff(path) as file:
            count = len(file.series)
        self._names = {"data": 0, **({f"series{n}": n for n in range(count)} if count > 1 else {})}

    def __getitem__(self, name: str) -> Stored:
        return TiffStack(self._path, self._names[name], len(self._names) - 1)

    def plain(self, name: str) -> Stored:
        """The series as an array, for axes that a person names in place of the file's."""
        return _Plain(TiffStack(self._path, self._names[name], len(self._names) - 1))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class TiffStack(Named):
    """One series of a file. What is open between reads is the file, where its pages are unpacked one by one."""

    def __init__(self, path: Path, number: int, count: int) -> None:
        self._path, self._number = path, number
        self._file: Any = None
        with opened_tiff(path) as file:
            series = file.series[number]
            page, axes, shape = series.keyframe, series.axes.lower(), tuple(series.shape)
            _require_whole(series, path)
            self._page_shape = tuple(page.shape)
            self.lead = shape[: len(shape) - len(self._page_shape)]
            if shape[len(self.lead) :] != self._page_shape:
                raise DataError(f"{path}: its pages {list(self._page_shape)} do not make up its shape {list(shape)}")
            dtype = np.dtype(series.dtype)
            self._white = _white_of(page, dtype)
            begin = series.dataoffset
            as_it_lies = dtype.newbyteorder(file.byteorder)
            self._plain = None if begin is None else PlainPages(path, self._page_shape, as_it_lies, begin)
            is_clear = _is_clear(page)
            interval = (file.imagej_metadata or {}).get("finterval")  # seconds
            notes = list(_notes(page, series, count))
        colours = shape[axes.index("s")] - 1 if is_clear and "s" in axes else None
        super().__init__(str(path), axes, shape, dtype, self._part, notes=notes, colours=colours)
        told = Told() if self.told is None else self.told
        self.told = _timed(replace(told, notes=(*_taken(axes, shape), *notes)), interval)
        self.notes = tuple(notes)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.shown(super().read(start, stop))

    def shown(self, values: np.ndarray) -> np.ndarray:
        """With 0 as black."""
        return values if self._white is None else self._white - values

    def _part(self, key: Key) -> np.ndarray:
        """The pages of a part of the array; of a page all is read."""
        leading = len(self.lead)
        pages = np.arange(math.prod(self.lead)).reshape(self.lead)[key[:leading]]
        found = [self._pages(first, count) for first, count in _runs(pages.reshape(-1).tolist())]
        whole = np.concatenate(found).reshape(*pages.shape, *self._page_shape)
        return whole[(*(slice(None) for _ in range(leading)), *key[leading:])]

    def _pages(self, first: int, count: int) -> np.ndarray:
        if self._plain is not None:
            return self._plain.read(first, count).astype(self.dtype, copy=False)
        return np.stack([self._unpacked(number) for number in range(first, first + count)])

    def _unpacked(self, number: int) -> np.ndarray:
        if self._file is None:
            self._file = _opened(self._path)
        page = self._file.series[self._number][number]
        try:
            found: np.ndarray = page.asarray(maxworkers=1)
        except (ValueError, ImportError) as error:
            if "imagecodecs" not in str(error):
                raise
            return read_by_pillow(self._path, page.index, self._page_shape, self.dtype, str(page.compression.name))
        if found.shape != self._page_shape:
            raise ValueError(f"page {page.index} has shape {list(found.shape)}, the first {list(self._page_shape)}")
        return found

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


class _Plain(Stored):
    """A series as it lies, (pages ..., height, width), whatever its axes are called."""

    def __init__(self, stack: TiffStack) -> None:
        super().__init__(stack.origin, stack.array_shape, stack.dtype)
        self.chunks = (*(1 for _ in stack.lead), *stack.array_shape[len(stack.lead) :])
        self.notes, self._stack = stack.notes, stack

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.part((slice(start, stop), *(slice(None) for _ in self.shape[1:])))

    def part(self, key: Key) -> np.ndarray:
        return self._stack.shown(self._stack.fetch(key))

    def close(self) -> None:
        self._stack.close()


def _taken(axes: str, shape: Sequence[int]) -> Iterator[str]:
    """What the axes are taken for, and how they are taken otherwise, where it is not as clear as for a row of times."""
    for made in made_of(axes, shape):
        yield f"{made}; --axes reads them otherwise"
    counted = [(name, size) for name, size in zip(axes, shape, strict=True) if name not in "csyx" and size > 1]
    if [name in SPELLED for name, _ in counted] == [False]:
        name, size = counted[0]
        otherwise = f"; if they are channels: --axes {axes.replace(name, 'c')}" if "c" not in axes else ""
        yield f"axes {axes.upper()}: what its {size:,} pages are is not said, each is an image here{otherwise}"


def _timed(told: Told | None, interval: Any) -> Told | None:
    """With the time of each row, where the rows count times that ImageJ says the interval of."""
    steps = dict(told.steps) if told is not None else {}
    if told is None or "t" not in steps or not isinstance(interval, int | float) or not 0 < interval < math.inf:
        return told
    times = np.indices(tuple(steps.values()))[list(steps).index("t")].reshape(-1)
    return replace(told, seconds=times * float(interval))


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, how many) of numbers that follow one another."""
    first, last = numbers[0], numbers[0]
    for number in numbers[1:]:
        if number != last + 1:
            yield first, last - first + 1
            first = number
        last = number
    yield first, last - first + 1


@contextmanager
def opened_tiff(path: Path) -> Iterator[Any]:
    """tifffile's file. DataError for what is damaged or truncated: tifffile gives what is left, and logs it."""
    complaints = _Complaints()
    _LOG.addHandler(complaints)
    try:
        with _opened(path) as file:
            series = file.series
            if complaints.said:
                raise DataError(f"{path}: is damaged or truncated ({complaints.said[0]})")
            if not series:
                raise DataError(f"{path}: holds no images")
            yield file
    except DataError:
        raise
    except _STUMBLES as error:
        reason = first_line(error) if not system_error(error) else ""
        raise DataError(unread(path, error, f"{path}: is damaged or truncated ({reason})")) from error
    finally:
        _LOG.removeHandler(complaints)


def _opened(path: Path) -> Any:
    """tifffile's file. Equal pages that somebody wrote one by one, each told of as a series, are a stack."""
    import tifffile

    file = tifffile.TiffFile(path, _multifile=False)
    try:
        series = file.series if file.is_shaped else []
        kinds = {(each.kind, tuple(each.shape), each.dtype, each.keyframe.photometric, len(each)) for each in series}
        if len(series) < 2 or len(kinds) > 1 or next(iter(kinds))[0] != "shaped" or len(series[0]) != 1:
            return file
    except BaseException:
        file.close()
        raise
    file.close()
    return tifffile.TiffFile(path, _multifile=False, is_shaped=False)


class _Complaints(logging.Handler):
    """Keeps what is logged as an error."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage().split("> ", 1)[-1])


def _require_whole(series: Any, path: Path) -> None:
    """DataError where values lie behind the end of the file, or are not there."""
    size = path.stat().st_size
    try:
        require_room(math.prod(series.keyframe.shape) * np.dtype(series.dtype).itemsize * 2, size)
    except ValueError as error:
        raise DataError(f"{path}: a page: {error}") from None
    if series.dataoffset is not None:
        needed = series.dataoffset + series.nbytes
        if needed > size:
            raise DataError(f"{path}: is truncated: its pages need {needed} bytes, it has {size}")
        return
    for number, page in enumerate(series):
        if page is None:
            raise DataError(f"{path}: image {number} of {len(series)} lies in another file; give files that are whole")
        ends = [at + count for at, count in zip(page.dataoffsets, page.databytecounts, strict=False)]
        if not ends or max(ends) > size or 0 in page.databytecounts:
            raise DataError(f"{path}: is truncated: page {page.index} is not whole")


def _notes(page: Any, series: Any, count: int) -> Iterator[str]:
    if count > 1:
        kinds = f"{'x'.join(map(str, series.shape))}"
        yield f"holds {count} series of images; this is one of them, {kinds}: --dataset series0, series1, ... names one"
    if page.photometric == _PALETTE:
        yield "its pages have a colour table; values are taken as they are stored, without it"
    if page.photometric == _WHITE_FIRST:
        yield "0 is white in it; values are turned round, so that 0 is black"
    if _is_clear(page):
        yield "transparency is left out"


def _white_of(page: Any, dtype: np.dtype[Any]) -> Any:
    """The greatest value of a file in which 0 is white."""
    if page.photometric != _WHITE_FIRST or dtype.kind != "u":
        return None
    return dtype.type(2**page.bitspersample - 1)


def _is_clear(page: Any) -> bool:
    return bool(set(page.extrasamples) & set(_ALPHA))


FORMAT = Format("TIFF", lambda path, head: head.startswith(STARTS), TiffArrays, of_pictures=False)
