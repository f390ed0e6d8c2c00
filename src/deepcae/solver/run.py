"""A run directory: everything of one training in one folder, so that it can be read, resumed and moved as a whole.

DIR/solver.prototxt      the solver as it was run: overrides merged in, its networks those beside it
DIR/net.prototxt         the train net's text as its author wrote it (more networks: net-2.prototxt, …)
DIR/run.json             seed, device, versions, the folders in which the original texts lie, what the run writes
DIR/metrics.jsonl        one record per line
DIR/<prefix>_iter_N.*    snapshots
"""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import set_aside, whole_file
from ..errors import DataError, Place, Problem, SnapshotError, SpecError, TrainingError, warn
from ..facts import as_line, as_table
from ..proto.document import Document
from ..proto.lookup import FIT, MODEL, resolve
from ..proto.read import read_solver, read_text
from ..proto.schema import SolverParameter
from ..proto.text import to_text
from ..writes import FLAG, reach
from .about import ABOUT, METRICS, SOLVER, read_about
from .chosen import Chosen, choose
from .earlier import advice, recorded_prefix
from .metrics import read_metrics
from .nets import NetChoice, choose_nets, keep_to, test_paths, train_path
from .replaced import settle
from .snapshot import Snapshot, latest

if TYPE_CHECKING:
    from ..net.net import Net


def snapshot_prefix(document: Document, out: str | Path | None) -> str:
    """Where snapshots go, less `_iter_N`: the solver's snapshot_prefix, in `out` if that is given and it is relative.

    Caffe's rule: without a snapshot_prefix the solver's file name without its suffix; in a folder, that name in it.
    """
    given = document.message.snapshot_prefix
    stem = "solver" if document.filename.startswith("<") else Path(document.filename).stem
    if out is None and not given:
        return stem if document.filename.startswith("<") else str(Path(document.filename).with_suffix(""))
    path = Path(given) if out is None else Path(out) / given
    is_folder = not given or given.endswith("/") or path.is_dir()
    prefix = path / stem if is_folder else path
    real = Path(os.path.realpath(prefix.parent))
    if out is not None and not real.is_relative_to(os.path.realpath(out)) and not reach().elsewhere:
        leads = f"snapshot_prefix '{given}' leads out of the run's folder '{out}', to '{real}'"
        sentence = f"{leads}; if you trust the text, give {FLAG} (in Python allow_writes_elsewhere=True)"
        raise SpecError(Problem(sentence, document.place("snapshot_prefix")))
    return str(prefix)


def moved_prefix(document: Document) -> str:
    """A sentence where Caffe would write snapshots elsewhere: in the folders that the text names; else ""."""
    given = document.message.snapshot_prefix
    if os.path.isabs(given) or "/" not in given:
        return ""
    return f"snapshot_prefix '{given}' counts from the run's folder, not from the working directory"


class Run:
    """A run directory that a training made. DataError if `folder` is none."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if self.folder.exists() and not self.folder.is_dir():
            raise DataError(f"{self.folder}: is a file; a run is a folder, which `deepcae train --out` makes")
        with suppress(TrainingError, OSError):  # told by whoever trains there
            settle(self.folder)
        try:
            self.about, problem = read_about(self.folder)
        except FileNotFoundError:
            self.about, problem = {}, f"{self.folder / ABOUT}: is missing"
            if recorded_prefix(self.folder) is None or self.latest_snapshot() is None:
                hint = advice(self.folder) or "; `deepcae fit` and `deepcae train` make one"
                raise DataError(f"{self.folder}: no run there, {ABOUT} is missing{hint}") from None
        if problem:
            warn(f"{problem}; files that the texts name are looked for in {self.folder} and the working directory")

    def facts(self) -> dict[str, str]:
        """What a person wants to know of it first, in words; what cannot be read is left out."""
        found = {"folder": str(self.folder)}
        with suppress(DataError, SpecError, SnapshotError):
            found["net"] = self.net_document.message.name or "unnamed"
            chosen = self.choose(tell=lambda line: None)
            found["weights"] = (chosen.told or f"iteration {chosen.iteration}").removeprefix("weights of ")
        records = self.metrics() if (self.folder / METRICS).exists() else []
        for kind in ("train", "test"):
            outputs = next((each.get("outputs") for each in reversed(records) if each.get("kind") == kind), None) or {}
            told = [f"{name} {value:.4g}" for name, value in outputs.items() if isinstance(value, int | float)]
            if told:
                found[kind] = ", ".join(told)
        if (seed := self.about.get("seed")) is not None:
            found["seed"] = str(seed)
        return found

    def __repr__(self) -> str:
        return as_line("Run", self.facts())

    def _repr_html_(self) -> str:
        return as_table(self.facts())

    @property
    def folders(self) -> list[Path]:
        """Where files named in the texts are looked up: the folders of the original texts, then this one."""
        made = [self.folder / MODEL] if (self.folder / FIT).is_file() else []  # which has moved with it
        return list(dict.fromkeys([*made, *map(Path, self.about.get("folders", [])), self.folder]))

    @cached_property
    def solver_document(self) -> Document:
        """The solver, its networks those of this folder, whatever lies in the working directory."""
        _require_file(self.folder / SOLVER)
        document = keep_to(read_solver(self.folder / SOLVER), self.folder)
        param = document.message
        for named in (at.value(param) for at in (train_path(param), *test_paths(param)) if at):
            if isinstance(named, str):
                _require_file(Path(named))
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
        return str(self.folder / given)  # where it is absolute, it stands as it is

    def metrics(self) -> list[dict[str, Any]]:
        """The records of `metrics.jsonl`, oldest first."""
        return read_metrics(self.folder / METRICS)

    def choose(self, which: str | None = None, tell: Callable[[str], None] = warn) -> Chosen:
        """The snapshot to look at: "best", "last" or an iteration; None: the best where the run kept one."""
        return choose(self.folder, self.prefix, self.solver_document.message.snapshot_best, which, tell)

    def net(self, phase: str = "TEST", device: str = "cpu", snapshot: str | Chosen | None = None) -> Net:
        """The net of a phase (TEST: the last test net, if there is one) with weights of a snapshot, see `choose`."""
        from ..net.net import Net

        train, tests = self.nets
        choice = tests[-1] if tests and phase == "TEST" else train
        chosen = snapshot if isinstance(snapshot, Chosen) else self.choose(snapshot)
        return Net(
            choice.document, phase, level=choice.level, stages=choice.stages, weights=chosen.snapshot.model,
            device=device,
            folders=self.folders,
        )  # fmt: skip


def _require_file(path: Path) -> None:
    """SpecError for a pipe or a device in a text's place, which would be waited for."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise SpecError(Problem("is no file", Place(str(path))))


