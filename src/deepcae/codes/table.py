"""Codes in memory: one row (or map) of numbers per example, its label, and further columns, such as its error."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import DataError
from ..facts import as_line, as_table
from .kinds import are_classes

Attribute = str | int | float | bool
KIND = "labels_are"  # the attribute that says what labels are: one of
TITLE = "label_title"  # the attribute that says what they are called
CLASSES, NUMBERS = "classes", "numbers"
CLUSTER = "cluster"  # the column of the clusters that were looked for among the codes
ERROR = "error"  # the column of reconstruction errors, half the squared error of each image


@dataclass(frozen=True, repr=False)
class Codes:
    """What a file of codes holds. `codes`: (N, K) or (N, C, H, W); `labels`: (N,) or None; `columns`: (N,) by name.

    `pictures`: (N, height, width, 3), uint8, of the images, for formats that show them; they are not read back.
    """

    codes: np.ndarray  # inside of `files.reading`: what gives an array when it is sliced
    labels: np.ndarray | None = None
    attributes: dict[str, Attribute] = field(default_factory=dict)
    columns: dict[str, np.ndarray] = field(default_factory=dict)
    pictures: np.ndarray | None = None

    @property
    def classes(self) -> np.ndarray | None:
        """The labels, where they are classes.

        Attribute `labels` names what else they are, as a Siamese net's `sim`; `labels_are` says it, where `encode`
        wrote it; else their values tell (`kinds.are_classes`).
        """
        if self.labels is None or "label" not in str(self.attributes.get("labels", "label")):
            return None
        told = self.attributes.get(KIND)
        is_class = told == CLASSES if told in (CLASSES, NUMBERS) else are_classes(self.labels)
        return self.labels if is_class else None

    @property
    def error(self) -> np.ndarray | None:
        """Half the squared error of each restored image (N,), where it is known."""
        return self.columns.get(ERROR)

    def column(self, name: str) -> np.ndarray:
        """A column (N,): `label`, one of `columns`, or `order`, the number of each row. DataError for another name."""
        if name in self.columns:
            return self.columns[name]
        if name in ("label", "labels") and self.labels is not None:
            return self.labels
        if name in ("order", "time"):
            return np.arange(len(self.codes))
        known = ", ".join(["order", *(["label"] if self.labels is not None else []), *self.columns])
        raise DataError(f"there is no column '{name}'; these are there: {known}")

    def to_frame(self) -> Any:
        """A pandas DataFrame: `code_1` … `code_K`, the columns, and `label`. DataError without pandas."""
        try:
            import pandas
        except ImportError:
            raise DataError("a DataFrame needs pandas, which is not installed: pip install pandas") from None
        rows = np.asarray(self.codes[:]).reshape(len(self.codes), -1)
        named: dict[str, Any] = {f"code_{number + 1}": rows[:, number] for number in range(rows.shape[1])}
        named |= self.columns
        if self.labels is not None:
            named["label"] = self.labels
        return pandas.DataFrame(named)

    def facts(self) -> dict[str, str]:
        """What a person wants to know of them, in words."""
        count, *row = self.codes.shape
        found = {"codes": f"{count:,} of {'x'.join(map(str, row))} values"}
        if self.labels is not None:
            classes = self.classes
            kinds = "numbers" if classes is None else f"{len(np.unique(classes))} classes"
            found["labels"] = f"{kinds}, {_range(self.labels)}"
        found |= {name: _range(values) for name, values in self.columns.items()}
        return found | {name: str(value) for name, value in self.attributes.items() if name != KIND}

    def __repr__(self) -> str:
        return as_line("Codes", self.facts())

    def _repr_html_(self) -> str:
        return as_table(self.facts())


def _range(values: np.ndarray) -> str:
    """`0.13 to 4.2` of numbers, the first and the last of words."""
    if values.dtype.kind not in "fiub":
        names = np.unique(values)
        return f"'{names[0]}' to '{names[-1]}'"
    finite = values[np.isfinite(values)]
    return f"{finite.min():.4g} to {finite.max():.4g}" if len(finite) else "no finite values"
