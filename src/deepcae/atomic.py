"""Files and folders that appear whole or not at all.

Temporary ones lie beside what they will become, under a name that nobody can guess, and which tells who makes it:
`.NAME.PID-START-PLACE-RANDOM.tmp`. So what a killed process left is known from what a living one is writing.
"""

from __future__ import annotations

import errno
import filecmp
import hashlib
import itertools
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from .errors import warn

_TEMPORARY = re.compile(r"\..+\.(?P<pid>\d+)-(?P<start>\d+)-(?P<place>[0-9a-f]{8})-[0-9a-f]{8}\.tmp", re.DOTALL)
_MOST_OF_A_NAME = 190  # bytes: with what is added, a name stays below the 255 that file systems allow
H5_ERRNO = re.compile(r"errno = (\d+)")
_NEW = (
    os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)  # fmt: skip
_NO_FOLDER_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOSYS, errno.EOPNOTSUPP}
MARK = "made by deepcae"
_HEAD = 2**16  # bytes at the beginning and the end of a file in which the mark may stand
_TABLES = (".csv", ".md", ".train", ".test")
_keeps_foreign: ContextVar[bool] = ContextVar("whether foreign files are kept", default=False)
_swept: set[tuple[int, Path]] = set()  # folders that this process has looked through


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; at the end of the block it takes the name `path`.

    The content is on the disk before the rename, so that a reader (or a crash) meets the old file or the new one. When
    the block raises, `path` is as it was and the temporary file is gone. Missing folders are made. A link of that name
    is replaced, and what it leads to stays as it is; a device or a pipe is refused. An OSError names `path`.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    _require_replaceable(target)
    _sweep_once(target.parent)
    temporary = temporary_beside(target)
    with told_of(target, temporary):
        create(temporary)
        try:
            yield temporary
            _sync(temporary, os.O_RDWR)
            if _keeps_foreign.get() and _is_foreign(target, temporary):
                warn(f"{target} was not made by deepcae; it is kept as {set_aside(target)}")
            os.replace(temporary, target)
        finally:
            with suppress(FileNotFoundError):
                temporary.unlink()
    _sync_name(target)


@contextmanager
def foreign_kept(applies: bool = True) -> Iterator[None]:
    """Inside, `whole_file` keeps a file that is there and not deepcae's as `<name>~`, and tells it.

    For names that nobody gave, as `filters.png` in the folder that `-o` names. A file that is named is replaced.
    """
    token = _keeps_foreign.set(applies)
    try:
        yield
    finally:
        _keeps_foreign.reset(token)


@contextmanager
def whole_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a new folder beside `path` to fill; at the end of the block it takes the name `path`, which must be free.

    FileExistsError where `path` exists, before and after the block. When the block raises, nothing is left.
    """
    target = Path(path)
    temporary = temporary_beside(target)
    _require_free(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep_once(target.parent)
    with told_of(target, temporary):
        temporary.mkdir()
        try:
            yield temporary
            for path in (temporary, *temporary.rglob("*")):
                sync_folder(path) if path.is_dir() else _sync(path, os.O_RDWR)
            _require_free(target)
            os.rename(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    _sync_name(target)


def cannot_write(path: str | os.PathLike[str], error: OSError, needed: int = 0, what: str = "") -> str:
    """Why a file (or `what` in it) cannot be written, and how many bytes are needed and free, where that is known."""
    told = f"{os.fspath(path)}: {what}{' ' * bool(what)}cannot be written: {error.strerror or error}"
    if needed:
        told += f"; {needed} bytes are needed"
        with suppress(OSError):
            told += f", {shutil.disk_usage(Path(path).parent).free} are free"
    return told


def set_aside(path: Path) -> Path:
    """Keeps a file that another one takes the place of as `<name>~`, or `<name>~2` …: somebody may have written it."""
    return path.rename(free_beside(path))


def free_beside(path: Path) -> Path:
    """The first name `<name>~`, `<name>~2` … that is free."""
    names = (path.with_name(f"{path.name}~{number if number > 1 else ''}") for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def create(path: Path) -> None:
    """Makes an empty file, of a name that is not there yet in any form."""
    os.close(os.open(path, _NEW, 0o666))


def write_new(path: Path, data: bytes) -> None:
    """Makes a file of a name that is not there yet; its bytes are on the disk when this returns."""
    descriptor = os.open(path, _NEW, 0o666)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_beside(target: Path) -> Path:
    """A new name in the folder of `target`."""
    kept = os.fsdecode(os.fsencode(target.name)[:_MOST_OF_A_NAME])
    maker = f"{os.getpid()}-{_start_of(os.getpid())}-{_place()}"
    return target.with_name(f".{kept}.{maker}-{secrets.token_hex(4)}.tmp")


def remove_leftovers(folder: Path) -> list[Path]:
    """Removes what processes that are no more have left here of files that they did not finish; gives their paths.

    A process of another machine or container is taken for alive: nothing here can tell.
    """
    removed = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            match = _TEMPORARY.fullmatch(entry.name)
            if not match or match["place"] != _place() or _is_alive(int(match["pid"]), match["start"]):
                continue
            path = Path(folder, entry.name)
            with suppress(OSError):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(path)
                elif entry.is_file(follow_symlinks=False):
                    path.unlink()
                else:
                    continue
                removed.append(path)
    return removed


@contextmanager
def told_of(target: Path, temporary: Path | None = None) -> Iterator[None]:
    """Lets an OSError name the file that was asked for, where it names none, or the temporary one."""
    try:
        yield
    except OSError as error:
        hidden = temporary is not None and str(temporary) in f"{error} {error.filename} {error.filename2}"
        code, reason = error.errno, error.strerror
        if found := H5_ERRNO.search(str(error)):  # h5py's words, of several lines
            code, reason = int(found[1]), os.strerror(int(found[1]))
        if code is not None and (hidden or error.filename is None):
            raise type(error)(code, reason, str(target)) from None
        if hidden:
            raise type(error)(str(error).replace(str(temporary), str(target))) from None
        raise


def sync_folder(folder: Path) -> None:
    """Puts a folder's names on the disk, so that a rename outlives a crash. Not every system has such a call."""
    if os.name == "posix":
        try:
            _sync(folder, os.O_RDONLY)
        except OSError as error:
            if error.errno not in _NO_FOLDER_SYNC:
                raise


