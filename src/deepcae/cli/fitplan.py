"""What a fit will do, before it does it: the network for these images, and how long each part takes on this machine."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from .duration import about
from .options import SHOWN

if TYPE_CHECKING:
    from ..prepare import Understood
    from ..solver.estimate import Estimate
    from ..zoo.design import Design
    from ..zoo.schedule import Course
    from ..zoo.streams import WholeTest
    from .fitoptions import FitOptions

TESTS = 20  # of a training that --minutes makes shorter
TABLE = 100_000  # images up to which codes are written as a table, too
BEYOND = 1.1  # times --minutes, that are told before
TECHNICAL = ("CAE size",)  # facts of a network that `summary` tells
SPARE = 30.0  # seconds that pictures and report take ...
MAPPED = 0.007  # ... and each held-out image in a map by t-SNE
SHARE_OF_RACE = 0.2  # of --minutes, that a race may take at most
FOR_MAP, FOR_CODES = 0.2, 0.4  # of --minutes, at most, for the map, and for the codes of all images
FEWEST = 1000  # held-out images that are mapped, if there are so many
FEW, LARGE, PATCH = 200, 192, 64  # images that are few; pixels of large ones along a side, and of a patch
NOISE = 256  # images of noise that a pass is timed with, unless a batch has more


@dataclass(frozen=True)
class FitPlan:
    """The network, and how it is trained where nobody says otherwise. `test`: a pass over the held-out images."""

    plan: Design
    width: float
    batch: int
    test: WholeTest
    course: Course
    understood: Understood
    options: FitOptions
    out: Path

    @property
    def course_text(self) -> str:
        return f"max_iter: {self.course.iterations} test_interval: {self.course.interval}"

    def race(self, estimate: Estimate) -> int:
        """Iterations of each of two designs before the training, which takes the better one; 0: there is no race."""
        from ..zoo.designed import JUDGES
        from ..zoo.schedule import trial, trial_within

        options = self.options
        if options.linear is not None or options.neighbours or self.understood.rows["test"] < JUDGES:
            return 0
        return trial_within(trial(self._param().max_iter), for_race(options), estimate.step)

    def _left(self, estimate: Estimate) -> float:
        """Seconds of --minutes that are for the training."""
        gone = 2 * self.race(estimate) * estimate.step
        return left_of(self.options, self.understood, estimate.test(self._param()), gone)

    def lines(self, estimate: Estimate) -> list[str]:
        """For people. `estimate`: of this network, see `timed`."""
        param, settings, race = self._param(), list[str](), self.race(estimate)
        left = self._left(estimate)
        told = ""
        if estimate.seconds(param) > left:
            whole = param.max_iter
            settings = shortened(estimate, param, left)
            if settings:
                param = self._param(*settings)
                told = f"--minutes {self.options.minutes:g}: {param.max_iter:,} iterations in place of {whole:,}"
        rest = after(self.options, self.understood, estimate.test(param))
        count = self.understood.rows["train"]
        found = [f"{name:10} {words}" for name, words in self.plan.facts(count).items() if name not in TECHNICAL]
        each = f"{param.max_iter:,} iterations of {self.batch:,} images: about {about(estimate.seconds(param))} here"
        early = ", or less: it ends when held-out images are restored no better" if param.patience else ""
        if race:
            lasts = about(2 * race * estimate.step)
            found += [f"race       {race:,} iterations of each of two networks, the better goes on: about {lasts}"]
        found += [f"training   {told}"] if told else []
        found += [f"training   {each}{early}", f"then       codes, pictures and report: about {about(rest)}"]
        short = too_few(self.options, rest, estimate.seconds(param))
        return [*found, *(f"note       {note}" for note in [*self.notes(), *short])]

    def notes(self) -> list[str]:
        """What is possible, and hardly meant."""
        count, dims = self.understood.rows["train"], self.options.dims
        if dims < count:
            return few_and_large(self.understood, self.options, self.out)
        return [
            f"{dims} numbers for a code are as many as there are training images ({count}), or more: they can be "
            "learned by heart; fewer --dims, or more images"
        ]

    def to_json(self, estimate: Estimate) -> dict[str, Any]:
        """For programs."""
        param, race, left = self._param(), self.race(estimate), self._left(estimate)
        if estimate.seconds(param) > left:
            param = self._param(*shortened(estimate, param, left))
        return {
            "network": self.plan.to_json(self.understood.rows["train"]),
            "training": {
                "iterations": param.max_iter,
                "batch": self.batch,
                "test_interval": param.test_interval,
                "patience": param.patience,
                "seconds": estimate.seconds(param),
            },
            "race": {"iterations": race, "seconds": 2 * race * estimate.step},
            "rest": {"seconds": after(self.options, self.understood, estimate.test(param))},
        }

    def _param(self, *settings: str) -> Any:
        """The solver's settings that count here."""
        from ..proto.schema import SolverParameter
        from ..proto.text import merge, parse

        text = f"{self.course_text} patience: {self.course.patience} test_iter: {self.test.iterations}"
        document = parse(text, SolverParameter, "<design>")
        for text in (*self.options.overrides, *settings):
            merge(document, text, "--set")
        return document.message

    def timed(self, device: str, threads: int | None) -> Estimate:
        """Trains the same network a little, with noise in place of the images, and leaves nothing behind."""
        import h5py
        import numpy as np

        from .. import zoo
        from ..solver.estimate import estimate
        from ..zoo.designed import build_design

        told = self.understood
        with TemporaryDirectory(prefix="deepcae-") as name:
            folder = Path(name)
            count = max(2, self.batch, min(NOISE, told.rows["train"]))
            with h5py.File(folder / "noise.h5", "w") as file:
                noise = np.random.default_rng(0).uniform(*told.range, (count, *told.shape))
                file["data"] = noise.astype(told.dtype)
            model = build_design(
                told.shape, self.options.dims, folder / "noise.h5", folder / "noise.h5", batch=self.batch,
                width=self.width, folder=folder, scaling=told.scaling, num_test=told.rows["test"], mirror=False,
                neighbours=self.options.neighbours or 0.0,
            )  # fmt: skip
            _, solver = zoo.write(model, folder)
            return estimate(solver, [self.course_text, *self.options.overrides], device=device, threads=threads)


