"""Table V: the settings, read from the solver texts, and how long the trainings take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..page.html import Judged
from ..printed import tables as printed
from ..proto.read import read_solver_text
from ..zoo import build
from .sizes import same
from .table import Table


def table5(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """`results`: by network, the runs with N = 2."""
    rows: list[list[str]] = []
    for row in printed.table("table5")["rows"]:
        network = row["network"]
        solver = read_solver_text(build(network, 2, "none/train.txt", "none/test.txt").solver_text).message
        for name, value in {**row["settings"], "iterations": str(row["iterations"])}.items():
            ours = getattr(solver, "max_iter" if name == "iterations" else name)
            ours = ours if isinstance(ours, str) else f"{ours:g}"
            rows.append([network, name, value, ours, same(ours, value)])
        if "momentum" not in row["settings"]:
            rows.append([network, "momentum", "not named", f"{solver.momentum:g}", ""])
        rows.append([network, "training time", f"{row['minutes']} min", *_time(row, results.get(network, ()))])
    return Table(
        "table5", "Table V", "learning parameters and training times, N = 2",
        ("network", "what", "paper", "ours", "verdict"), rows,
        ["The paper's times: Caffe on a GeForce GTS 450 and one core of a Xeon E5620. Ours: one thread, training "
         "steps with their data, while other trainings may run on other cores."],
    )  # fmt: skip


def _time(row: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> tuple[str, str | Judged]:
    """Our time, and how it compares with the paper's: by the iteration, as a quick run has fewer."""
    timed = [run for run in runs if run.get("seconds")]
    if not timed:
        return "not run", ""
    seconds, iterations = min((run["seconds"], run["iterations"]) for run in timed)
    times = (60 * row["minutes"] / row["iterations"]) / (seconds / iterations)
    told = f"{seconds / 60:.1f} min" + ("" if iterations == row["iterations"] else f" for {iterations} iterations")
    verdict = f"lower: {times:.1f} times as fast" if times > 1 else f"higher: {1 / times:.1f} times as slow"
    return told, Judged(verdict, times > 1)
