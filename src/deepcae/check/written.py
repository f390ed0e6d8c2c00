"""Where a text would write when it is carried out, for `check`; what `train` and `test` refuse is a warning."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import Problem, SpecError
from ..net.plan import Plan
from ..net.sinks import clashes, file_of, sinks, strays
from ..proto.document import Document
from ..solver.run import moved_prefix, snapshot_prefix
from ..writes import writes_elsewhere


def snapshots_of(document: Document, out: Path) -> tuple[str, list[Problem]]:
    """The snapshots of a solver that trains into `out`, and the problem where that is outside of it."""
    outside: list[Problem] = []
    try:
        prefix = snapshot_prefix(document, out)
    except SpecError as error:
        outside += error.problems
        with writes_elsewhere(True):
            prefix = snapshot_prefix(document, out)
    return f"{prefix}_iter_N", outside


def files_of(plans: Sequence[Plan]) -> list[str]:
    """The files of the HDF5Output layers."""
    return list(dict.fromkeys(file_of(step) for plan in plans for step in sinks(plan)))


def outside(plans: Sequence[Plan]) -> Iterator[Problem]:
    """Files of HDF5Output layers that lie outside the working directory."""
    for plan in plans:
        yield from strays(plan)


__all__ = ["clashes", "files_of", "moved_prefix", "outside", "snapshots_of"]
