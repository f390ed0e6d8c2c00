"""A network for people to read: layers, shapes, parameters, sizes, and whether it is symmetric.

*Auto-encoder size* (Table II of the paper): the number of elements in all hidden feature maps and neurons, per sample,
counted once per layer that learns, pools or unpools (an activation has the size of the layer it follows): for CAE
Model 1 1600+288+125+N+125+288+1568, N = 2: 3996. *Symmetric* (principle 1): these sizes shrink to the code and grow
again in the same steps, within 5 %.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import shortened
from ..layers.base import Shape, count
from .plan import Plan
from .roles import roles_of
from .step import Step

_TOLERANCE = 0.05


@dataclass
class Row:
    """One layer."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    shapes: tuple[Shape | None, ...]  # of the tops
    parameters: int
    copies: bool  # each of its tops is its bottom: a Split


@dataclass
class Summary:
    """A network in numbers."""

    name: str
    phase: str
    rows: list[Row]
    blobs: dict[str, Shape | None]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    parameters: int
    learned: int  # of them; the others have `lr_mult: 0`
    hidden: list[tuple[str, int]]  # (layer, elements per sample), from the input side to the output side
    code: str | None  # see `roles`
    input_elements: int | None  # per sample, of the images that come in
    num_samples: int | None  # in the data set, where it can be looked into
    assumed: dict[str, str]

    @property
    def size(self) -> int:
        """Auto-encoder size, elements."""
        return sum(elements for _, elements in self.hidden)

    @property
    def counted(self) -> str:
        """Its parameters, and how many of them are learned, where some are not."""
        fixed = self.parameters - self.learned
        return f"{self.learned:,}" + (f" learned, and {fixed:,} fixed (lr_mult: 0)" if fixed else "")

    @property
    def symmetric(self) -> bool | None:
        """Whether encoder and decoder mirror each other; None where the net is no auto-encoder."""
        return None if self.code is None or not self.hidden else not self.asymmetry

    @property
    def asymmetry(self) -> str:
        """In what encoder and decoder first differ, in words; empty where they mirror each other."""
        if not self.hidden:
            return ""
        narrowest = min(elements for _, elements in self.hidden)
        codes = [place for place, (_, elements) in enumerate(self.hidden) if elements == narrowest]
        before, after = codes[0], len(self.hidden) - 1 - codes[-1]
        if before != after:
            return f"{before} hidden layer{'s' * (before != 1)} before the code, {after} behind it"
        for (first, a), (last, b) in zip(self.hidden[:before], reversed(self.hidden), strict=False):
            if abs(a - b) > _TOLERANCE * max(a, b):
                return f"{first} has {a:,} elements, its counterpart {last} {b:,}"
        return ""

    @property
    def data_ratio(self) -> float | None:
        """Elements of the data set per learned parameter (Table I: Data / (w+b)); None without the data."""
        if not (self.num_samples and self.input_elements and self.learned):
            return None
        return self.num_samples * self.input_elements / self.learned

    def to_text(self, width: int | None = None) -> str:
        """The table and the totals. Splits are left out: readers of a blob are shown with the author's name for it.

        `width`: letters of a line; where the table is wider, what a layer reads and makes stands in a line below it,
        but for one that reads what the layer above made, and makes a blob of its own name.
        """
        return _text(self, width)

    def to_json(self) -> dict[str, Any]:
        """The answer of `deepcae summary --json`."""
        return {
            "name": self.name,
            "phase": self.phase,
            "layers": [
                {
                    "name": row.name,
                    "type": row.type,
                    "bottoms": list(row.bottoms),
                    "tops": list(row.tops),
                    "parameters": row.parameters,
                }
                for row in self.rows
            ],
            "blobs": {name: None if shape is None else list(shape) for name, shape in self.blobs.items()},
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "parameters": self.parameters,
            "learned_parameters": self.learned,
            "autoencoder_size": self.size if self.code and self.hidden else None,
            "sizes": [elements for _, elements in self.hidden] if self.code else [],
            "samples": self.num_samples,
            "data_per_parameter": self.data_ratio,
            "code": self.code,
            "symmetric": self.symmetric,
            "asymmetry": self.asymmetry if self.code else "",
            "assumed": dict(self.assumed),
        }


