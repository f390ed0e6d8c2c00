"""Movies: each frame is a row, exactly the one of its number, whatever was read before. By PyAV (FFmpeg).

An index of all frames is made first, without decoding: their times, and which can be begun with. Frame i is found by
seeking to the last of these before it, and decoding until its time comes. Grey movies have one channel, of 8 or 16
bits; all others three: R, G, B.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..bounds import ROOM
from ..errors import DataError, first_line
from ..inplace import system_error
from .stored import Format, Stored, Told

ENDINGS = (
    ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".wmv", ".ts", ".mts", ".ogv", ".flv", ".3gp",
    ".mj2",
)  # fmt: skip
_DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,avi,matroska,webm,mpeg,mpegts,asf,ogg,flv,mpegvideo,gif"  # none that names files
_OPTIONS = {"format_whitelist": _DEMUXERS, "protocol_whitelist": "file,pipe"}
_MOST_FRAMES = 20_000_000
_EVEN = 0.9  # of all steps in time are equal where a rate is even
_HELD = 4  # copies of a frame at a time, as FFmpeg decodes
_PACKED = 2**20  # bytes that decoding keeps: no other file stays open beside it


class Movie(Stored):
    """The frames of a file's first video: decoded forwards, and anew from a key frame where one lies behind."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with _told(path), _opened(path) as (container, stream):
            times, keys = _index(container, stream)
            name, size = stream.codec_context.pix_fmt or "", (stream.codec_context.height, stream.codec_context.width)
            codec = stream.codec_context.name
            turned = _turn(container, stream)
            base = stream.time_base  # seconds of a step of its clock
        if not times:
            raise DataError(f"{path}: holds no frames")
        self._times = np.array(times, np.int64)  # in the order in which they are shown
        self._keys = np.array(keys, np.int64)
        grey, deep = (
            name.startswith("gray"),
            name.startswith("gray") and name[4:6] in ("9l", "9b", "10", "12", "14", "16"),
        )
        self._format = "gray16le" if deep else "gray" if grey else "rgb24"
        self._turn = turned
        height, width = size[::-1] if turned % 2 else size
        channels = 1 if grey else 3
        if height * width * channels * 8 * _HELD > 4 * ROOM or min(size) < 1:
            raise DataError(f"{path}: its frames of {size[0]}x{size[1]} pixels are too large")
        dtype = np.dtype(np.uint16 if deep else np.uint8)
        super().__init__(str(path), (len(self._times), channels, height, width), dtype, packed=_PACKED)
        notes = [f"turned by {90 * turned} degrees, as the camera was held"] if turned else []
        notes += _gaps(self._times)
        seconds = self._times * float(base) if base else None
        self.told = Told((("t", len(self._times)),), len(self._times) > 1, (f"{codec}, {name}", *notes), seconds)
        self._next = 0
        self._frames: Iterator[Any] | None = None
        self._open: Any = None

    def read(self, start: int, stop: int) -> np.ndarray:
        rows = np.empty((stop - start, *self.shape[1:]), self.dtype)
        with _stumbled():
            for row in range(start, stop):
                rows[row - start] = self._frame(row)
        return rows

    def _frame(self, row: int) -> np.ndarray:
        before = int(np.searchsorted(self._keys, row, side="right")) - 1
        key = int(self._keys[before]) if before >= 0 else 0
        if self._frames is None or row < self._next or key > self._next:
            self._seek(key)
        found = self._decoded(row)
        if found is None and key:  # some containers seek too far
            self._seek(0)
            found = self._decoded(row)
        if found is None:
            self.close()
            raise ValueError(f"frame {row} cannot be decoded")
        self._next = row + 1
        return found

    def _decoded(self, row: int) -> np.ndarray | None:
        """The frame of this number; None where only later ones come."""
        assert self._frames is not None
        for frame in self._frames:
            at = self._number(frame)
            if at == row:
                return self._pixels(frame)
            if at > row:
                break
        return None

    def _number(self, frame: Any) -> int:
        if frame.pts is None:
            raise ValueError("a frame has no time")
        at = int(np.searchsorted(self._times, frame.pts))
        if at == len(self._times) or self._times[at] != frame.pts:
            return -1  # nobody's: it lies before the first one that is shown
        return at

    def _seek(self, key: int) -> None:
        """Makes the decoder begin with a key frame."""
        self.close()
        self._open = _opened(self._path)
        container, stream = self._open.__enter__()
        if key > 0:
            container.seek(int(self._times[key]), stream=stream, backward=True, any_frame=False)
        self._frames = container.decode(stream)
        self._next = key

    def _pixels(self, frame: Any) -> np.ndarray:
        if frame.is_corrupt:
            raise ValueError("a frame is damaged")
        pixels = np.asarray(frame.to_ndarray(format=self._format))
        pixels = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)
        return np.rot90(pixels, self._turn, axes=(1, 2))

    def close(self) -> None:
        self._frames = None
        if self._open is not None:
            opened, self._open = self._open, None
            opened.__exit__(None, None, None)


