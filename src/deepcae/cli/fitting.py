"""The steps of `deepcae fit`, each with the command that does it alone. What is done already is not done again."""

from __future__ import annotations

import json
import math
import shlex
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import MARK, foreign_kept, whole_file
from ..errors import DataError
from ..report.advice import came_to
from .duration import about
from .screen import bar, say, set_in

if TYPE_CHECKING:
    from ..prepare import Looked, Prepared, Understood
    from .imageflags import ImageFlags
    from .training import Outcome

TOLD, STEPS = "fit.json", "steps.sh"
TESTS = 20  # of a training that --minutes makes shorter
TABLE = 100_000  # images up to which codes are written as a table, too
SPARE = 30.0  # seconds of --minutes that are kept for pictures and report ...
MAPPED = 0.007  # ... and for each held-out image in a map by t-SNE
HEAD = f"# {MARK}: what `deepcae fit` did, step by step. Change a text in model/, and go on from there.\n"


@dataclass(frozen=True)
class Wishes:
    """What was asked for. `images`: which images, and how they become data."""

    paths: list[Path]
    dims: int
    minutes: float | None
    width: float | None
    batch: int | None
    overrides: tuple[str, ...]
    images: ImageFlags
    neighbours: float | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "paths": [str(path.absolute()) for path in self.paths], "dims": self.dims, "minutes": self.minutes,
            "width": self.width, "batch": self.batch, "set": [*self.overrides], "images": self.images.arguments(),
            **({"neighbours": self.neighbours} if self.neighbours else {}),
        }  # fmt: skip


