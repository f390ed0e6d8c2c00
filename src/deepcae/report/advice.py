"""What a fit came to, and what to try next: told from the records of its training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..solver.records import WarningKind

LITTLE = 0.01  # of the error: a gain that says nothing


def came_to(
    metrics: Sequence[Mapping[str, Any]], dims: int, bounded: bool = False, by_pca: float | None = None
) -> list[str]:
    """Lines for people. `by_pca`: PCA's error; None: the first test's, before a designed network has learned.

    `bounded`: whether --minutes says how long is trained.
    """
    tests = [record for record in metrics if record["kind"] == "test"]
    if not tests:
        return []
    first, last, kept = tests[0]["iteration"], tests[-1]["iteration"], _kept(metrics, tests)
    best, error = kept["iteration"], _error(kept)
    pca = by_pca if by_pca is not None else _error(tests[0]) if first == 0 else None
    said = [f"half the squared error per held-out image: {error:.4g}, after {best:,} iterations"]
    gain = 0.0 if not pca else (pca - error) / pca
    if pca is not None:
        said.append(f"PCA with as many numbers ({dims}): {pca:.4g}; the network is {_better(gain)}")
    if best == first == 0 and best < last and by_pca is None:
        said.append(f"What is kept is that PCA itself: none of the {len(tests) - 1} later tests was surely better")
    else:
        said.append(f"(the best of {len(tests)} tests with these images, so a little better than with others)")
    step = next_step(metrics, bounded, by_pca)
    return [*said, *([f"next: {step}"] if step else [])]


def next_step(metrics: Sequence[Mapping[str, Any]], bounded: bool | None = None, by_pca: float | None = None) -> str:
    """What to try next; "" where nothing is known to help. As of `came_to`; `bounded` None: that is not known."""
    tests = [record for record in metrics if record["kind"] == "test"]
    if not tests:
        return ""
    first, last, kept = tests[0]["iteration"], tests[-1]["iteration"], _kept(metrics, tests)
    pca, error = by_pca if by_pca is not None else _error(tests[0]) if first == 0 else None, _error(kept)
    overfits = any(record.get("warning") == WarningKind.OVERFITTING for record in metrics)
    return _next(kept["iteration"], last, pca is not None and pca - error <= LITTLE * pca, overfits, bounded)


def _kept(metrics: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The test of the weights that are kept; the best, where no record says so."""
    told = [record["iteration"] for record in metrics if record["kind"] == "kept"][-1:]
    return next(
        (test for test in tests if [test["iteration"]] == told), min(tests, key=lambda test: float(test["loss"]))
    )


def _error(test: Mapping[str, Any]) -> float:
    """Of the images alone, where the loss weighs something else, too."""
    return float(test.get("outputs", {}).get("l2_error", test["loss"]))


def _better(gain: float) -> str:
    return f"{gain:.0%} better" if gain > LITTLE else "as good"


def _next(best: int, last: int, is_pca: bool, overfits: bool, bounded: bool | None) -> str:
    if is_pca and best < last:
        return "more images, if there are any; the network found little in these that PCA does not have"
    if overfits:
        return "more images, or --width 0.5; it learned the training images by heart after its best test"
    longer = f"--set 'max_iter: {2 * last or 'N'}'"
    more = {True: "more --minutes", False: longer, None: f"more --minutes or {longer}"}[bounded]
    if not last:
        return f"it was tested before its first iteration alone; the same command with {more} goes on"
    if best == last:
        return f"it was still improving; the same command with {more} goes on from here"
    return ""
