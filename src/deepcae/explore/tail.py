"""The records of a run's `metrics.jsonl`, read on from where the last look ended, while another process adds to it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

from ..inplace import open_to_read
from ..solver.metrics import LONGEST, MANY, record_of

Record = dict[str, Any]
MOST = 4000  # records of a kind of which a run has many that a page is shown
_BLOCK = 2**20  # bytes read at a time


@dataclass
class Look:
    """What a look at the file gave. `begun`: it is another file than before, or the first: `records` are all of it."""

    records: list[Record] = field(default_factory=list)
    begun: bool = False
    every: int = 1  # of the records of which there are many, only each so-manieth is there
    gone: str = ""  # why there is no file, in words


class Tail:
    """A file to which lines are added, and in whose place a resumed training puts another one.

    It stays open between two looks: as long as it is, no new file can be taken for it. A last line without its end is
    read when it has one. Damaged lines are passed over.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BufferedReader | None = None
        self._rest = b""  # of a line whose end has not been written
        self._skips = False  # whether the rest of a line that is too long is passed over

    def look(self) -> Look:
        """The records since the last look; of a new file all, thinned out where there are too many for a page."""
        try:
            begun = self._is_other()
            if begun:
                self.close()
                self._file = open_to_read(self.path)
            if self._file is None:
                return Look()
            kept = Thinned(MOST if begun else None)
            for record in self._read(self._file):
                kept.add(record)
            return Look(kept.records(), begun, kept.every)
        except OSError as error:
            self.close()
            return Look(gone=f"{self.path}: {error.strerror or error}")

    def close(self) -> None:
        """Lets go of the file; the next look begins anew."""
        if self._file is not None:
            with suppress(OSError):
                self._file.close()
        self._file, self._rest, self._skips = None, b"", False

    def _is_other(self) -> bool:
        there = os.stat(self.path)
        if self._file is None:
            return True
        ours = os.fstat(self._file.fileno())
        return not os.path.samestat(there, ours) or ours.st_size < self._file.tell()

    def _read(self, file: BufferedReader) -> Iterator[Record]:
        while block := file.read(_BLOCK):
            *lines, self._rest = (self._rest + block).split(b"\n")
            for line in lines:
                skips, self._skips = self._skips, False
                record = None if skips or not line.strip() else record_of(line)[0]
                if record is not None:
                    yield record
            if len(self._rest) > LONGEST:
                self._rest, self._skips = b"", True


class Thinned:
    """Records in their order. Of each kind of which there are many, every second (fourth, …) stays, and the last."""

    def __init__(self, most: int | None) -> None:
        """`most` of such a kind are kept at least, and less than twice as many; None: all."""
        self.every = 1
        self._most = most
        self._kept: list[tuple[int, Record]] = []  # with their number among those of their kind
        self._seen = Counter[str]()
        self._last: dict[str, Record] = {}

    def add(self, record: Record) -> None:
        kind = record["kind"]
        number = self._seen[kind]
        self._seen[kind] += 1
        if kind not in MANY:
            self._kept.append((0, record))
            return
        self._last[kind] = record
        if number % self.every == 0:
            self._kept.append((number, record))
        if self._most is not None and self._seen[kind] >= 2 * self._most * self.every:
            self.every *= 2
            self._kept = [each for each in self._kept if each[0] % self.every == 0]

    def records(self) -> list[Record]:
        """What is kept, with the last record of each kind, which tells where the run stands."""
        kept = [record for _, record in self._kept]
        there = set(map(id, kept))
        return [*kept, *(record for record in self._last.values() if id(record) not in there)]


def all_records(path: Path) -> Look:
    """The records of a file as it is now."""
    tail = Tail(path)
    try:
        return tail.look()
    finally:
        tail.close()


def points_of(records: Iterable[Record]) -> int:
    """How many of them a page draws."""
    return sum(record["kind"] in MANY for record in records)