def _sync_name(target: Path) -> None:
    """`sync_folder`, of which an OSError names the file: who wrote it knows nothing of the folder."""
    try:
        sync_folder(target.parent)
    except OSError as error:
        raise type(error)(error.errno, error.strerror, str(target)) from None


def _sync(path: Path, flags: int) -> None:
    with told_of(path):
        descriptor = os.open(path, flags)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _require_replaceable(target: Path) -> None:
    """OSError where the name stands for something that is no file: `os.replace` would put a file in its place."""
    with suppress(FileNotFoundError):
        kind = os.stat(target).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(target))
        if not stat.S_ISREG(kind):
            raise FileExistsError(errno.EEXIST, f"is {kind_of(kind)}, not a file; it is not replaced", str(target))


def _require_free(target: Path) -> None:
    with suppress(FileNotFoundError):
        os.lstat(target)
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))


def kind_of(mode: int) -> str:
    """What a name stands for, in words, by its `st_mode`."""
    kinds = {
        stat.S_IFREG: "a file",
        stat.S_IFDIR: "a folder",
        stat.S_IFLNK: "a link",
        stat.S_IFIFO: "a pipe (FIFO)",
        stat.S_IFSOCK: "a socket",
    }
    return kinds.get(stat.S_IFMT(mode), "a device")


def _is_foreign(target: Path, new: Path) -> bool:
    """Whether a file is there that deepcae did not make, as far as can be seen, and that is not equal to the new one.

    Pictures and pages of ours carry `MARK`; tables begin with the same line.
    """
    if not target.is_file() or target.is_symlink():  # of a link, only the name is replaced
        return False
    with target.open("rb") as old, new.open("rb") as made:
        before, now = old.read(_HEAD), made.read(_HEAD)
        size = old.seek(0, os.SEEK_END)
        if before == now and size == made.seek(0, os.SEEK_END) and filecmp.cmp(target, new, shallow=False):
            return False
        old.seek(max(0, size - _HEAD))
        tail = old.read()
    is_table = target.suffix in _TABLES and before.partition(b"\n")[0] == now.partition(b"\n")[0]
    return not (is_table or MARK.encode() in before.lower() or MARK.encode() in tail.lower())


def _sweep_once(folder: Path) -> None:
    key = os.getpid(), folder.absolute()
    if key not in _swept:
        _swept.add(key)
        remove_leftovers(folder)


def _is_alive(pid: int, start: str) -> bool:
    """Whether the process that was given this number at this time is there."""
    if os.name != "posix":
        return True  # os.kill would be no question there
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    now = _start_of(pid)
    return now in (start, "0") or start == "0"


def _start_of(pid: int) -> str:
    """When a process began, in ticks since the machine did; "0" where that is not told, "" for one that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
        return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
    except (OSError, IndexError):
        return "0"


@cache
def _place() -> str:
    """The machine, or the part of it, that gives processes their numbers: in hexadecimal, 32 bits."""
    told = [os.uname().nodename if hasattr(os, "uname") else ""]
    with suppress(OSError):
        told.append(os.readlink("/proc/self/ns/pid"))
    with suppress(OSError):
        told.append(Path("/etc/machine-id").read_text(errors="replace"))
    return hashlib.sha256("\n".join(told).encode(errors="replace")).hexdigest()[:8]
