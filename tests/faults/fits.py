"""The fit that is disturbed, what it comes to undisturbed, and what must hold after each disturbance.

Its pictures are the curves, and its report the losses: the others are written in the same way, and take seconds.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from deepcae.solver.snapshot import MANIFEST, Snapshot

from .training import LONGEST, Undisturbed, names_in

if TYPE_CHECKING:
    from .server import Ended, Server

FIT = ["--dims", "2", "--linear", "--threads", "1", "--device", "cpu", "-q"]
FIT += ["--set", "max_iter: 4 test_interval: 2 snapshot: 2"]
BETWEEN = "design_iter_2."
OLD, NEW = "old.npy", "new.npy"
RESULTS = (
    "run/codes.csv",
    "run/design_iter_4.caffemodel",
    "run/design_iter_4.solverstate",
    "run/model/net.prototxt",
    "run/data/train.txt",
)


class Fit:
    """A tiny one in `folder`. `takes_a_place`: with --overwrite, of one that is there, whole."""

    def __init__(self, server: Server, folder: Path, takes_a_place: bool = False) -> None:
        self.server, self.folder, self.made = server, folder, folder / "made"
        self.argv = command(NEW, *["--overwrite"] * takes_a_place)
        self.made.mkdir(parents=True)
        write_images(self.made)
        self.given = digests_in(self.made, (OLD, NEW))
        self.old: dict[str, str] = {}
        if takes_a_place:
            assert self.server.run(command(OLD), self.made).code == 0
            self.old = digests_in(self.made / "run", names_in(self.made / "run"))
        case = self.begin("undisturbed")
        ended = self.run(case)
        assert ended.code == 0, ended.said
        self.wanted = Undisturbed(names_in(case), tuple(digests_in(case, RESULTS).values()), [], ended.calls)

    def begin(self, name: str) -> Path:
        """A new folder with images."""
        case = self.folder / name / "case"
        shutil.copytree(self.made, case)
        return case

    def run(self, case: Path, **disturbance: object) -> Ended:
        return self.server.run(self.argv, case, **disturbance)  # type: ignore[arg-type]

    def problems_now(self, case: Path, ended: Ended) -> list[str]:
        """What is wrong directly after a disturbance: images or a whole fit that are lost, bad complaints."""
        found = self._lost(case)
        if ended.killed:
            return found
        errors = [line for line in ended.said.splitlines() if line.startswith("error: ")]
        if "Traceback" in ended.said or ended.code not in (0, 1) or (ended.code == 1) != bool(errors):
            found.append(f"exit code {ended.code} with: {ended.said[-800:]}")
        found += [f"complaint: {line}" for line in errors if len(line) > LONGEST or ".tmp" in line or "run" not in line]
        return [*found, *(f"left: {name}" for name in sorted(names_in(case)) if name.endswith(".tmp"))]

    def problems_after(self, case: Path, before: Ended) -> list[str]:
        """What is wrong after the same command, which nothing disturbs. `before` is not looked at."""
        ended = self.run(case)
        if ended.code:
            return [f"the same command ended with {ended.code}: {ended.said[-800:]}"]
        found, names = [], names_in(case)
        more, fewer = names - self.wanted.names, self.wanted.names - names
        fewer = {name for name in fewer if BETWEEN not in name}  # which a failure may cost
        if more or fewer:
            found.append(f"files: {sorted(more)} too many, {sorted(fewer)} too few")
        now = digests_in(case, RESULTS)
        if differ := [name for name, digest in zip(RESULTS, self.wanted.digests, strict=True) if now[name] != digest]:
            found.append(f"other than undisturbed: {differ}")
        return found

    def _lost(self, case: Path) -> list[str]:
        """The images; or the fit whose place was to be taken, where nothing has taken it."""
        found = [] if digests_in(case, (OLD, NEW)) == self.given else ["the images are others"]
        there = {path.name: digests_in(path, self.old) for path in (case / "run", *case.glob("run/replaced-run*"))}
        gone = [name for name, digest in self.old.items() if all(each[name] != digest for each in there.values())]
        if gone and not any(digests_in(case, [name])[name] not in self.old.values() for name in self._whole(case)):
            found.append(f"lost, and no new snapshot is there: {gone}")
        return found

    def _whole(self, case: Path) -> list[str]:
        """The weights of complete snapshots."""
        kept = (Snapshot.recorded(str(path).removesuffix(MANIFEST)) for path in case.glob(f"run/*{MANIFEST}"))
        return [str(each.model.relative_to(case)) for each in kept if not each.damage()]


def digests_in(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """File → a digest of its bytes, "" where there is none."""
    paths = {name: folder / name for name in names}
    return {
        name: hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "" for name, path in paths.items()
    }


def curves_alone(run: Path, folder: Path, *_: object) -> Iterator[Path]:
    """In the place of `cli.plot.all_of_run`."""
    from deepcae.solver.run import Run
    from deepcae.viz import loss_curves, save

    path = folder / "curves.png"
    save(loss_curves(Run(run).metrics()), path)
    yield path


def command(images: str, *more: str) -> list[str]:
    return ["fit", images, "-o", "run", *FIT, *more]


def write_images(folder: Path) -> None:
    dice = np.random.default_rng(1)
    for name in (OLD, NEW):
        np.save(folder / name, dice.random((40, 6, 6), dtype=np.float32))


def with_few_pictures() -> None:
    """From here on, fits of this process make the curves, and a page of losses."""
    from deepcae.cli import plot
    from deepcae.report import build, sections

    build.SECTIONS = (sections.losses,)  # type: ignore[assignment]
    plot.all_of_run = curves_alone


def warm_up() -> None:
    """Loads what every fit loads, by one of them."""
    from deepcae.cli import main

    with_few_pictures()
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder))
        argv = command(f"{folder}/{OLD}")
        argv[argv.index("run")] = f"{folder}/run"
        assert main(argv) == 0
