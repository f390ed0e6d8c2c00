"""Files that are opened where they stand: logs, locks, records. What a link would lead to is never written to.

A file that appears whole needs none of this: see `atomic`.
"""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import IO, Any

from .atomic import H5_ERRNO, kind_of, told_of, whole_file
from .bounds import SMALL

HDF5_START = b"\x89HDF\r\n\x1a\n"  # what such a file begins with, or after a block of its user's own

_OURS = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)

_OF_THE_SYSTEM = {
    getattr(errno, name)
    for name in ("EIO", "EACCES", "EPERM", "ENOSPC", "EROFS", "ENXIO", "ENODEV", "ENFILE", "EMFILE", "ESTALE",
                 "ETIMEDOUT", "EDQUOT", "EREMOTEIO")
    if hasattr(errno, name)
}  # fmt: skip
_OF_THE_MACHINE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENOMEM, errno.EROFS}


def open_descriptor(path: str | os.PathLike[str], flags: int) -> int:
    """Opens (with O_CREAT: makes) a file. OSError says so where the name is a link, or stands for no file."""
    try:
        descriptor = os.open(path, flags | _OURS, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP and os.path.islink(path):
            sentence = "is a link, and nothing is written through links; remove it"
            raise OSError(errno.ELOOP, sentence, str(path)) from None
        if error.errno == errno.ENXIO:
            raise _no_file(path, os.lstat(path).st_mode) from None
        raise
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        raise _no_file(path, kind)
    return descriptor


def open_to_append(path: str | os.PathLike[str]) -> IO[str]:
    """A text file (UTF-8, each line written at once) to add to. Missing folders are made.

    A file that has a second name (a hard link) is copied first: under that name it stays as it is.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    descriptor = open_descriptor(target, flags)
    if os.fstat(descriptor).st_nlink > 1:
        os.close(descriptor)
        with os.fdopen(open_descriptor(target, os.O_RDONLY), "rb") as old, whole_file(target) as new:
            new.write_bytes(old.read())
        descriptor = open_descriptor(target, flags)
    return open(descriptor, "a", encoding="utf-8", errors="surrogateescape", buffering=1)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, through links too. OSError for a pipe or a device, which would be waited for."""
    with open_to_read(path) as file:
        return file.read()


def json_of(path: str | os.PathLike[str]) -> Any:
    """What a JSON file that is small by nature holds. OSError as by `open_to_read`; ValueError for all that is no such.

    Of a name that is a pipe, endless, nested too deeply, or larger than `bounds.SMALL`, too.
    """
    with open_to_read(path) as file:
        data = file.read(SMALL + 1)
    if len(data) > SMALL:
        raise ValueError(f"such a file has less than {SMALL >> 20} MiB")
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def start_of(path: str | os.PathLike[str], size: int = len(HDF5_START)) -> bytes:
    """The first bytes of a file, by which its format is known. OSError as by `open_to_read`."""
    with open_to_read(path) as file:
        return file.read(size)


def open_to_read(path: str | os.PathLike[str]) -> BufferedReader:
    """A file, through links too, opened for its bytes. OSError for a pipe or a device, which would be waited for."""
    kind = os.stat(path).st_mode
    if not stat.S_ISREG(kind):  # not even opened: that can be waited for, or do something
        raise _no_file(path, kind)
    return BufferedReader(_Named(os.fspath(path)))


def lines_of(path: str | os.PathLike[str], longest: int) -> Iterator[bytes]:
    """The lines of a file with their ends, one at a time; of a line of more than `longest` bytes the first of them.

    Such a line comes as `longest` + 1 bytes, and the rest of it is passed over.
    """
    with open_to_read(path) as file:
        while line := file.readline(longest + 1):
            yield line
            while line and not line.endswith(b"\n"):
                line = file.readline(longest + 1)


def failure_of(file: Any) -> OSError | None:
    """What went wrong while a file of `open_to_read` was read, whether or not somebody has hidden it since."""
    return getattr(getattr(file, "raw", None), "failure", None)


class _Named(FileIO):
    """A file opened to read whose OSErrors name it: those of a failing disk name nothing."""

    failure: OSError | None = None

    def readinto(self, buffer: Any) -> int:
        with self._told():
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._told():
            return super().readall()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with told_of(Path(os.fsdecode(self.name))):
                yield
        except OSError as error:
            self.failure = error
            raise


def system_error(error: BaseException | None) -> str:
    """What a disk or the system's rights have to do with an error, in the system's words; "" where they have nothing.

    Readers of formats hide it behind errors of their own: a zip that cannot be read is "not a zip file".
    """
    code = _system_code(error, _OF_THE_SYSTEM)
    return os.strerror(code) if code else ""


def of_the_machine(error: BaseException | None) -> bool:
    """Whether it comes of a disk or a memory that fails, and not of what was given."""
    return bool(_system_code(error, _OF_THE_MACHINE))


def _system_code(error: BaseException | None, wanted: set[int]) -> int:
    """The first wanted code of the system in an error, or in what it was raised from; 0 where there is none."""
    while error is not None:
        found = H5_ERRNO.search(str(error))
        code = int(found[1]) if found else getattr(error, "errno", None)
        if isinstance(code, int) and code in wanted:
            return code
        error = error.__cause__ or error.__context__
    return 0


def unread(path: str | os.PathLike[str], error: BaseException, otherwise: str) -> str:
    """The sentence about a file that could not be read: the system's reason, else `otherwise`, which names it, too."""
    reason = system_error(error)
    return f"{os.fspath(path)}: cannot be read: {reason}" if reason else otherwise


def why_no_file(path: str | os.PathLike[str]) -> str:
    """Why nothing can be read under this name, in words; "" where a file is there."""
    try:
        kind = os.stat(path).st_mode
    except OSError as error:
        known = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG)
        return "no such file" if error.errno in known else error.strerror or str(error)
    except ValueError:  # a NUL in the name
        return "no such file"
    if stat.S_ISDIR(kind):
        return "this is a folder, not a file"
    return "" if stat.S_ISREG(kind) else f"is {kind_of(kind)}, not a file; give a file"


def _no_file(path: str | os.PathLike[str], mode: int) -> OSError:
    if stat.S_ISDIR(mode):
        return IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    return OSError(errno.EINVAL, f"is {kind_of(mode)}, not a file; give a file", str(path))
