"""A run directory: everything of one training in one folder, so that it can be read, resumed and moved as a whole.

DIR/solver.prototxt      the solver as it was run: overrides merged in, its networks those beside it
DIR/net.prototxt         the train net's text as its author wrote it (more networks: net-2.prototxt, …)
DIR/run.json             seed, device, versions, the folders in which the original texts lie
DIR/metrics.jsonl        one record per line
DIR/<prefix>_iter_N.*    snapshots
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from ..atomic import cannot_write, remove_leftovers, whole_file
from ..errors import DataError, Problem, SnapshotError, SpecError, warn
from ..proto.document import Document
from ..proto.read import read_solver, read_text
from ..proto.schema import SolverParameter
from ..proto.text import to_text
from .commit import clean
from .lock import Lock
from .metrics import Metrics, read_metrics
from .nets import NetChoice, NetPath, choose_nets, test_paths, train_path
from .records import Record
from .snapshot import Snapshot, latest

if TYPE_CHECKING:
    from ..net.net import Net
    from .solver import Solver

SOLVER, ABOUT, METRICS = "solver.prototxt", "run.json", "metrics.jsonl"


def snapshot_prefix(document: Document, out: str | Path | None) -> str:
    """Where snapshots go, less `_iter_N`: the solver's snapshot_prefix, in `out` if that is given and it is relative.

    Caffe's rule: without a snapshot_prefix the solver's file name without its suffix; in a folder, that name in it.
    """
    given = document.message.snapshot_prefix
    stem = "solver" if document.filename.startswith("<") else Path(document.filename).stem
    if out is None and not given:
        return stem if document.filename.startswith("<") else str(Path(document.filename).with_suffix(""))
    path = Path(given)
    if out is not None:
        if ".." in path.parts:
            sentence = f"snapshot_prefix '{given}' leads out of the run's folder; it must not contain '..'"
            raise SpecError(Problem(sentence, document.place("snapshot_prefix")))
        path = Path(out) / path
    is_folder = not given or given.endswith("/") or path.is_dir()
    return str(path / stem if is_folder else path)


class Run:
    """A run directory that a training made. DataError if `folder` is none."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.about: dict[str, Any] = json.loads((self.folder / ABOUT).read_bytes())
        except OSError:
            raise DataError(
                f"{self.folder}: no run there, {ABOUT} is missing; `deepcae train --out` makes one"
            ) from None
        except ValueError:
            raise DataError(f"{self.folder / ABOUT}: damaged, not a JSON file") from None

    @property
    def folders(self) -> list[Path]:
        """Where files named in the texts are looked up: this folder, then those of the original texts."""
        return [self.folder, *map(Path, self.about["folders"])]

    @cached_property
    def solver_document(self) -> Document:
        """The solver, its networks those of this folder, whatever lies in the working directory."""
        document = read_solver(self.folder / SOLVER)
        param = document.message
        for at in [path for path in dict.fromkeys([train_path(param), *test_paths(param)]) if path]:
            named = at.value(param)
            if isinstance(named, str):
                at.set_value(param, str(self.folder / named))
        return document

    @cached_property
    def nets(self) -> tuple[NetChoice, list[NetChoice]]:
        """The train net and the test nets, each with its state."""
        return choose_nets(self.solver_document, self.folders)

    @property
    def net_document(self) -> Document:
        """The train net's text (mostly also that of the test nets)."""
        return self.nets[0].document

    def latest_snapshot(self, tell: Callable[[str], None] = warn) -> Snapshot | None:
        """The newest complete snapshot; None before the first. `tell` is told of damaged ones that are passed over."""
        return latest(self.prefix, tell)

    @property
    def prefix(self) -> str:
        given = self.solver_document.message.snapshot_prefix
        return given if Path(given).is_absolute() else str(self.folder / given)

    def metrics(self) -> list[dict[str, Any]]:
        """The records of `metrics.jsonl`, oldest first."""
        return read_metrics(self.folder / METRICS)

    def net(self, phase: str = "TEST", device: str = "cpu") -> Net:
        """The net of a phase (TEST: the last test net, if there is one) with the newest snapshot's weights."""
        from ..net.net import Net

        train, tests = self.nets
        choice = tests[-1] if tests and phase == "TEST" else train
        snapshot = self.latest_snapshot()
        if snapshot is None:
            raise DataError(f"{self.folder}: no complete snapshot there yet")
        return Net(
            choice.document, phase, level=choice.level, stages=choice.stages, weights=snapshot.model, device=device,
            folders=self.folders,
        )  # fmt: skip


