"""The tables that results make, and the files that they are written to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..atomic import whole_file
from ..errors import DataError
from . import losses, sizes, variants
from .drawing import Drawing, headed
from .experiment import Experiment
from .experiments import needed
from .store import Store
from .table import Table
from .times import table5


class Book:
    """The tables of what `store` holds; `seeds` runs are wanted of each network. `quick`: as every title says."""

    def __init__(self, store: Store, seeds: int, quick: bool) -> None:
        self.store, self.seeds, self.quick = store, seeds, quick

    def finished(self, experiments: Iterable[Experiment]) -> list[tuple[Experiment, dict[str, Any]]]:
        """Those that have a result, with it."""
        found = [(experiment, self.store.result(experiment)) for experiment in experiments]
        return [(experiment, result) for experiment, result in found if result is not None]

    def tables(self, name: str) -> list[Table]:
        """What there is to say of `name` in tables; [] of a figure."""
        return [replace(table, heading=self.headed(table.heading)) for table in self._tables(name)]

    def headed(self, heading: str) -> str:
        """The heading; of a quick one, it says so: `Table I (quick, …)`."""
        return headed(heading, self.quick)

    def _results(self, experiments: Sequence[Experiment]) -> list[Mapping[str, Any]]:
        return [result for _, result in self.finished(experiments)]

    def _tables(self, name: str) -> list[Table]:
        if name == "table2":
            return [sizes.table2()]
        if name == "table3":
            return [sizes.table3()]
        if name in _VARIANTS:
            return [_VARIANTS[name](self._results, self.seeds, self.quick)]
        finished = self.finished(needed(name, self.seeds, self.quick))
        if name in ("table1", "table4"):
            results = by_cell(finished)
            more = [sizes.table1()] if name == "table1" else []
            return [losses.table(name, results, self.seeds), losses.runs_table(name, results), *more]
        if name == "table5":
            return [table5({experiment.network: [result] for experiment, result in finished})]
        return []

    def figures(self, name: str) -> list[Drawing]:
        """The pictures of `name` whose runs are there. DataError where only a run's result is."""
        from . import dots, figures

        if name in ("table1", "table4"):
            results = by_cell(self.finished(needed(name, self.seeds, self.quick)))
            return dots.table_losses(name, results, quick=self.quick) if results else []
        if name not in figures.NAMES:
            return []
        finished = self.finished(needed(name, self.seeds, self.quick))
        if figures.NEEDS[name] is not None and not finished:
            return []
        runs, seed = {}, 1
        for experiment, _ in finished:
            folder, seed = self.store.run(experiment), experiment.seed
            if not folder.is_dir():  # results may come without
                raise DataError(f"{name}: {folder} is missing; without {self.store.path(experiment)} it is made anew")
            runs[f"{experiment.network}-{experiment.dims}"] = folder
        return figures.draw(name, runs, quick=self.quick, seed=seed, data=self.store.data.test)


_VARIANTS = {
    "findings": variants.findings,
    "large": variants.large,
    "pooled": variants.pooled,
    "order": variants.order,
}


def by_cell(finished: Iterable[tuple[Experiment, dict[str, Any]]]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Results by network and N."""
    cells: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for experiment, result in finished:
        cells.setdefault((experiment.network, experiment.dims), []).append(result)
    return cells


def write(tables: Sequence[Table], out: Path) -> list[Path]:
    """Each table as Markdown and CSV in `out`, each file whole; the paths."""
    paths = []
    for table in tables:
        for suffix, text in ((".md", table.to_markdown()), (".csv", table.to_csv())):
            path = out / f"{table.name}{suffix}"
            with whole_file(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
            paths.append(path)
    return paths
