"""`metrics.jsonl`: a run's numbers, one JSON object per record, for programs and pictures."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..atomic import whole_file
from ..bounds import Allowance
from ..errors import warn
from ..inplace import lines_of
from .lines import Lines
from .records import Failed, Noted, Record, Started, Step, Warned, WarningKind

_NAMES = {"Step": "train", "LastPass": "last_pass"}
_MOST_TOLD = 3  # damaged lines of a file that are told one by one
MANY = ("train", "test", "debugged", "last_pass")  # kinds of which some may be left out
LONGEST = 2**24  # bytes of a record


def to_json(record: Record) -> dict[str, Any]:
    """The record as JSON's types, its kind first (train, test, started, …); what JSON lacks (nan, inf) as text."""
    kind = type(record).__name__
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    if isinstance(record, Started):
        del fields["threads"]
    if isinstance(record, Step):
        for name in ("displayed", "display", "raised_step", "clipped_to"):
            del fields[name]
    if isinstance(record, Warned):  # `kind` is the record's in JSON
        about = {"warning": fields.pop("kind"), **{name: fields.pop(name) for name in ("layer", "blob", "facts")}}
        fields |= {name: value for name, value in about.items() if value}
    if isinstance(record, Failed) and not record.layer:
        del fields["layer"]
    plain: dict[str, Any] = _plain({"kind": _NAMES.get(kind, kind.lower()), **fields})
    return plain


class Metrics:
    """The file of one run, open for appending. Of the steps, only displayed ones are kept, as in Caffe's log."""

    def __init__(
        self,
        path: Path,
        resume_at: int | None = None,
        tell: Callable[[str], None] = warn,
        tell_unwritten: Callable[[str], None] = warn,
    ) -> None:
        """`resume_at`: the iteration that the run goes on from; what was recorded of later ones is dropped.

        None: a new run; older records of the file are dropped. `tell` is told of damaged lines, `tell_unwritten` of
        those that cannot be written. OSError.
        """
        with whole_file(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
            for entry, _ in () if resume_at is None else _records(path, tell):
                if _before(entry, resume_at or 0):
                    stream.write(json.dumps(entry) + "\n")
        self._iteration = resume_at or 0
        self._lines = Lines(path, tell_unwritten, self._gap)

    def write(self, record: Record) -> None:
        """One line; none for notes and for steps that are not displayed."""
        if isinstance(record, Noted) or (isinstance(record, Step) and not record.displayed):
            return
        self._iteration = record.iteration
        self._lines.write(json.dumps(to_json(record)))

    def _gap(self, count: int) -> str:
        message = f"{count} records are missing before this one: they could not be written"
        return json.dumps(to_json(Warned(self._iteration, message, WarningKind.UNWRITTEN)))

    def sync(self) -> None:
        """Waits until the records are on the disk."""
        self._lines.sync()

    def close(self) -> str:
        """Ends the file; what it lacks, in a sentence, "" if nothing."""
        self._lines.close()
        return self._lines.missing


def read_metrics(path: Path, tell: Callable[[str], None] = warn) -> list[dict[str, Any]]:
    """The records of a file, oldest first; [] where there is none.

    Warnings of older files get the kinds that decide something. Damaged lines are left out, and told by `file:line`. A
    last line that a kill cut off is left out without a word. Of a file so long that its records would take more memory
    than it may, every second (fourth, …) step and test counts.
    """
    kept: list[tuple[dict[str, Any], int]] = []
    held, every, allowed = 0, 1, Allowance(path.stat().st_size if path.exists() else 0).left
    for number, (entry, cost) in enumerate(_records(path, tell)):
        if entry["kind"] in MANY and number % every:
            continue
        kept.append((entry, cost))
        held += cost
        while held > allowed:
            every *= 2
            before = len(kept)
            kept = [each for at, each in enumerate(kept) if each[0]["kind"] not in MANY or not at % 2]
            held = sum(cost for _, cost in kept)
            if len(kept) > before * 3 // 4:
                tell(f"{path}: the records after the first {number} are left out: they would take too much memory")
                return [entry for entry, _ in kept]
    if every > 1:
        tell(f"{path}: is so long that only every {every}th step and test of it is read")
    return [entry for entry, _ in kept]


def _records(path: Path, tell: Callable[[str], None]) -> Iterator[tuple[dict[str, Any], int]]:
    """As `read_metrics`, one at a time, and about how many bytes of memory each takes."""
    if not path.exists():
        return
    damaged, allowed = 0, Allowance(path.stat().st_size).left
    for number, line in enumerate(lines_of(path, LONGEST), 1):
        is_cut = not line.endswith(b"\n") and len(line) <= LONGEST
        if not line.strip() or (is_cut and not _is_json(line)):
            continue
        entry, why = record_of(line, allowed)
        if entry is not None:
            yield entry, _cost(line)
            continue
        damaged += 1
        if damaged <= _MOST_TOLD:
            tell(f"{path}:{number}: damaged, left out: {why}")
    if damaged > _MOST_TOLD:
        tell(f"{path}: {damaged - _MOST_TOLD} more damaged lines, left out")


def record_of(line: bytes, allowed: float = LONGEST) -> tuple[dict[str, Any] | None, str]:
    """The record in a line; None and why it is none. `allowed`: bytes of memory that it may take."""
    try:
        if len(line) > LONGEST or _cost(line) > allowed:
            return None, f"a line of {LONGEST} bytes or more, or of too many values"
        entry = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return None, "no JSON in UTF-8"
    if why := _wrong(entry):
        return None, why
    _give_kind(entry)
    return entry, ""


def _cost(line: bytes) -> int:
    """Bytes that a record takes as Python's objects: 112 for each, and its texts, whose letters may take 4 each."""
    letters = 1 if line.isascii() and b"\\u" not in line else 4
    return 112 * (1 + sum(map(line.count, (b",", b"[", b"{")))) + letters * len(line)


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


# What the readers of records rely on

_TEXTS = ("nan", "inf", "-inf")  # of numbers that JSON lacks
_NEEDED = {
    "started": (), "train": (), "debugged": (), "loaded": (), "last_pass": (), "snapshotted": (),
    "test": ("outputs", "weights"),
    "warned": ("message",),
    "kept": ("path", "loss"),
    "failed": ("message",),
    "finished": ("seconds", "seconds_per_iteration"),
}  # fmt: skip


def _wrong(entry: Any) -> str:
    """Why that is no record; "" if it is one. Fields and kinds that today's readers do not know may be anything."""
    if not isinstance(entry, dict):
        return f"a record is an object, not a {type(entry).__name__}"
    kind = entry.get("kind")
    if not isinstance(kind, str):
        return "'kind' is missing or no text"
    for name in ("iteration", *_NEEDED.get(kind, ())):
        if name not in entry:
            return f"'{name}' is missing"
    for name, (is_right, what) in _TYPES.items():
        if name in entry and not is_right(entry[name]):
            return f"'{name}' is no {what}"
    return ""


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    """Also as `to_json` writes what JSON lacks."""
    if isinstance(value, str):
        return value in _TEXTS
    return isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63)


