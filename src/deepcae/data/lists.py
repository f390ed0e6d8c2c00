"""A text file that lists data files: their names, separated by white space."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ..bounds import Allowance
from ..errors import DataError
from ..inplace import HDF5_START, read_file, why_no_file
from ..proto.lookup import once, resolve

PER_FILE = 2000  # bytes of memory that a file takes that a list names
LONGEST_NAME = 4096  # characters
_WORDS = re.compile(rb"\S+")


def read_list(path: Path, *folders: str | Path) -> list[Path]:
    """The HDF5 files that a list file names (separated by white space), found by `resolve`."""
    if why := why_no_file(path):
        raise DataError(
            f"{path}: {why if os.path.exists(path) else 'no such list file (a text file that names HDF5 files)'}"
        )
    try:
        content = read_file(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if content.startswith(HDF5_START):
        raise DataError(f"{path}: is an HDF5 file; source must be a text file that lists HDF5 files, one name per line")
    if not content.strip():
        raise DataError(f"{path}: lists no file")
    if b"\0" in content:
        raise DataError(f"{path}: is no list of files, which is a text: it holds other bytes")
    files, allowance, tell = [], Allowance(len(content)), once(most=1)
    for number, word in enumerate(_WORDS.finditer(content), 1):
        try:
            allowance.take(len(word[0]) + PER_FILE)
        except ValueError as error:
            raise DataError(f"{path}: lists more than {number} files; {error}") from None
        name = os.fsdecode(word[0])
        files.append(resolve(name, path.parent, *folders, tell=tell))
        if not (os.path.isfile(files[-1]) or os.path.isdir(files[-1])):  # a folder may be a format, too
            total = sum(1 for _ in _WORDS.finditer(content))
            raise DataError(f"{path}: file {number} of {total}, {name[:LONGEST_NAME]!r}, does not exist")
    return files