def _index(container: Any, stream: Any) -> tuple[list[int], list[int]]:
    """The times of all frames that are shown, sorted, and the numbers of those that can be begun with."""
    found: dict[int, bool] = {}
    for packet in container.demux(stream):
        if packet.size == 0 and packet.pts is None:
            continue  # the end
        time = packet.pts if packet.pts is not None else packet.dts
        if time is None or packet.is_discard:
            if time is None:
                raise ValueError("its frames have no times; convert it first, such as to .mkv")
            continue
        found[int(time)] = found.get(int(time), False) or bool(packet.is_keyframe)
        if len(found) > _MOST_FRAMES:
            raise ValueError(f"it has more than {_MOST_FRAMES} frames")
    times = sorted(found)
    return times, [number for number, time in enumerate(times) if found[time]]


def _gaps(times: np.ndarray) -> list[str]:
    """A note where frames of an even rate are missing: a damaged part of a file is passed over without a word."""
    steps = np.diff(times)
    usual = float(np.median(steps)) if len(steps) else 0.0
    if not usual or np.mean(np.abs(steps - usual) <= 0.1 * usual) < _EVEN:
        return []
    missing = int(np.maximum(np.round(steps / usual) - 1, 0).sum())
    return [f"{missing} frames seem to be missing: there are gaps in its times"] if missing else []


def _turn(container: Any, stream: Any) -> int:
    """Quarter turns, counter-clockwise, that show the movie as the camera was held: by its first frame."""
    container.seek(0, stream=stream)
    for frame in container.decode(stream):
        return round(float(getattr(frame, "rotation", 0) or 0) / 90) % 4
    return 0


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    try:
        import av
    except ModuleNotFoundError as error:
        raise DataError(f"{path}: reading movies needs PyAV: pip install av") from error
    with av.open(f"file:{path.absolute()}", options=dict(_OPTIONS), metadata_errors="replace") as container:
        if not container.streams.video:
            raise DataError(f"{path}: holds no video")
        stream = container.streams.video[0]
        if stream.codec_context is None:
            raise ValueError("its codec is not known")
        stream.codec_context.options = {"err_detect": "crccheck+bitstream+explode"}  # damage is told, not painted over
        yield container, stream


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        with _stumbled():
            yield
    except (ValueError, OSError) as error:
        reason = system_error(error) if isinstance(error, OSError) else ""
        told = f"cannot be read: {reason}" if reason else f"is damaged, or no movie ({first_line(error)})"
        raise DataError(f"{path}: {told}") from error


@contextmanager
def _stumbled() -> Iterator[None]:
    """What FFmpeg raises, as a ValueError."""
    try:
        yield
    except (DataError, ValueError, OSError):
        raise
    except Exception as error:
        with suppress(ImportError):
            import av

            if isinstance(error, av.FFmpegError):
                raise ValueError(first_line(error)) from error
        raise


def _is_movie(path: Path, head: bytes) -> bool:
    return path.suffix.lower() in ENDINGS and path.is_file()


FORMAT = Format("video", _is_movie, lambda path: {"data": Movie(path)}, of_pictures=False)