def create_run(folder: Path, document: Document, prefix: str, about: dict[str, Any], folders: Sequence[Path]) -> Run:
    """Writes the texts and `run.json` of a training into `folder`; each file appears whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    solver = SolverParameter()
    solver.CopyFrom(document.message)
    copies: dict[str, str] = {}
    for at in dict.fromkeys([path for path in (train_path(solver), *test_paths(solver)) if path]):
        _copy_text(solver, at, document, folders, folder, copies)
    inside = Path(prefix).is_relative_to(folder)
    solver.snapshot_prefix = str(Path(prefix).relative_to(folder)) if inside else str(Path(prefix).absolute())
    _write(folder / SOLVER, to_text(solver))
    lookup = [document.folder, *(Path(original).parent for original in copies), *folders, Path()]
    about = {
        "format": 1,
        **about,
        "solver": document.filename,
        "texts": copies,
        "folders": list(dict.fromkeys(str(path.absolute()) for path in lookup)),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    _write(folder / ABOUT, json.dumps(about, indent=1) + "\n")
    return Run(folder)


def _copy_text(
    solver: Any, at: NetPath, document: Document, folders: Sequence[Path], folder: Path, copies: dict[str, str]
) -> None:
    """Copies the file that the solver names at `at` into the folder, and lets the solver name the copy."""
    from ..proto.lookup import resolve

    named = at.value(solver)
    if not isinstance(named, str):
        return  # a network inside the solver text
    original = str(resolve(named, document.folder, *folders).absolute())
    if original not in copies:
        copies[original] = f"net-{len(copies) + 1}.prototxt" if copies else "net.prototxt"
        text = read_text(original)
        if Path(original) != (folder / copies[original]).absolute():
            _write(folder / copies[original], text)
    at.set_value(solver, copies[original])


def _write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


class RunFiles:
    """What a training has open while it runs: the lock of its snapshots, and its run directory's metrics."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        param = solver.param
        writes = solver.out is not None or param.snapshot or param.snapshot_after_train
        self._lock = Lock(solver.prefix) if writes else None
        self._metrics: Metrics | None = None

    def __enter__(self) -> Self:
        solver = self.solver
        if self._lock is not None:
            try:
                Path(solver.prefix).parent.mkdir(parents=True, exist_ok=True)
                solver.remarks.note(*filter(None, [self._lock.acquire()]), *clean(solver.prefix))
                remove_leftovers(Path(solver.prefix).parent)
            except OSError as error:
                where = self._lock.path if error.filename == str(self._lock.path) else solver.prefix
                raise SnapshotError(f"{where}: cannot be written: {error.strerror or error}") from error
        try:
            if solver.out is not None:
                self._open(solver, solver.out)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _open(self, solver: Solver, out: Path) -> None:
        about = {"seed": solver.seed, "device": str(solver.net.device), "name": solver.net.name}
        try:
            create_run(out, solver.document, solver.prefix, about, solver.folders)
            resume_at = solver.iteration if solver.resumed_from else None
            self._metrics = Metrics(out / METRICS, resume_at, solver.remarks.note)
        except OSError as error:
            raise SnapshotError(f"{cannot_write(error.filename or out, error)}; the training has not begun") from error

    def keep(self, record: Record) -> Iterator[Record]:
        """The record, written; and behind it, written too, what the solver has to note, as that it could not be."""
        waiting = [record]
        while waiting:
            each = waiting.pop(0)
            if self._metrics is not None:
                self._metrics.write(each)
            yield each
            waiting += self.solver.remarks.take(self.solver.iteration)

    def sync(self) -> None:
        """Waits until the records are on the disk: a snapshot never stands there without what led to it."""
        if self._metrics is not None:
            self._metrics.sync()

    def __exit__(self, *_: object) -> None:
        if self._metrics is not None:
            self.solver.remarks.lacks(self._metrics.close())
        if self._lock is not None:
            self._lock.release()
