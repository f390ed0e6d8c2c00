"""How a training begins: its text, its folder, and the snapshot that it continues from. Nothing is changed here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..proto.document import Document
from ..proto.read import read_solver
from ..proto.text import merge
from .earlier import Earlier
from .kept import settle_best
from .nets import keep_to
from .replaced import Replaced, settle
from .run import Run, snapshot_prefix
from .unclaimed import require_none


@dataclass(frozen=True)
class Beginning:
    """What a training goes on from, and whether it takes a run's place."""

    snapshot: str | None  # None: the beginning
    overwrite: bool
    note: str = ""  # that nothing was there to go on from
    warnings: tuple[str, ...] = ()  # where the runs are whose place it takes


def default_out(solver: Path) -> Path:
    """`runs/<name>`: the solver's folder for a `solver.prototxt`, else what its file is called."""
    name = solver.absolute().parent.name if solver.stem == "solver" else solver.stem.removesuffix("_solver")
    return Path("runs") / (name or "run")


def solver_text(path: Path | None, run: Path, overrides: Sequence[str]) -> tuple[Document, list[Path]]:
    """The solver text at `path` (None: the one of the run itself) with --set texts laid over it, one after the other.

    And the folders in which the files it names are looked up, beside its own. A text in the run's folder was made for
    this run: what lies beside it by the names that it gives is meant, whatever the working directory has by them.
    """
    earlier = Run(run) if path is None else None
    document = read_solver(path) if earlier is None else earlier.solver_document
    if path is not None and path.resolve().is_relative_to(run.resolve()):
        keep_to(document, path.parent, if_there=True)
    lay(document, overrides)
    return document, earlier.folders if earlier is not None else []


def lay(document: Document, overrides: Sequence[str]) -> None:
    """Lays --set texts over a solver text, one after the other."""
    for number, text in enumerate(overrides, 1):
        merge(document, text, "--set" if len(overrides) == 1 else f"--set({number})")


def beginning(document: Document, out: Path, snapshot: str | None, overwrite: bool) -> Beginning:
    """Looks early what a training in `out` would do to a run that lies there: DataError if that would be lost.

    `latest`, where there is nothing yet, becomes the beginning. The training itself looks again when it has the lock.
    """
    if out.exists() and not out.is_dir():
        raise DataError(f"{out}: is a file; --out names a folder")
    settle(out)
    prefix = snapshot_prefix(document, out)
    settle_best(prefix)
    earlier = Earlier(out, prefix)
    if snapshot is None and not overwrite:
        earlier.require_none()
    if snapshot is None:
        require_none(earlier.prefix, document.message.max_iter)
    if snapshot != "latest" or earlier.require_found():
        return Beginning(snapshot, overwrite)
    none_yet = f"{out}: has no snapshot yet; "
    replaced = tuple(f"{none_yet}the run whose place it takes {each.where}" for each in Replaced.found(out))
    if replaced:
        return Beginning(None, True, warnings=replaced)
    return Beginning(None, overwrite, f"{none_yet}beginning at the beginning")
