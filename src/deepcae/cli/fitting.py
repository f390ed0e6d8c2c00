"""The steps of `deepcae fit`, each with the command that does it alone. Steps that are already done are skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..atomic import foreign_kept
from ..errors import DataError
from ..kernels.memory import give_back
from ..proto.lookup import MODEL
from ..report.advice import Judged, came_to, seconds_for
from .duration import about, took
from .fitaside import come_back, making_way, part_with
from .fitbefore import Before, newest
from .fitkept import DATA, IMAGES, Kept, require_unchanged, stamps_of
from .fitplan import (
    TABLE,
    TECHNICAL,
    FitPlan,
    after,
    for_race,
    left_of,
    mapped,
    only_held_out,
    plan_fit,
    shortened,
    too_few,
)
from .options import SHOWN, Blobs, Machine, Network, Output
from .screen import bar, say, set_in, tell

if TYPE_CHECKING:
    from ..prepare import Looked, Prepared
    from .fitoptions import FitOptions
    from .training import Outcome


SILENT = Output(quiet=True)  # of the commands that do a step


class Fit:
    """`out`: the run's folder; `machine`: where to compute."""

    def __init__(self, out: Path, options: FitOptions, machine: Machine, overwrite: bool, quiet: bool) -> None:
        self.machine = Machine(machine.chosen(), machine.threads)
        self.out, self.options, self.device, self.threads = out, options, self.machine.device, machine.threads
        self.overwrite, self.quiet = overwrite, quiet
        self.began = time.perf_counter()
        self.data, self.model = out / DATA, out / MODEL
        self._did = self.answers = False  # whether a step was done by this call; whether what it says was asked for

    @cached_property
    def looked(self) -> Looked:
        from ..prepare import look

        return look(self.options.paths, self.options.images.options())

    @cached_property
    def kept(self) -> Kept:
        return Kept(self.out, self.overwrite)

    def look(self) -> FitPlan:
        """What lies there, told; and the network for it."""
        understood = self.looked.understood
        for line in understood.lines():
            self._say(f"    {line}")
        if "test" not in understood.rows:
            raise DataError("without images held out nothing says how good the codes are; take another --split")
        return plan_fit(understood, self.options, self.out)

    def foretell(self, in_words: bool) -> dict[str, Any]:
        """What would be done, and how long it would take, told; for programs as JSON. Nothing is written."""
        self.answers = in_words
        plan = self.look()
        estimate = plan.timed(self.device, self.threads)
        for line in plan.lines(estimate):
            self._say(f"    {line}")
        self._say("nothing is written; the same command without --dry-run does all this")
        return {**plan.understood.to_json(), **plan.to_json(estimate)}

    def carry_out(self) -> Outcome:
        """All steps. A training that is stopped leaves the others to the next call."""
        self._require_own()
        self._say("1/5 images")
        for note in self.look().notes():
            self._say(f"    note       {note}")
        with foreign_kept(), making_way(self.out) if self.overwrite else nullcontext():
            self.kept.put(wishes=self.options.to_json())
            prepared = self._prepare()
            self._say("2/5 network")
            self._design(prepared)
            self._say("3/5 training")
            outcome = self._train()
            give_back()  # the memory of the training, before others take theirs
            if outcome.finished.reason != "stopped":
                self._say("4/5 codes")
                self._encode(prepared)
                self._say("5/5 pictures and report")
                self._show()
        if not self._did:
            say("all of this was there before; --overwrite makes it anew, another -o keeps it", self.quiet)
        return outcome

    # The steps

    def _prepare(self) -> Prepared:
        from ..prepare import Prepared, prepare

        options = self.options
        self.kept.step("data", "any", *map(str, options.paths), *options.images.arguments(), "-o", str(self.data))
        if (self.data / "images.json").exists() and not self.overwrite:
            self._say(f"    stored before, in {self.data}")
            stored = Prepared.load(self.data)
            require_unchanged(self.data, stored.understood, self.looked.understood)
            for line in self.kept.written_since(options.paths):
                say(line)
            return stored
        self._did, stamps = True, stamps_of(options.paths)
        total, is_ours = sum(self.looked.understood.rows.values()), self.kept.own(*IMAGES)
        with bar("storing images", total, self.quiet) as advance, foreign_kept(not is_ours):
            made = prepare(
                options.paths, self.data, options.images.options(), overwrite=self.overwrite or is_ours,
                looked=self.looked, progress=lambda done, _: advance(done),
            )  # fmt: skip
        self.kept.put(stamps=stamps)
        for note in made.understood.notes:
            if note not in self.looked.understood.notes:
                self._say(f"    note       {note}")
        return made

    def _design(self, prepared: Prepared) -> None:
        """net.prototxt, solver.prototxt and start.caffemodel for these images."""
        from .designing import Wanted, designed
        from .racing import Where, errors_of_start, raced
        from .zoo import put

        options, told = self.options, prepared.understood
        lists, size = (str(prepared.train), str(prepared.test)), "x".join(map(str, told.shape))
        scale, offset = told.scaling.scale, told.scaling.offset
        words = ["--input", size, "--dims", str(options.dims), "--data", *lists, "--scale", f"{scale:.9g}"]
        words += ["--mean-value", f"{offset:.9g}"] if offset else []
        words += ["--width", f"{options.width:g}"] if options.width else []
        words += ["--batch", str(options.batch)] if options.batch else []
        words += [] if options.mirror is None else ["--mirror" if options.mirror else "--no-mirror"]
        words += ["--neighbours", f"{options.neighbours:g}"] if options.neighbours else []
        if (self.model / "solver.prototxt").exists() and not self.overwrite:
            self.kept.step("zoo", "design", *words, *self._ways(), "-o", str(self.model))
            self._say(f"    designed before, in {self.model}")
            return
        self._did = True
        wanted = Wanted(
            size, options.dims, options.width, lists, options.batch, scale, offset or None, options.mirror, False,
            options.neighbours, options.linear,
        )  # fmt: skip
        model, found = designed(wanted, self.model)
        seconds = for_race(options)
        where = Where(options.images.seed, self.device, self.threads, seconds, overrides=options.overrides)
        race = raced(model, lists, self.model, where, self.quiet)
        linear = options.linear if race is not None or options.linear is not None else model.starts_as_pca
        model = model if race is None else race.model
        pca, mean = errors_of_start(model, prepared) or (None, None)
        pca = None if model.starts_as_pca else pca if race is None else race.pca
        design = {"linear": linear, "race": 0 if race is None else race.iterations, "set": [*options.overrides]}
        self.kept.put(design={**design, "pca": pca, "mean": mean})
        self.kept.step("zoo", "design", *words, *self._ways(), "-o", str(self.model))
        self.kept.own(*(f"{MODEL}/{name}" for name in ("net.prototxt", "solver.prototxt", *model.files)))
        put(model, self.model)
        self.kept.put_texts()
        facts = {} if race is None else {"race": str(race)}
        facts = {**model.plan.facts(model.num_images), **found.facts(), **facts}
        for name in (each for each in facts if each not in (*TECHNICAL, "values")):  # which were told above
            self._say(f"    {name:10} {facts[name]}")

    def _ways(self) -> list[str]:
        """What `zoo design` is told of the linear way: to leave or to take it, or what decides a race."""
        linear = self.kept.design.get("linear", True)
        if linear is not None:
            return ["--linear" if linear else "--no-linear"]
        kept = self.kept.design
        laid = [word for text in kept.get("set", []) for word in ("--set", text)]
        return ["--race", str(kept["race"]), *laid, "--seed", str(self.options.images.seed), *self.machine.words()]

    def _train(self) -> Outcome:
        from ..solver.about import LOG
        from .training import Effects, TrainingOptions, calm_lines, carry_out

        solver, seed = self.model / "solver.prototxt", self.options.images.seed
        before = Before() if self.overwrite else Before.of(self.out, self.model)
        settings = self._course(solver, before)
        self.kept.training(solver, seed, self.machine.words())
        if before.outcome is not None and before.is_over(self._param(solver, *settings)):
            part_with(self.out)
            self._say(f"    done before: {before}")
            return before.outcome
        self._did = True
        self._say("    tests: l2_error is half the squared error of a held-out image, in the mean")
        given = TrainingOptions(
            solver, [*self.options.overrides, *settings], None, False, None if self.overwrite else "latest",
            self.overwrite, self.device, None, threads=self.threads,
        )  # fmt: skip
        with foreign_kept(False):  # a run knows its own files, which it writes anew when it goes on
            training = given.open(self.out, seed, quiet=True)
            outcome = carry_out(training, self.out / LOG, self.quiet, Effects(training, "stop", "snapshot"), calm_lines)
        if outcome.finished.reason == "stopped":
            say(f"stopped at iteration {outcome.finished.iteration}; the same command goes on from there")
        return outcome

    def _course(self, solver: Path, before: Before) -> list[str]:
        """What is laid over the solver text so that the training takes as long as is wished; says how long that is.

        Chosen once for each wish, so a training that is gone on with keeps its course. The iterations of a new wish
        are those of a training that has it from the beginning: those that are done count.
        """
        lengths = self.kept.lengths
        if lengths and {name: lengths[-1].get(name) for name in self.options.length} == self.options.length:
            return list(lengths[-1]["course"])
        if lengths and before.gave_up:
            self._say(f"    {before}; more time changes nothing")
            return list(lengths[-1]["course"])
        from ..solver.begin import solver_text
        from ..solver.estimate import estimate

        text, _ = solver_text(solver, self.out, self.options.overrides)
        found = estimate(text, device=self.device, threads=self.threads)
        param, settings = self._param(solver), list[str]()
        gone, told = time.perf_counter() - self.began, self.looked.understood
        left = left_of(self.options, told, found.test(param), gone)
        if found.seconds(param) > left and (settings := shortened(found, param, left)):
            whole, param = param.max_iter, self._param(solver, *settings)
            self._say(f"    --minutes {self.options.minutes:g}: {param.max_iter:,} iterations in place of {whole:,}")
        if before.iteration >= param.max_iter and lengths:
            self._say(f"    {before.iteration:,} iterations are done, and no more are asked for")
            if before.outcome is not None:
                return list(lengths[-1]["course"])
            settings = [f"max_iter: {before.iteration}"]
            param = self._param(solver, *settings)
        more = param.max_iter - before.iteration
        some = f"{more:,} more iterations, to {param.max_iter:,}" if before.iteration else f"{more:,} iterations"
        if before.outcome is not None:
            self._say("    its rate rises to what it is there in a longer training, and with it the loss for a while")
        seconds = found.seconds(param) * more / max(1, param.max_iter)
        self._say(f"    {some}, about {about(seconds)} on this machine")
        for line in too_few(self.options, gone + after(self.options, told, found.test(param)), seconds):
            self._say(f"    {line}")
        length = {**self.options.length, "course": settings, "begins": before.iteration, "ends": param.max_iter}
        length["held_out_alone"] = only_held_out(self.options, told, found.test(param))
        self.kept.put(lengths=[*lengths, length])
        return settings

    def _param(self, solver: Path, *settings: str) -> Any:
        """The solver's settings, with the options and `settings` laid over them."""
        from ..solver.begin import solver_text

        return solver_text(solver, self.out, [*self.options.overrides, *settings])[0].message

    def _encode(self, prepared: Prepared) -> None:
        """Codes of all images: of those that were learned from, and of those that were held out; or of these alone."""
        from .codes import encode

        everything = self.data / "all.txt"
        if self.kept.lengths[-1].get("held_out_alone"):
            self._say(f"    of the held-out images alone; `deepcae encode {self.out} {everything} -o FILE` makes all")
            everything = prepared.test or everything
        few = sum(prepared.understood.rows.values()) <= TABLE
        targets = [self.out / name for name in ("codes.h5", *(["codes.csv"] if few else []))]
        into = [word for target in targets for word in ("-o", str(target))]
        self.kept.step("encode", str(self.out), str(everything), *into, *self.machine.words())

        def make() -> list[Path]:
            encode(out=targets, run=self.out, data=everything, network=Network(), machine=self.machine, output=SILENT)
            return targets

        self._make(targets, make)

    def _show(self) -> None:
        from ..solver.run import Run
        from .pictures import report
        from .plot import all_of_run

        pictures, page = self.out / "pictures", self.out / "report.html"

        def draw() -> list[Path]:
            return list(all_of_run(self.out, pictures, limit, self.machine, lambda line: self._say(f"    {line}")))

        def write() -> list[Path]:
            report(run=self.out, limit=limit, blobs=Blobs(), machine=self.machine, output=SILENT)
            return [page]

        judged = self._judged()
        self.kept.put(judged=judged.to_json())
        limit = mapped(self.options)
        words = [] if limit == SHOWN else ["--limit", str(limit)]
        self.kept.step("plot", str(self.out), "-o", str(pictures), *words)
        self._make([pictures], draw)
        self.kept.step("report", str(self.out), *words)
        self._make([page], write)
        for line in came_to(Run(self.out).metrics(), self.options.dims, judged):
            say(set_in(line))
        say(f"all of this took {took(time.perf_counter() - self.began)}", self.quiet or not self._did)

    def _judged(self) -> Judged:
        """By what the training is judged."""
        from ..solver.run import Run

        design, length = self.kept.design, self.kept.lengths[-1]
        param = self._param(self.model / "solver.prototxt")
        whole, seconds = param.max_iter, seconds_for(param.max_iter, param.test_interval, Run(self.out).metrics())
        takes = about(seconds) if seconds else ""
        is_cut = bool(length["course"]) and length["ends"] < whole
        bounded = self.options.minutes is not None
        return Judged(design.get("pca"), design.get("mean"), whole if is_cut else None, takes, bounded)

    def _make(self, targets: Sequence[Path], make: Callable[[], Iterable[Path]]) -> None:
        """What a step makes of the trained network, unless it is there, and newer than that."""
        made = self.kept.makes(targets[0].name, newest(self.out, self.data), make)
        self._did |= made
        for target in targets:
            self._say(f"    {target}{'' if made else ', there before'}")

    # What is told and kept

    def result(self, outcome: Outcome) -> dict[str, Any]:
        """For programs."""
        from .training import summary

        found = {"run": str(self.out), "codes": str(self.out / "codes.h5"), "report": str(self.out / "report.html")}
        return {**found, **summary(outcome, time.perf_counter() - self.began)}

    def _require_own(self) -> None:
        """DataError where an earlier fit with other options left something in the folder."""
        if not self.overwrite:
            come_back(self.out, self.options)
        earlier = self.kept.options
        if earlier is not None and (other := self.options.other(earlier)):
            raise DataError(f"{self.out}: holds a fit with another {other}; take another -o, or --overwrite")

    def _say(self, line: str) -> None:
        if not self.answers:
            say(set_in(line), self.quiet)
        elif not self.quiet:
            tell(set_in(line))
