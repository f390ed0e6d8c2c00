"""Loss curves: training and test, one panel for each loss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..errors import DataError
from .style import COLUMN, PAGE, SOFT, TEST_COLOR, TRAIN_COLOR, counting, figure, heading, number, styled

LOG_FROM = 10.0  # largest / smallest value from which a logarithmic scale shows more
MOST_PANELS = 24  # outputs that are drawn
START = 0.1  # part of a run that may leave the frame, where all that follows would be a flat line under it


def loss_curves(
    metrics: Sequence[Mapping[str, Any]],
    title: str = "",
    *,
    units: Mapping[str, str] | None = None,
    reference: Mapping[str, float] | None = None,
    reference_name: str = "paper",
    lines: Mapping[str, Mapping[str, float]] | None = None,
) -> Figure:
    """metrics: records {"iteration", "kind": "train" or "test", "outputs": {blob: value}} → a panel per output blob.

    No more than the first `MOST_PANELS` are drawn, and the page tells of the rest. `units` names the unit of a blob's
    values (default: told from the blob's name); `reference` draws a value to compare with, as the paper's test loss;
    `lines` several such by their names: {"PCA": {blob: value}}.
    """
    outputs = [item for record in metrics for item in (record.get("outputs") or {}).items()]
    blobs = list(dict.fromkeys(blob for blob, value in outputs if not isinstance(value, (list, tuple))))
    if not blobs:
        raise DataError("there are no losses to draw: no metrics record has outputs")
    left_out = len(blobs) - MOST_PANELS
    blobs = blobs[:MOST_PANELS]
    columns = 1 if len(blobs) == 1 else 2
    rows = -(-len(blobs) // columns)
    with styled():
        page = figure(COLUMN * 1.1 if columns == 1 else PAGE, 2.8 * rows)
        for place, blob in enumerate(blobs, 1):
            axes = page.add_subplot(rows, columns, place)
            every = {reference_name: reference or {}, **(lines or {})}
            known = {name: values[blob] for name, values in every.items() if blob in values}
            heading(axes, f"{title}: {blob}" if title else blob, _panel(axes, metrics, blob, [*known.values()]))
            unit = (units or {}).get(blob) or unit_of(blob)
            axes.set_ylabel(unit)
            for place, (name, value) in enumerate(known.items()):
                _reference(axes, value, name, place)
            axes.legend(loc="upper left", bbox_to_anchor=(0, -0.2), ncols=2, handlelength=1.6, borderaxespad=0)
        if left_out > 0:
            page.supxlabel(f"{left_out:,} more outputs are not drawn", fontsize=6.5, color=SOFT)
    return page


def unit_of(blob: str) -> str:
    """What a value of a loss blob counts, as far as its name tells; the paper's networks use these names."""
    name = blob.lower()
    if "entropy" in name:
        return "nats per image"
    if any(word in name for word in ("l2", "euclid", "squared", "mse")):
        return "½·squared error per image"
    if "accuracy" in name:
        return "share correct"
    return "loss"


Curve = tuple[np.ndarray, np.ndarray]


def _curves(metrics: Sequence[Mapping[str, Any]], blob: str) -> tuple[Curve, dict[int, Curve]]:
    """(iterations, values) of the training, and of each test net by its index."""
    train: dict[int, float] = {}  # after a resume an iteration can stand twice: the later record counts
    tests: dict[int, dict[int, float]] = {}
    for record in metrics:
        value = (record.get("outputs") or {}).get(blob)
        if value is None:
            continue
        if record["kind"] in ("train", "last_pass"):
            train[record["iteration"]] = float(value)
        elif record["kind"] == "test":
            tests.setdefault(record.get("net_index", 0), {})[record["iteration"]] = float(value)
    return _curve(train), {index: _curve(points) for index, points in sorted(tests.items())}


def _curve(points: dict[int, float]) -> Curve:
    steps = sorted(points)
    return np.array(steps), np.array([points[step] for step in steps])


def _panel(axes: Axes, metrics: Sequence[Mapping[str, Any]], blob: str, lines: Sequence[float]) -> str:
    """Draw one blob's curves; returns what must be said about the frame, in which `lines` lie, too."""
    axes.grid(True)
    axes.set_xlabel("iteration")
    counting(axes.xaxis)
    (steps, values), tests = _curves(metrics, blob)
    if len(values):
        if len(values) > 20:
            axes.plot(steps, values, color=TRAIN_COLOR, linewidth=0.5, alpha=0.4, rasterized=len(values) > 5000)
        smooth = _smoothed(values)
        axes.plot(steps, smooth, color=TRAIN_COLOR, label=f"train, smoothed {_value(smooth[-1])}")
    for index, (test_steps, test_values) in tests.items():
        name = "test" if len(tests) == 1 else f"test net {index}"
        axes.plot(
            test_steps,
            test_values,
            color=TEST_COLOR,
            linestyle=("-", "--", ":", "-.")[index % 4],
            marker="o" if len(test_values) <= 40 else None,
            markersize=2.4,
            label=f"{name} {_value(test_values[-1])}",
            zorder=3,
        )
    lowest = min((float(np.nanmin(found)) for _, found in tests.values() if np.isfinite(found).any()), default=0.0)
    for iteration, best in _bests(metrics, tests):
        name = "best test" if best <= lowest else "kept"  # PCA, than which no test was surely better
        axes.axvline(iteration, color=TEST_COLOR, linewidth=0.7, linestyle=(0, (1, 2)), zorder=1)
        axes.plot(
            [iteration], [best], color=TEST_COLOR, marker="*", markersize=7, linestyle="none", zorder=4,
            label=f"{name}, iteration {iteration}: {_value(best)}",
        )  # fmt: skip
    drawn = [(steps, values), *tests.values()]
    steps, values = (np.concatenate([each[part] for each in drawn]) for part in (0, 1))
    return _frame(axes, steps, values, max(lines, default=-np.inf))


def _bests(metrics: Sequence[Mapping[str, Any]], tests: Mapping[int, Curve]) -> Iterator[tuple[int, float]]:
    """(iteration, value) of the best test: the last that was kept, and those that warnings of overfitting name."""
    found: list[tuple[Any, Any]] = [(0, record["iteration"]) for record in metrics if record["kind"] == "kept"][-1:]
    for record in metrics:
        facts = record.get("facts")
        if record.get("warning") == "overfitting" and isinstance(facts, Mapping):
            found.append((facts.get("net_index"), facts.get("best_iteration")))
    for net_index, iteration in dict.fromkeys(found):
        steps, values = tests.get(net_index, (np.array([]), np.array([])))
        for value in values[steps == iteration]:
            yield int(iteration), float(value)


def _frame(axes: Axes, steps: np.ndarray, values: np.ndarray, line: float) -> str:
    """Choose the scale; a first fall that dwarfs the rest runs out of the frame, and the words say so.

    `line`: the highest value that is drawn all across.
    """
    finite = np.isfinite(values)
    steps, values = steps[finite], values[finite]
    if not len(values):
        return "no finite values"
    later = values[steps >= START * steps.max()]
    low, high, top = float(values.min()), float(values.max()), max(float(later.max()), line)
    if low > 0 and top / low > LOG_FROM:
        _logarithmic(axes)
        return ""
    if len(later) < 5 or high - low < 2 * (top - low):
        return ""
    room = max(top - low, 1e-9 * abs(top))
    axes.set_ylim(low - 0.08 * room, top + 0.4 * room)
    return f"begins above the frame, at {number(high)}"


def _value(value: float) -> str:
    return f"{value:.2f}" if 1 <= abs(value) < 1e4 else number(value)


def _smoothed(values: np.ndarray) -> np.ndarray:
    """Mean over a window, to each side a twenty-fifth of the curve; gaps where values are not finite."""
    window = len(values) // 25
    finite = np.isfinite(values)
    sums = np.cumsum(np.concatenate([[0.0], np.where(finite, values, 0)]))
    counts = np.cumsum(np.concatenate([[0], finite]))
    low = np.maximum(np.arange(len(values)) - window, 0)
    high = np.minimum(np.arange(len(values)) + window + 1, len(values))
    return np.where(finite, (sums[high] - sums[low]) / np.maximum(counts[high] - counts[low], 1), np.nan)


def _logarithmic(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _reference(axes: Axes, value: float, name: str, place: int = 0) -> None:
    dashes: Any = ((0, (4, 3)), (0, (1, 1.5)), (0, (6, 2, 1, 2)))[place % 3]
    axes.axhline(value, color=SOFT, linewidth=0.9, linestyle=dashes, label=f"{name}: {_value(value)}", zorder=1)
    low, high = axes.get_ylim()
    room = 0.06 * (high - low)
    if axes.get_yscale() == "linear":
        axes.set_ylim(min(low, value - room), max(high, value + room))
    elif value > 0:
        axes.set_ylim(min(low, value / 1.1), max(high, value * 1.1))
