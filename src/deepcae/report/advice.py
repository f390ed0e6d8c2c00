"""How well a fit did, and what to try next: concluded from the training's records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..inplace import json_of
from ..proto.lookup import FIT
from ..solver.records import WarningKind

LITTLE = 0.01  # of the error: a gain that says nothing
WORSE, FELL = 1.05, 0.9  # times the best test's error, and the training's of then: it learns by heart since
EARLY = "stopped early"  # `Finished.reason` where patience ended


@dataclass(frozen=True)
class Judged:
    """By what a training is judged beside its records.

    `pca`: PCA's error; None: the first test's, before a designed network has learned. `mean`: the mean image's error,
    if it is known. `whole`: iterations of the training that --minutes made shorter, None where it did not; `takes`:
    how long they take, in words. `bounded`: whether --minutes says how long is trained; None: that is not known.
    `by`: the command that goes on with the training, less the setting that makes it longer.
    """

    pca: float | None = None
    mean: float | None = None
    whole: int | None = None
    takes: str = ""
    bounded: bool | None = None
    by: str = "the same command with"

    def to_json(self) -> dict[str, Any]:
        """As `fit` keeps it, so that its report and its last lines say the same."""
        return asdict(self)


def judged_of(run: Path) -> Judged | None:
    """By what the fit in a folder is judged; None where there is none, or its note cannot be read."""
    try:
        told = json_of(run / FIT)["judged"]
        return Judged(**{name: told[name] for name, is_right in _RIGHT.items() if is_right(told[name])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_RIGHT = {
    "pca": lambda value: value is None or _is_number(value),
    "mean": lambda value: value is None or _is_number(value),
    "whole": lambda value: value is None or (_is_number(value) and isinstance(value, int)),
    "takes": lambda value: isinstance(value, str),
    "bounded": lambda value: value in (None, True, False),
    "by": lambda value: isinstance(value, str),
}


@dataclass(frozen=True)
class _Course:
    """What the records say. `kept`: the test of the weights that are kept; `found`: the best of all tests."""

    tests: Sequence[Mapping[str, Any]]
    kept: Mapping[str, Any]
    found: Mapping[str, Any]
    pca: float | None
    by_patience: bool
    overfits: bool

    @classmethod
    def of(cls, metrics: Sequence[Mapping[str, Any]], judged: Judged) -> _Course | None:
        """None without tests."""
        tests = [record for record in metrics if record["kind"] == "test"]
        if not tests:
            return None
        found = min(tests, key=lambda test: float(test["loss"]))
        told = [record["iteration"] for record in metrics if record["kind"] == "kept"][-1:]
        kept = next((test for test in tests if [test["iteration"]] == told), found)
        pca = judged.pca if judged.pca is not None else _error(tests[0]) if tests[0]["iteration"] == 0 else None
        ended = [record.get("reason") for record in metrics if record["kind"] == "finished"][-1:]
        warned = any(record.get("warning") == WarningKind.OVERFITTING for record in metrics)
        return cls(tests, kept, found, pca, ended == [EARLY], warned or _by_heart(metrics, tests[-1], found))

    @property
    def last(self) -> int:
        return int(self.tests[-1]["iteration"])

    @property
    def keeps_pca(self) -> bool:
        """Whether the weights before all learning are kept, though it learned on."""
        return self.kept["iteration"] == self.tests[0]["iteration"] == 0 < self.last

    @property
    def is_pca(self) -> bool:
        """Whether what is kept is no better than PCA."""
        return self.pca is not None and self.pca - _error(self.kept) <= LITTLE * self.pca


def came_to(metrics: Sequence[Mapping[str, Any]], dims: int, judged: Judged | None = None) -> list[str]:
    """Lines for people."""
    judged = judged or Judged()
    course = _Course.of(metrics, judged)
    if course is None:
        return []
    error, best = _error(course.kept), course.kept["iteration"]
    said = [f"half the squared error per held-out image: {error:.4g}{_share(error, judged)}, after {best:,} iterations"]
    if course.pca is not None:
        gain = (course.pca - error) / course.pca if course.pca else 0.0
        as_many = f"PCA with as many numbers ({dims}): {course.pca:.4g}{_share(course.pca, judged)}"
        said.append(f"{as_many}; the network is {_better(gain)}")
    if course.keeps_pca and judged.pca is None:
        said.append(f"What is kept is that PCA itself: {later_tests(metrics)}")
    else:
        tests = len(course.tests)
        said.append(f"(the best of {tests} tests with these images, so a little better than with others)")
    step = next_step(metrics, judged)
    return [*said, *([f"next: {step}"] if step else [])]


def seconds_for(whole: int, interval: int, metrics: Sequence[Mapping[str, Any]]) -> float:
    """Seconds of `whole` iterations with a test after each `interval`, and one before, as those took that were made.

    whole · step + tests · (seconds of the last part - its iterations · step) / its tests; 0: nothing was measured.
    """
    begun, tests, found = 0, 0, 0.0
    for record in metrics:
        if record["kind"] == "started":
            begun, tests = record.get("iteration", 0), 0
        tests += record["kind"] == "test"
        if record["kind"] == "finished" and record["iteration"] > begun:
            step = float(record["seconds_per_iteration"])
            beside = max(0.0, record["seconds"] - (record["iteration"] - begun) * step)
            found = whole * step + (1 + whole // interval if interval > 0 else 0) * beside / max(1, tests)
    return found


def later_tests(metrics: Sequence[Mapping[str, Any]]) -> str:
    """Where the weights before all learning are kept: what the tests after them said."""
    course = _Course.of(metrics, Judged())
    if course is None or len(course.tests) < 2:
        return "there were no later tests"
    count, first, found = len(course.tests) - 1, _error(course.kept), course.found
    told = f"none of the {count} later tests was surely better" if count > 1 else "the later test was not surely better"
    if found is course.kept or not first:
        return told
    share = f"{100 * (first - _error(found)) / first:.2g} %"
    return f"{told} (the best of them, {_error(found):.4g} at iteration {found['iteration']:,}, by {share})"


def next_step(metrics: Sequence[Mapping[str, Any]], judged: Judged | None = None) -> str:
    """What to try next; "" where nothing is known to help."""
    judged = judged or Judged()
    course = _Course.of(metrics, judged)
    if course is None:
        return ""
    best, last = int(course.kept["iteration"]), course.last
    longer = f"--set 'max_iter: {2 * last or 'N'}'"
    enough = f"{longer} and, where they do not reach, more --minutes"
    bounded = enough if judged.whole is None else "more --minutes"
    more = {True: bounded, False: longer, None: f"more --minutes or {longer}"}[judged.bounded]
    on = f"{judged.by} {more} goes on from here"
    if not last:
        return f"it was tested before its first iteration alone; {on}"
    if judged.whole is not None and not course.by_patience and not course.overfits:
        takes = f"; all of them take about {judged.takes}" if judged.takes else ""
        return f"--minutes left it {last:,} of {judged.whole:,} iterations{takes}; {on}"
    if course.is_pca and best < last and not course.by_patience and not course.overfits:
        return f"{last:,} iterations brought little: {on}; if those bring little, too, more images"
    if course.is_pca and best < last:
        return "more images, if there are any; the network found little in these that PCA does not have"
    if course.overfits:
        return "more images, or --width 0.5; it learned the training images by heart after its best test"
    if best == last:
        return f"it was still improving; {on}"
    return ""


def _by_heart(metrics: Sequence[Mapping[str, Any]], last: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Whether, since the best test, tests grew worse while the training loss fell."""
    trained = {record["iteration"]: _error(record) for record in metrics if record["kind"] in ("train", "last_pass")}
    if not trained or _error(last) <= WORSE * _error(found):
        return False
    then = min(trained, key=lambda iteration: abs(iteration - found["iteration"]))
    return trained[max(trained)] < FELL * trained[then]


def _error(test: Mapping[str, Any]) -> float:
    """Of the images alone, where the loss weighs something else, too."""
    return float(test.get("outputs", {}).get("l2_error", test.get("loss", 0.0)))


def _share(error: float, judged: Judged) -> str:
    """How much of the differences between images is restored: 1 - error / error of the mean image."""
    if not judged.mean:
        return ""
    return f" ({100 * (1 - error / judged.mean):.3g} % of their variance restored)"


def _better(gain: float) -> str:
    return f"{gain:.0%} better" if gain > LITTLE else "as good"