@dataclass(frozen=True)
class Planned:
    """The files that a run begins with, read and ready to be written: `texts` by name, `copies` their originals."""

    texts: dict[str, str]
    copies: dict[str, str]
    folders: list[str]


def plan_run(folder: Path, document: Document, prefix: str, folders: Sequence[Path]) -> Planned:
    """Reads the texts of a training that is to write into `folder`. Nothing is written yet."""
    solver = SolverParameter()
    solver.CopyFrom(document.message)
    copies, texts = dict[str, str](), dict[str, str]()
    for at in dict.fromkeys([path for path in (train_path(solver), *test_paths(solver)) if path]):
        named = at.value(solver)
        if not isinstance(named, str):
            continue  # a network inside the solver text
        original = str(resolve(named, document.folder, *folders).absolute())
        if original not in copies:
            copies[original] = f"net-{len(copies) + 1}.prototxt" if copies else "net.prototxt"
            texts[copies[original]] = read_text(original)
        at.set_value(solver, copies[original])
    root = os.path.realpath(folder)
    inside = Path(os.path.realpath(Path(prefix).parent)).is_relative_to(root)
    where = os.path.join(os.path.realpath(Path(prefix).parent), Path(prefix).name)
    solver.snapshot_prefix = os.path.relpath(where, root) if inside else str(Path(prefix).absolute())
    texts[SOLVER] = to_text(solver)
    lookup = [*(Path(original).parent for original in copies), document.folder, *folders, Path()]
    return Planned(texts, copies, list(dict.fromkeys(str(path.absolute()) for path in lookup)))


def create_run(
    folder: Path,
    planned: Planned,
    about: dict[str, Any],
    files: Sequence[str],
    own: Sequence[str],
    tell: Callable[[str], None],
) -> Run:
    """Writes the texts and `run.json` of a training into `folder`; each file appears whole or not at all.

    `files`: what else the training writes there. `own`: what a run wrote there before. What stands in a text's place
    and is none of these is somebody's: it is kept beside the text, and `tell` is told.
    """
    about = {
        "format": 1,
        **about,
        "texts": planned.copies,
        "folders": planned.folders,
        "files": list(dict.fromkeys([*planned.texts, METRICS, *files])),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    originals = {str((folder / copy).absolute()) for copy in planned.copies.values()} & set(planned.copies)
    for name, text in planned.texts.items():
        path = folder / name
        if path.exists():
            if str(path.absolute()) in originals:
                continue
            if name not in own and path.is_file() and path.read_bytes() != _encoded(text):
                tell(f"{path} was no run's file; it is kept as {set_aside(path)}")
        _write(path, text)
    _write(folder / ABOUT, json.dumps(about, indent=1) + "\n")
    return Run(folder)


def _write(path: Path, text: str) -> None:
    with whole_file(path) as temporary:
        temporary.write_bytes(_encoded(text))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", errors="surrogateescape")
