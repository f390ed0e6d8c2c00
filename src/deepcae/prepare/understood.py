"""What `prepare` understood about the images, as plain data and as a few lines for people."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any

from ..data.dear import in_units
from ..data.meaning import Meaning
from ..data.scaling import Scaling

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
            names = ", ".join(name for name, _ in self.skipped[:3])
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
        """The inverse of `to_json`, after its way through a file."""
        given = {each.name: told[each.name] for each in fields(cls) if each.name in told}
        for name in ("sources", "notes", "shape", "range"):
            given[name] = tuple(given[name])
        given["skipped"] = tuple((name, why) for name, why in given["skipped"])
        return cls(**{**given, "scaling": Scaling.from_json(told["scaling"])})


def _of_labels(labels: dict[str, Any]) -> str:
    classes = labels["classes"]
    if not classes:
        return f"numbers, from {labels['from']}"
    shown = ", ".join(classes[:5]) + (f" and {len(classes) - 5} more" if len(classes) > 5 else "")
    return f"{len(classes)} classes, from {labels['from']}: {shown}"