def summarize(plan: Plan, num_samples: int | None = None) -> Summary:
    """The summary of a planned network; `num_samples` in its data set, for the ratio of data to parameters."""
    rows = [
        Row(
            step.name,
            step.type,
            step.bottoms,
            tuple(top for top in step.tops if top not in _anonymous(step)),
            tuple(plan.shapes.get(top) for top in step.tops),
            sum(plan.params[i].count for i in step.params if plan.params[i].owner is None),
            step.kind.copies,
        )
        for step in plan.steps
    ]
    anonymous = {name for step in plan.steps for name in _anonymous(step)}
    sources = [plan.shapes[top] for top in plan.fed]
    images = [count(shape, 1) for shape in sources if shape is not None and len(shape) > 1]
    roles = roles_of(plan)
    return Summary(
        plan.name,
        ("TRAIN", "TEST")[plan.phase],
        rows,
        {name: shape for name, shape in plan.shapes.items() if name not in anonymous},
        plan.inputs,
        plan.outputs,
        plan.num_parameters,
        plan.num_learned,
        list(roles.hidden),
        roles.code,
        max(images) if images else None,
        num_samples,
        plan.assumed,
    )


def _anonymous(step: Step) -> tuple[str, ...]:
    return step.tops[len(step.node.param.top) :]


def _text(summary: Summary, width: int | None) -> str:
    names = {top: row.bottoms[0] for row in summary.rows if row.copies for top in row.tops}
    head = ("layer", "type", "bottoms → tops", "shape", "parameters")
    table = [head]
    for row in summary.rows:
        if not row.copies or row.bottoms[0] not in names.values():
            flow = f"{', '.join(names.get(b, b) for b in row.bottoms)} → {', '.join(row.tops)}".strip()
            shapes = ", ".join(_shape_text(shape) for shape in row.shapes)
            table.append((row.name, row.type, flow, shapes, f"{row.parameters:,}" if row.parameters else ""))
    lines = [f"{summary.name or 'network'} ({summary.phase})", "", *_table(table)]
    if width is not None and len(lines[3]) > width:
        lines[2:] = _narrow(table, width)
    totals = _totals(summary)
    if width is not None:
        indent = " " * (len(totals[0]) - len(totals[0].partition("  ")[2].lstrip()))
        totals = [part for line in totals for part in textwrap.wrap(line, width, subsequent_indent=indent)]
    return "\n".join([*lines, "", *totals])


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first row is the head; the last column is one of numbers."""
    widths = [max(len(line[i]) for line in rows) for i in range(len(rows[0]))]
    lines = []
    for line in rows:
        cells = [cell.ljust(width) for cell, width in zip(line[:-1], widths[:-1], strict=True)]
        lines.append("  ".join([*cells, line[-1].rjust(widths[-1])]).rstrip())
    lines.insert(1, "─" * (sum(widths) + 2 * (len(widths) - 1)))
    return lines


def _narrow(rows: Sequence[Sequence[str]], width: int) -> list[str]:
    """The table without what flows where, and that below the layers for which it does not go without saying."""
    without: list[tuple[str, ...]] = [(name, kind, shape, number) for name, kind, _, shape, number in rows]
    for column, least in ((0, 20), (2, 12)):  # long names first, then shapes
        room = width - sum(max(map(len, cells)) for i, cells in enumerate(zip(*without, strict=True)) if i != column)
        without = [
            tuple(shortened(cell, max(room - 7, least)) if i == column else cell for i, cell in enumerate(line))
            for line in without
        ]
    lines = _table(without)
    head = ["", *textwrap.wrap("below a layer: bottoms → tops, where it reads another than the one above", width)]
    told = lines[:2]
    above = ""
    for (name, _, flow, _, _), line in zip(rows[1:], lines[2:], strict=True):
        told.append(line)
        if flow not in (f"{above} → {name}", f"→ {name}"):
            told += textwrap.wrap(
                flow, width, initial_indent="    ", subsequent_indent="      ", break_on_hyphens=False
            )
        above = flow.rpartition("→ ")[2]
    return [*told, *head]


def _shape_text(shape: Shape | None) -> str:
    if shape is None:
        return "?"
    return "×".join(map(str, shape)) if shape else "scalar"


def _totals(summary: Summary) -> list[str]:
    lines = [("parameters", summary.counted)]
    if summary.code is not None:
        lines.append(("code", summary.code))
    if summary.symmetric is not None:
        sizes = "-".join(str(elements) for _, elements in summary.hidden)
        lines.insert(1, ("auto-encoder size", f"{summary.size:,} elements: {sizes}"))
        fine = "yes: encoder and decoder mirror each other within 5 %"
        lines.append(("symmetric", f"no: {summary.asymmetry}" if summary.asymmetry else fine))
    if summary.data_ratio is not None:
        lines.append(("data / parameters", f"{summary.data_ratio:,.1f} / 1 ({summary.num_samples:,} samples)"))
    lines += [("assumed", f"shape of '{blob}': {why}") for blob, why in summary.assumed.items()]
    width = max(len(name) for name, _ in lines)
    return [f"{name.ljust(width)}  {value}" for name, value in lines]
