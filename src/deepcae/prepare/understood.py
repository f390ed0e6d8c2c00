"""What `prepare` understood about the images, as plain data and as a few lines for people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from ..data.meaning import Meaning
from ..data.readcost import in_units
from ..data.scaling import Scaling
from ..errors import in_one_line

SHOWN = 6  # notes on a screen
LARGE = 10**9  # bytes: copies that are told


@dataclass(frozen=True)
class Understood:
    """`sources`: of each file or folder its `path`, `kind`, `dataset`, `count`, `shape` and `dtype`.

    `count`: images, `rows`: of `train` and `test` (with patches there are more); `shape`: of a row, (c, h, w) or (k,);
    `range`: least and greatest value, of a sample or, after `prepare`, of all; `split`: its `kind`, and `why`;
    `labels`, or None: `kind` (`classes` or `numbers`), the `classes`, whether labels count these (`named`), and the
    `title` of the column; `notes`: what else was decided or noticed;
    `skipped`: the damaged images that are left out, and why; `options`: what was given; `bytes`: of all rows;
    `copied`: those that are written, 0 where the files are used as they lie.
    """

    sources: tuple[dict[str, Any], ...]
    count: int
    rows: dict[str, int]
    shape: tuple[int, ...]
    dtype: str
    range: tuple[float, float]
    scaling: Scaling
    split: dict[str, str]
    labels: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    bytes: int = 0
    copied: int = 0

    @property
    def size(self) -> str:
        """`3x32x32`; of flat rows `48 values`."""
        return "x".join(map(str, self.shape)) if len(self.shape) == 3 else f"{self.shape[0]} values"

    @property
    def meaning(self) -> Meaning:
        """What the labels stand for."""
        told = self.labels or {}
        return Meaning(told.get("title", ""), tuple(told["classes"]) if told.get("named") else ())

    def lines(self) -> list[str]:
        """What people are told, each line at most about 100 letters."""
        told = [
            self._found(),
            f"values     {self.range[0]:g} to {self.range[1]:g} in the training images looked at ({self.dtype})",
        ]
        told.append(f"shown as   {self.scaling}")
        if self.labels is not None:
            told.append(f"labels     {_of_labels(self.labels)}")
        parts = ", ".join(f"{count:,} to {name}" for name, count in self.rows.items())
        told.append(f"split      {parts}: {self.split['why']}")
        if self.copied >= LARGE:
            told.append(f"disk       {in_units(self.copied)} are written")
        if self.skipped:
            names = ", ".join(in_one_line(name) for name, _ in self.skipped[:3])
            more = f" and {len(self.skipped) - 3} more" if len(self.skipped) > 3 else ""
            told.append(f"left out   {len(self.skipped)} damaged: {names}{more}")
        told.extend(f"note       {note}" for note in self.notes[:SHOWN])
        if len(self.notes) > SHOWN:
            told.append(f"note       and {len(self.notes) - SHOWN} more, in images.json")
        return told

    def _found(self) -> str:
        first = self.sources[0]
        kinds = first["kind"] if len({each["kind"] for each in self.sources}) == 1 else "several kinds"
        many = f"{len(self.sources)} sources, the first {first['path']}" if len(self.sources) > 1 else first["path"]
        total = sum(self.rows.values())
        patches = f", {total:,} patches of {self.size}" if self.options.get("patch") else f" of {self.size}"
        return f"images     {self.count:,}{patches}: {kinds}, {many}"

    def to_json(self) -> dict[str, Any]:
        plain = {each.name: getattr(self, each.name) for each in fields(self)}
        return {**plain, "scaling": self.scaling.to_json()}

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Understood:
        """The inverse of `to_json`, after its way through a file. ValueError for what is no such."""
        if wrong := [name for name, is_right in _RIGHT.items() if name in told and not is_right(told[name])]:
            raise ValueError(f"of the wrong type: {', '.join(wrong)}")
        given = {each.name: told[each.name] for each in fields(cls) if each.name in told}
        for name in ("sources", "notes", "shape", "range"):
            given[name] = tuple(given[name])
        given["skipped"] = tuple((name, why) for name, why in given["skipped"])
        return cls(**{**given, "scaling": Scaling.from_json(told["scaling"])})


def _of_labels(labels: dict[str, Any]) -> str:
    classes = labels["classes"]
    if not classes:
        return f"numbers, from {labels['from']}"
    shown = ", ".join(map(in_one_line, classes[:5])) + (f" and {len(classes) - 5} more" if len(classes) > 5 else "")
    return f"{len(classes)} classes, from {labels['from']}: {shown}"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _are_words(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_source(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in ("path", "kind"))


def _is_labels(value: Any) -> bool:
    words = isinstance(value, dict) and [value.get("from", ""), value.get("title", "")]
    return value is None or (_are_words(words) and _are_words(value.get("classes")))


def _are(value: Any, is_right: Callable[[Any], bool], least: int = 0) -> bool:
    return isinstance(value, list) and len(value) >= least and all(map(is_right, value))


_RIGHT: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("count", "bytes", "copied"), _is_count),
    "sources": lambda value: _are(value, _is_source, least=1),
    "rows": lambda value: isinstance(value, dict) and all(map(_is_count, value.values())),
    "shape": lambda value: _are(value, _is_count, least=1),
    "dtype": lambda value: isinstance(value, str),
    "range": lambda value: _are(value, lambda each: isinstance(each, int | float), least=2),
    "split": lambda value: isinstance(value, dict) and _are_words([value.get("kind"), value.get("why")]),
    "labels": _is_labels,
    "notes": _are_words,
    "skipped": lambda value: _are(value, lambda each: _are_words(each) and len(each) == 2),
    "options": lambda value: isinstance(value, dict),
}
