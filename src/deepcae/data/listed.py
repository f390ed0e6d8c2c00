"""A list of image files: lines `file label`, split at the last blank, as Caffe's tools and its ImageData layer read it.

What is kept of a line is its name's bytes and 16 more: lists of millions of lines are common.
"""

from __future__ import annotations

import os
import re
from array import array
from pathlib import Path

from ..bounds import Allowance
from ..errors import DataError
from ..inplace import lines_of, why_no_file

LONGEST = 2**16  # bytes of a line
_LABELS = range(-(2**31), 2**31)
_NUMBER = re.compile(rb"[+-]?\d{1,19}")
_PER_LINE = 24  # bytes beside the name's, arrays growing


class ListedImages:
    """The lines that are not blank, in order: `name(i)`, `label(i)`, and `place(i)`, which is `file:line`."""

    def __init__(self, path: Path, exact: bool = True) -> None:
        """DataError for a file that is missing or lists nothing, and for a line that is something else.

        `exact`: nothing may follow the digits of a label; without, what follows is passed over, as by C's `atoi`.
        """
        if why := why_no_file(path):
            raise DataError(f"{path}: {why if os.path.exists(path) else f'no such list file ({_MEANT})'}")
        self.path, self._exact = path, exact
        self.labels = array("i")
        self._names, self._ends, self._lines = bytearray(), array("Q", [0]), array("I")
        try:
            allowance = Allowance(path.stat().st_size)
            for number, line in enumerate(lines_of(path, LONGEST), 1):
                if line.strip():
                    allowance.take(len(line) + _PER_LINE)
                    self._add(number, line.rstrip())
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error
        except ValueError as error:
            raise DataError(f"{path}: {error}") from error
        if not self.labels:
            raise DataError(f"{path}: lists no image")

    def _add(self, number: int, line: bytes) -> None:
        name, _, label = line.rpartition(b" ")
        digits = _NUMBER.fullmatch(label) if self._exact else _NUMBER.match(label)
        if len(line) > LONGEST or not name or not digits or int(digits[0]) not in _LABELS:
            given = repr(os.fsdecode(line[:80]))
            raise DataError(f"{self.path}:{number}: needs {_NEEDED}, not {given}")
        self._names += name
        self._ends.append(len(self._names))
        self._lines.append(number)
        self.labels.append(int(digits[0]))

    def __len__(self) -> int:
        return len(self.labels)

    def name(self, index: int) -> str:
        """The image file's name as it stands in the list."""
        return os.fsdecode(bytes(self._names[self._ends[index] : self._ends[index + 1]]))

    def place(self, index: int) -> str:
        """Where the line stands, for a message."""
        return f"{self.path}:{self._lines[index]}"


_MEANT = "a text file with lines `image label`"
_NEEDED = "an image file, a blank and an integer label"
