"""The training that is disturbed, what it comes to undisturbed, and what must hold after each disturbance."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from deepcae.solver.kept import NEXT
from deepcae.solver.snapshot import MANIFEST, Snapshot, latest
from solver.tiny import write_training

from .server import Ended, Server

TRAIN = ["train", "--solver", "solver.prototxt", "--out", "run", "--threads", "1", "--device", "cpu", "-q"]
RESUME = [*TRAIN, "--snapshot", "latest"]
LAST, SEED = 16, 7  # of the solver text
LONGEST = 200  # characters of a line of complaint
OUTPUT = """layer { name: "kept" type: "HDF5Output" bottom: "out" bottom: "data" include { phase: TEST }
        hdf5_output_param { file_name: "run/restored.h5" } }
"""


@dataclass(frozen=True)
class Undisturbed:
    """What is there in the end: names of files, digests of the last weights and state, the numbers told."""

    names: frozenset[str]
    digests: tuple[str, ...]
    numbers: list[object]
    calls: int


class Training:
    """A tiny one in `folder`, with momentum, dropout, shuffled data, a test net, an HDF5Output layer.

    With `--runs` there are several, as one program: without dropout, which keeps them apart, and without that layer,
    whose file would be one for all.
    """

    def __init__(self, server: Server, folder: Path, more: str = "", options: tuple[str, ...] = ()) -> None:
        """`more`: text for the solver; `options` for the command line."""
        self.server, self.folder, self.more, self.options = server, folder, more, list(options)
        self.made = folder / "made"
        self.homes = ["run"]
        together = "--runs" in options
        write_training(self.made, extra=more, dropout=0 if together else 0.5)
        if together:
            self.homes = [f"run/seed-{SEED + n}" for n in range(int(options[options.index("--runs") + 1]))]
        else:
            net = self.made / "net.prototxt"
            net.write_text(net.read_text().replace('layer { name: "loss"', OUTPUT + 'layer { name: "loss"'))
        self.wanted = self._undisturbed()

    def _undisturbed(self) -> Undisturbed:
        case = self.begin("undisturbed")
        ended = self.server.run([*TRAIN, *self.options], case)
        assert ended.code == 0, ended.said
        return Undisturbed(names_in(case), self._digests(case), self._numbers(case), ended.calls)

    def begin(self, name: str) -> Path:
        """A new folder with texts and data."""
        case = self.folder / name / "case"  # a state tells where its model is: folders of one name
        shutil.copytree(self.made, case)
        return case

    def run(self, case: Path, **disturbance: object) -> Ended:
        argv = RESUME if any(self._has_begun(case / home) for home in self.homes) else TRAIN
        return self.server.run([*argv, *self.options], case, **disturbance)  # type: ignore[arg-type]

    def _has_begun(self, home: Path) -> bool:
        return latest_in(home) is not None or (home / "run.json").exists()

    def problems_now(self, case: Path, ended: Ended) -> list[str]:
        """What is wrong directly after a disturbance: lost or damaged snapshots, bad complaints."""
        found = []
        errors = [line for line in ended.said.splitlines() if line.startswith("error: ")]
        for home in (case / home for home in self.homes):
            found += [f"damaged: {each.damage()}" for each in _complete(home) if each.damage() and not _follows(each)]
            complete = {each.iteration for each in _complete(home)}
            if "--keep" not in self.options:
                told = {e["iteration"] for e in _entries(home) if e["kind"] == "snapshotted"}
                found += [f"lost: the snapshot of iteration {n}" for n in sorted(told - complete)]
            begun = any(e["kind"] == "train" for e in _entries(home)) or bool(complete)
            last_is_told = any(f"_iter_{LAST}." in line for line in errors)
            if not ended.killed and begun and LAST not in complete and not last_is_told:
                found.append(f"a run that had begun did not come to its end: {ended.said[-500:]}")
        if ended.killed:
            return found
        if ended.code not in (0, 1):
            found.append(f"exit code {ended.code}: {ended.said[-500:]}")
        if "Traceback" in ended.said or (ended.code == 1) != bool(errors):
            found.append(f"exit code {ended.code} with: {ended.said[-800:]}")
        found += [f"complaint: {line}" for line in errors if len(line) > LONGEST or ".tmp" in line or "run" not in line]
        return found

    def problems_after(self, case: Path, before: Ended) -> list[str]:
        """What is wrong after the next start, which nothing disturbs."""
        ended = self.run(case)
        if ended.code:
            return [f"the next start ended with {ended.code}: {ended.said[-800:]}"]
        found = []
        names = names_in(case)
        ended_by_signal = before.code < 0
        fewer = {name for name in self.wanted.names - names if ended_by_signal or not _may_lack(name)}
        more = names - self.wanted.names
        if "--keep" in self.options:  # an older one stays where a newer failed, or comes back with a power cut's names
            kept = [each for home in self.homes for each in _complete(case / home)]
            more -= {str(each.path(part).relative_to(case)) for each in kept for part in (*each.parts, MANIFEST)}
        if more or fewer - {"run/restored.h5"}:  # that one comes of the tests of one process
            found.append(f"files: {sorted(more)} too many, {sorted(fewer)} too few")
        if self._digests(case) != self.wanted.digests:
            found.append("the last weights differ")
        if self._numbers(case) != self.wanted.numbers:
            found.append("the numbers told differ")
        return found

    def _digests(self, case: Path) -> tuple[str, ...]:
        found = [path for home in self.homes for path in sorted((case / home).glob(f"snap_iter_{LAST}.[cs]*"))]
        return tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in found)

    def _numbers(self, case: Path) -> list[object]:
        """What the metrics tell, but for the clock's."""
        kinds, told = ("train", "test", "last_pass"), ("kind", "iteration", "loss", "smoothed_loss", "lr", "outputs")
        entries = [entry for home in self.homes for entry in _entries(case / home)]
        return [[entry.get(name) for name in told] for entry in entries if entry["kind"] in kinds]


def latest_in(home: Path) -> Snapshot | None:
    return latest(home / "snap", tell=lambda _: None)


def _complete(home: Path) -> list[Snapshot]:
    return [Snapshot.recorded(str(path).removesuffix(MANIFEST)) for path in home.glob(f"*{MANIFEST}")]


def _follows(best: Snapshot) -> bool:
    """Whether the one that takes its place is whole: each file beside it, or in place already."""
    following = Path(f"{best.path(MANIFEST)}{NEXT}")
    for name, about in json.loads(following.read_bytes())["files"].items() if following.exists() else ():
        beside = following.with_name(name + NEXT)
        data = (beside if beside.exists() else following.with_name(name)).read_bytes()
        if hashlib.sha256(data).hexdigest() != about["sha256"]:
            return False
    return following.exists()


def _may_lack(name: str) -> bool:
    """Whether a failure may cost this file: a snapshot in the course of the training."""
    return "snap_iter_" in name and f"snap_iter_{LAST}." not in name


def names_in(case: Path) -> frozenset[str]:
    return frozenset(str(path.relative_to(case)) for path in case.rglob("*") if path.is_file())


def _entries(home: Path) -> list[dict[str, object]]:
    path = home / "metrics.jsonl"
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
