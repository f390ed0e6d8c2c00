"""A log of Caffe's or ours as two tables: Caffe's `parse_log.py`.

Columns: NumIters, Seconds (since the line `Solving ...`), LearningRate, then the outputs, one row for each display
(`Train net output`) and each test net (`Test net output`). Differs from Caffe's script: it reads dates with a year too
(glog 0.6), values that are not finite, blobs of several elements (`name[1]` and on) and several test nets; and the
rate is that of the row's own iteration, not of the display before.
Source: Caffe's tools/extra/parse_log.py, extract_seconds.py.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from ..atomic import whole_file
from ..bounds import Allowance
from ..errors import DataError
from ..inplace import lines_of

Row = dict[str, float]
ITERATION, SECONDS, RATE = "NumIters", "Seconds", "LearningRate"

_STAMP = re.compile(r"[IWEF](?P<year>\d{4})?(?P<month>\d\d)(?P<day>\d\d) (?P<time>\d\d:\d\d:\d\d)\.(?P<part>\d{1,6})")
_NUMBER = r"[-+]?(?:nan|inf|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)"
_ITERATION = re.compile(r"Iteration (\d+)")
_RATE = re.compile(rf"Iteration \d+, lr = ({_NUMBER})")
_OUTPUT = re.compile(rf"(Train|Test) net output #(\d+): (.+) = ({_NUMBER})(?: \(\*|$)")
_ROW, _VALUE = 400, 150  # bytes of memory
LONGEST = 2**16  # bytes of a line that are looked at
_ANY_YEAR = 2000  # a leap year, for dates that have none


@dataclass
class Log:
    """The rows of both tables, in the order of the log."""

    train: list[Row] = field(default_factory=list)
    test: list[Row] = field(default_factory=list)


def parse_log(path: str | Path) -> Log:
    """The tables of a log file. DataError for a file that is missing or no log of a training."""
    try:
        allowance = Allowance(os.stat(path).st_size)
        lines = (line[:LONGEST].decode(errors="replace").rstrip("\r\n") for line in lines_of(path, LONGEST))
        log = parse_lines(lines, allowance.take)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    if not log.train and not log.test:
        raise DataError(f"{path}: holds no line 'Train net output #...' or 'Test net output #...'; is it a Caffe log?")
    return log


def parse_lines(lines: Iterable[str], hold: Callable[[int], None] = lambda size: None) -> Log:
    """The tables of a log's lines. `hold` is told the bytes of memory that each further value takes."""
    log = Log()
    now: datetime | None = None
    start: datetime | None = None
    iteration, rate = -1, math.nan
    rows: dict[str, Row] = {}
    for line in lines:
        now = _time(line, now)
        if start is None and ("Solving" in line or iteration >= 0):
            start = now
        if found := _ITERATION.search(line):
            iteration = int(found[1])
        if found := _RATE.search(line):
            rate = float(found[1])
            _tell_rate(log, iteration, rate)
        found = _OUTPUT.search(line)
        if found and iteration >= 0:
            which, number, name, value = found.groups()
            table = log.train if which == "Train" else log.test
            if number == "0" or not table or rows.get(which, {}).get(ITERATION) != iteration:
                seconds = (now - start).total_seconds() if now and start else math.nan
                rows[which] = {ITERATION: float(iteration), SECONDS: seconds, RATE: rate}
                table.append(rows[which])
                hold(_ROW)
            hold(_VALUE + len(name))
            rows[which][_free(name, rows[which])] = float(value)
    _fill_first_rate(log.train)
    _fill_first_rate(log.test)
    return log


def write_tables(log: Log, log_path: str | Path, folder: str | Path, delimiter: str = ",") -> list[Path]:
    """Writes `<log>.train` and `<log>.test` into `folder`, each as CSV with a header."""
    written = []
    for ending, rows in (("train", log.train), ("test", log.test)):
        path = Path(folder) / f"{Path(log_path).name}.{ending}"
        names = list(dict.fromkeys(name for row in rows for name in row)) or [ITERATION, SECONDS, RATE]
        with whole_file(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, names, delimiter=delimiter, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        written.append(path)
    return written


def _time(line: str, before: datetime | None) -> datetime | None:
    """The moment of a line with glog's prefix; that of the line before where it has none or an impossible one."""
    stamp = _STAMP.match(line.lstrip())
    if not stamp:
        return before
    year = int(stamp["year"] or (before.year if before else _ANY_YEAR))
    try:
        moment = datetime.strptime(f"{year:04d}{stamp['month']}{stamp['day']} {stamp['time']}", "%Y%m%d %H:%M:%S")
    except ValueError:
        return before
    moment = moment.replace(microsecond=int(stamp["part"].ljust(6, "0")))
    if before and not stamp["year"] and before - moment > timedelta(days=180):  # over New Year
        moment = moment.replace(year=year + 1)
    return moment


def _tell_rate(log: Log, iteration: int, rate: float) -> None:
    """The line with the rate comes after the outputs of its iteration."""
    for table in (log.train, log.test):
        for row in reversed(table):
            if row[ITERATION] != iteration:
                break
            row[RATE] = rate


def _free(name: str, row: Row) -> str:
    """The column of an output: its name, and for the further elements of a blob `name[1]`, `name[2]`, …"""
    if name not in row:
        return name
    index = 1
    while f"{name}[{index}]" in row:
        index += 1
    return f"{name}[{index}]"


def _fill_first_rate(rows: list[Row]) -> None:
    """A test before the first display is given the rate of the row after it, as Caffe's script does."""
    if len(rows) > 1 and math.isnan(rows[0][RATE]):
        rows[0][RATE] = rows[1][RATE]