def _are_values(value: Any) -> bool:
    """Outputs: numbers, or lists of them, by name."""
    found = value.values() if isinstance(value, dict) else [None]
    return all(all(map(_is_number, each)) if isinstance(each, list) else _is_number(each) for each in found)


def _are_weights(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number, value.values()))


_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("iteration", "net_index"), (_is_count, "count")),
    **dict.fromkeys(
        ("message", "path", "snapshot", "reason", "warning", "layer", "blob"),
        (lambda value: isinstance(value, str), "text"),
    ),
    **dict.fromkeys(("outputs", "train", "test"), (_are_values, "mapping of numbers")),
    **dict.fromkeys(("weights", "facts"), (_are_weights, "mapping of numbers")),
    **dict.fromkeys(("loss", "smoothed_loss", "lr"), (_is_number, "number")),
    **dict.fromkeys(("seconds", "seconds_per_iteration"), (lambda v: _is_number(v) and v not in _TEXTS, "number")),
}


_WORDS = {  # what the guard said in files of before, whose warnings have no kinds; today's words are free to change
    " is saturated, and the loss is stuck at ": WarningKind.SATURATED,
    " is the same for every input, and the loss is stuck at ": WarningKind.CONSTANT,
    "the gradients are gone (": WarningKind.GRADIENTS_GONE,
}


def _give_kind(entry: dict[str, Any]) -> None:
    if entry["kind"] == "warned" and "warning" not in entry:
        kind = next((kind for words, kind in _WORDS.items() if words in entry["message"]), None)
        entry |= {} if kind is None else {"warning": kind}


def _before(entry: dict[str, Any], iteration: int) -> bool:
    """Whether a record stays when the run goes on from `iteration`, whose test and step are made anew.

    An end that it goes on from stays, too: the time and the losses of a training that was done do not change by asking
    for it once more.
    """
    if entry["kind"] == "finished":
        return entry.get("reason") != "stopped" and bool(entry["iteration"] == iteration)
    if entry["kind"] in ("train", "debugged", "last_pass", "test", "warned", "kept"):
        return bool(entry["iteration"] < iteration)
    return entry["kind"] != "failed" and bool(entry["iteration"] <= iteration)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value
