"""`metrics.jsonl`: a run's numbers, one JSON object per record, for programs and pictures."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any

from .records import Record, Step

_NAMES = {"Step": "train", "LastPass": "last_pass"}


def to_json(record: Record) -> dict[str, Any]:
    """The record as JSON's types, its kind first (train, test, started, …); what JSON lacks (nan, inf) as text."""
    kind = type(record).__name__
    fields = {field.name: getattr(record, field.name) for field in dataclasses.fields(record)}
    if isinstance(record, Step):
        for name in ("displayed", "display", "raised_step", "clipped_to"):
            del fields[name]
    plain: dict[str, Any] = _plain({"kind": _NAMES.get(kind, kind.lower()), **fields})
    return plain


class Metrics:
    """The file of one run, open for appending. Of the steps, only displayed ones are kept, as in Caffe's log."""

    def __init__(self, path: Path, resume_at: int | None = None) -> None:
        """`resume_at`: the iteration that the run goes on from; what was recorded of later ones is dropped.

        None: a new run; older records of the file are dropped.
        """
        kept = [] if resume_at is None else [entry for entry in read_metrics(path) if _before(entry, resume_at)]
        temporary = path.with_name(f"{path.name}.tmp.{os.getpid()}")
        temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept))
        os.replace(temporary, path)
        self._file = path.open("a")

    def write(self, record: Record) -> None:
        if isinstance(record, Step) and not record.displayed:
            return
        self.write_json(to_json(record))

    def write_json(self, entry: dict[str, Any]) -> None:
        self._file.write(json.dumps(entry) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The records of a file, oldest first; [] where there is none. A last line that a kill cut off is left out."""
    entries = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue
    return entries


def _before(entry: dict[str, Any], iteration: int) -> bool:
    """Whether a record stays when the run goes on from `iteration`, whose test and step are made anew."""
    if entry["kind"] in ("train", "debugged", "last_pass", "test", "warned"):
        return bool(entry["iteration"] < iteration)
    return entry["kind"] not in ("finished", "failed") and bool(entry["iteration"] <= iteration)


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