class Fit:
    """`out`: the run's folder; `device`, `threads`: where to compute."""

    def __init__(
        self, out: Path, wishes: Wishes, device: str, threads: int | None, overwrite: bool, quiet: bool
    ) -> None:
        self.out, self.wishes, self.device, self.threads = out, wishes, device, threads
        self.overwrite, self.quiet = overwrite, quiet
        self.began = time.perf_counter()
        self.data, self.model = out / "data", out / "model"
        self._commands: list[str] = []

    @property
    def _where(self) -> list[str]:
        """Where to compute, as words of a command line: bits may depend on it."""
        return ["--device", self.device, *(["--threads", str(self.threads)] if self.threads else [])]

    @cached_property
    def looked(self) -> Looked:
        from ..prepare import look

        return look(self.wishes.paths, self.wishes.images.options())

    def look(self) -> Understood:
        """What lies there, told."""
        understood = self.looked.understood
        for line in understood.lines():
            self._say(f"    {line}")
        return understood

    def carry_out(self) -> Outcome:
        """All steps. A training that is stopped leaves the others to the next call."""
        self._require_own()
        self._say("1/5 images")
        self.look()
        with foreign_kept():
            self._keep("wishes", self.wishes.to_json())
            prepared = self._prepare()
            self._say("2/5 network")
            self._design(prepared)
            self._say("3/5 training")
            outcome = self._train()
            if outcome.finished.reason != "stopped":
                self._say("4/5 codes")
                self._encode(prepared)
                self._say("5/5 pictures and report")
                self._show()
        return outcome

    # The steps

    def _prepare(self) -> Prepared:
        from ..prepare import Prepared, prepare

        wishes = self.wishes
        self._command("data", "any", *map(str, wishes.paths), *wishes.images.arguments(), "-o", str(self.data))
        if (self.data / "images.json").exists() and not self.overwrite:
            self._say(f"    stored before, in {self.data}")
            return self._unchanged(Prepared.load(self.data))
        with bar("storing images", sum(self.looked.understood.rows.values()), self.quiet) as advance:
            made = prepare(
                wishes.paths, self.data, wishes.images.options(), overwrite=self.overwrite, looked=self.looked,
                progress=lambda done, _: advance(done),
            )  # fmt: skip
        if made.test is None:
            raise DataError("without images held out nothing says how good the codes are; take another --split")
        for note in made.understood.notes:
            if note not in self.looked.understood.notes:
                self._say(f"    note       {note}")
        return made

    def _unchanged(self, stored: Prepared) -> Prepared:
        """DataError where the images are no longer those that were stored."""
        before, now = stored.understood, self.looked.understood
        for what in ("count", "rows", "shape", "dtype"):
            if (was := getattr(before, what)) != (found := getattr(now, what)):
                raise DataError(
                    f"{self.data}: the images changed since they were stored: {what} was {was}, and is {found}; "
                    "take another -o, or --overwrite"
                )
        return stored

    def _design(self, prepared: Prepared) -> None:
        """net.prototxt, solver.prototxt and start.caffemodel for these images."""
        from ..zoo.designed import table
        from .designing import Wanted, designed
        from .zoo import put

        wishes, told = self.wishes, prepared.understood
        lists, size = (str(prepared.train), str(prepared.test)), "x".join(map(str, told.shape))
        scale, offset = told.scaling.scale, told.scaling.offset
        words = ["--input", size, "--dims", str(wishes.dims), "--data", *lists, "--scale", f"{scale:.9g}"]
        words += ["--mean-value", f"{offset:.9g}"] if offset else []
        words += ["--width", f"{wishes.width:g}"] if wishes.width else []
        words += ["--batch", str(wishes.batch)] if wishes.batch else []
        words += ["--neighbours", f"{wishes.neighbours:g}"] if wishes.neighbours else []
        self._command("zoo", "design", *words, "-o", str(self.model))
        if (self.model / "solver.prototxt").exists() and not self.overwrite:
            self._say(f"    designed before, in {self.model}")
            return
        wanted = Wanted(
            size, wishes.dims, wishes.width, lists, wishes.batch, scale, offset or None, None, False,
            wishes.neighbours,
        )  # fmt: skip
        model, found = designed(wanted, self.model)
        put(model, self.model)
        for line in table({**model.plan.facts(model.num_images), **found.facts()}).splitlines():
            self._say(f"    {line}")

    def _train(self) -> Outcome:
        from ..solver.about import LOG
        from .training import Effects, TrainingOptions, calm_lines, carry_out

        solver, seed = self.model / "solver.prototxt", self.wishes.images.seed
        settings = [*self.wishes.overrides, *self._course(solver)]
        words = [word for text in settings for word in ("--set", text)]
        self._command(
            "train", "--solver", str(solver), *words, "--seed", str(seed), "--out", str(self.out), *self._where
        )
        given = TrainingOptions(
            solver, settings, None, False, None if self.overwrite else "latest", self.overwrite, self.device, None,
            threads=self.threads,
        )  # fmt: skip
        with foreign_kept(False):  # a run knows its own files, which it writes anew when it goes on
            training = given.open(self.out, seed, quiet=True)
            outcome = carry_out(training, self.out / LOG, self.quiet, Effects(training, "stop", "snapshot"), calm_lines)
        if outcome.finished.reason == "stopped":
            say(f"stopped at iteration {outcome.finished.iteration}; the same command goes on from there")
        return outcome

    def _course(self, solver: Path) -> list[str]:
        """What --minutes makes of max_iter and test_interval; says how long the training will take.

        Chosen once: a training that goes on keeps its course.
        """
        from ..proto.read import read_solver
        from ..proto.text import merge
        from ..solver.estimate import estimate

        kept = self._kept().get("course")
        if isinstance(kept, list) and not self.overwrite:
            return [str(text) for text in kept]
        document = read_solver(solver)
        for text in self.wishes.overrides:
            merge(document, text, "--set")
        param, settings = document.message, list[str]()
        found = estimate(solver, self.wishes.overrides, device=self.device, threads=self.threads)
        left = math.inf if self.wishes.minutes is None else self._left(self.wishes.minutes, found.test(param))
        if self.wishes.minutes is not None and found.seconds(param) > left:
            iterations, interval = found.within(left, param, TESTS)
            self._say(f"    --minutes {self.wishes.minutes:g}: {iterations:,} iterations instead of {param.max_iter:,}")
            settings = [f"max_iter: {iterations} test_interval: {interval} snapshot: {max(1, iterations // 2)}"]
            merge(document, settings[0], "--minutes")
        self._say(f"    {param.max_iter:,} iterations, about {about(found.seconds(param))} on this machine")
        self._keep("course", settings)
        return settings

    def _left(self, minutes: float, test: float) -> float:
        """Seconds of --minutes that are for the training, where a test of the held-out images takes `test` seconds."""
        rows, total = self.looked.understood.rows, 60 * minutes
        count, held_out = sum(rows.values()), max(1, rows.get("test", 0))
        codes = (2 if count <= TABLE else 1) * test * count / held_out
        after = codes + SPARE + (MAPPED * held_out if self.wishes.dims > 2 else 0)
        return max(total / 2, total - (time.perf_counter() - self.began) - after)

    def _encode(self, prepared: Prepared) -> None:
        """Codes of all images: of those that were learned from, and of those that were held out."""
        from .codes import encode

        everything = self.data / "all.txt"
        few = sum(prepared.understood.rows.values()) <= TABLE
        for target in [self.out / "codes.h5", *([self.out / "codes.csv"] if few else [])]:
            self._command("encode", str(self.out), str(everything), "-o", str(target), *self._where)
            encode(target, self.out, everything, device=self.device, threads=self.threads, quiet=True)
            self._say(f"    {target}")

    def _show(self) -> None:
        from ..solver.run import Run
        from .pictures import report
        from .plot import plot

        pictures = self.out / "pictures"
        self._command("plot", str(self.out), "-o", str(pictures))
        plot(self.out, pictures, device=self.device, threads=self.threads, quiet=True)
        self._command("report", str(self.out))
        report(self.out, device=self.device, threads=self.threads, quiet=True)
        self._say(f"    {pictures}\n    {self.out / 'report.html'}")
        for line in came_to(Run(self.out).metrics(), self.wishes.dims):
            say(line)

    # What is told and kept

    def result(self, outcome: Outcome) -> dict[str, Any]:
        """For programs."""
        from .training import summary

        found = {"run": str(self.out), "codes": str(self.out / "codes.h5"), "report": str(self.out / "report.html")}
        return {**found, **summary(outcome, time.perf_counter() - self.began)}

    def _require_own(self) -> None:
        """DataError where an earlier fit with other wishes left something in the folder."""
        earlier = None if self.overwrite else self._kept().get("wishes")
        if earlier is None or earlier == self.wishes.to_json():
            return
        now = self.wishes.to_json()
        other = next((name for name in now if not isinstance(earlier, dict) or earlier.get(name) != now[name]), "")
        raise DataError(
            f"{self.out}: holds a fit with another '{other}'; take another -o, or --overwrite to give it up"
        )

    def _kept(self) -> dict[str, Any]:
        """fit.json: what was asked, and the course that was chosen."""
        try:
            found = json.loads((self.out / TOLD).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise DataError(f"{self.out / TOLD}: is damaged ({error}); take another -o, or --overwrite") from None
        return found if isinstance(found, dict) else {}

    def _keep(self, name: str, value: Any) -> None:
        told = {} if self.overwrite and name == "wishes" else self._kept()
        self._write(TOLD, json.dumps({"about": MARK, **told, name: value}, indent=1) + "\n")

    def _command(self, *words: str) -> None:
        """Notes the command that does the step."""
        self._commands.append(shlex.join(["deepcae", *words]))
        self._write(STEPS, HEAD + "".join(f"{line}\n" for line in self._commands))

    def _write(self, name: str, text: str) -> None:
        self.out.mkdir(parents=True, exist_ok=True)
        with whole_file(self.out / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def _say(self, line: str) -> None:
        say(set_in(line), self.quiet)