def few_and_large(understood: Understood, options: FitOptions, out: Path) -> list[str]:
    """That patches of few large images are many images, with the command that learns them."""
    shape = understood.shape
    count = sum(understood.rows.values())
    if count >= FEW or len(shape) != 3 or min(shape[1:]) < LARGE or options.images.patch is not None:
        return []
    patches = count * (shape[1] // PATCH) * (shape[2] // PATCH)
    words = [*map(str, options.paths), "--dims", str(options.dims), *options.images.arguments()]
    words += [
        "--patch",
        f"{PATCH}x{PATCH}",
        *([] if options.minutes is None else ["--minutes", f"{options.minutes:g}"]),
    ]
    command = shlex.join(["deepcae", "fit", *words, "-o", str(out)])
    return [
        f"{count} images of {understood.size} are few, and large; cut into {patches:,} patches, each with a code, "
        f"they are many: {command}"
    ]


def plan_fit(understood: Understood, options: FitOptions, out: Path) -> FitPlan:
    """SpecError where no network can be as wished, before anything is stored. Fast: no image is read."""
    from ..data.heldout import enough
    from ..zoo.design import design
    from ..zoo.designed import default_batch, default_width
    from ..zoo.schedule import course, pass_over

    train, test = understood.rows["train"], understood.rows.get("test", 0)
    width = default_width(understood.shape, train) if options.width is None else options.width
    plan = design(understood.shape, options.dims, width)
    batch = options.batch or default_batch(plan, train, options.neighbours or 0.0)
    tested = pass_over(max(1, min(test, enough(math.prod(plan.given)))), batch, bool(options.neighbours))
    return FitPlan(plan, width, batch, tested, course(plan, tested, train, batch), understood, options, out)


def for_race(options: FitOptions) -> float:
    """Seconds that a race of two designs may take."""
    return math.inf if options.minutes is None else SHARE_OF_RACE * 60 * options.minutes


def after(options: FitOptions, understood: Understood, test: float) -> float:
    """Seconds that codes, pictures and report take, where a test of the held-out images takes `test` seconds."""
    codes = test if only_held_out(options, understood, test) else _codes_of_all(understood, test)
    held_out = min(understood.rows.get("test", 0), mapped(options))
    return codes + SPARE + (MAPPED * held_out if options.dims > 2 else 0)


def mapped(options: FitOptions) -> int:
    """How many images are mapped and drawn: with --minutes as many as t-SNE maps in a part of that."""
    if options.minutes is None:
        return SHOWN
    return min(SHOWN, max(FEWEST, int(60 * options.minutes * FOR_MAP / MAPPED)))


def only_held_out(options: FitOptions, understood: Understood, test: float) -> bool:
    """Whether the codes of all images would take more than their part of --minutes."""
    return options.minutes is not None and _codes_of_all(understood, test) > 60 * options.minutes * FOR_CODES


def _codes_of_all(understood: Understood, test: float) -> float:
    return test * sum(understood.rows.values()) / max(1, understood.rows.get("test", 0))


def too_few(options: FitOptions, rest: float, training: float) -> list[str]:
    """What must be said where --minutes do not reach. `rest`: seconds for all but the training."""
    if options.minutes is None or rest + training <= BEYOND * 60 * options.minutes:
        return []
    alone = f"codes, pictures and report alone take about {about(rest)}"
    together = f"all together takes longer than --minutes {options.minutes:g}, about {about(rest + training)}"
    return [f"{alone}: {together}"]


def left_of(options: FitOptions, understood: Understood, test: float, gone: float = 0.0) -> float:
    """Seconds of --minutes that are for the training, of which `gone` are over; half of all at least."""
    if options.minutes is None:
        return math.inf
    total = 60 * options.minutes
    return max(total / 2, total - gone - after(options, understood, test))


def shortened(estimate: Estimate, param: Any, left: float) -> list[str]:
    """The solver text of the longest training that takes `left` seconds; empty where all that is wanted fits in."""
    iterations, interval = estimate.within(left, param, TESTS)
    if iterations >= param.max_iter:
        return []
    course = f"max_iter: {iterations} test_interval: {interval} snapshot: {max(1, iterations // 2)}"
    # few iterations between tests say little, and there is hardly time to win: it learns to its end
    return [f"{course} patience: 0" if param.patience and iterations < param.max_iter / 2 else course]
