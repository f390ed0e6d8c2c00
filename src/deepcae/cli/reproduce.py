"""`deepcae reproduce`: the paper's tables and figures, trained anew and put beside the paper's."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..atomic import foreign_kept
from ..errors import DataError, SpecError, TrainingError, shortened
from . import options
from .screen import UNBOUND, answer, bar, say, set_in, tell, width

if TYPE_CHECKING:
    from ..paper.book import Book
    from ..paper.experiment import Experiment
    from ..paper.runner import Ended, Runner
    from ..paper.table import Table

ALL = "all"
LISTS = (Path("data/mnist/train.txt"), Path("data/mnist/test.txt"))


def reproduce(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[table1|...|table5|fig1|...|fig7|findings|large|pooled|order|all]...", show_default="all"
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A tenth of the iterations.")] = False,
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="DIR", help="Where results are kept and found again.")
    ] = Path("runs/paper"),
    data: Annotated[
        tuple[Path, Path] | None,
        typer.Option("--data", metavar="TRAIN TEST", help="The list files of the data.", show_default="data/mnist"),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="Trainings at a time, one thread each.", show_default="all cores"),
    ] = None,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Runs of each network: seeds 1, 2, ...")] = 3,
    dry: Annotated[bool, typer.Option("--no-training", help="Only show what is there already.")] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Train what the paper trained, and show its tables and figures beside ours.

    What is finished is kept at once and found again; Ctrl-C, or worse, loses no finished run.
    """
    from ..paper.book import Book, write
    from ..paper.experiment import Data
    from ..paper.experiments import needed
    from ..paper.store import Store

    wanted = _chosen(names or [ALL])
    train, test = data or LISTS
    book = Book(Store(out, Data(train, test, out / "pairs")), seeds, quick)
    experiments = [each for name in wanted for each in needed(name, seeds, quick)]
    if experiments and data is None and not train.exists():
        raise DataError(
            f"{train}: no such list file; make it with `deepcae data mnist -o {train.parent}`, or give --data"
        )
    runner = None if dry or not experiments else _train(book, experiments, jobs or options.cores(), quiet)
    stopped, failures = (runner.stopped, runner.failures) if runner else (False, [])
    tables = [table for name in wanted for table in book.tables(name)]
    with foreign_kept():
        paths = [*write(tables, out), *_drawn(book, wanted, tables, quiet)]
    if dry and not paths and not book.finished(experiments):
        raise DataError(f"{out}: no result yet; leave out --no-training")
    if json:
        answer(
            {
                "tables": [_as_json(table) for table in tables],
                "files": [str(path) for path in paths],
                "stopped": stopped,
                "failures": failures,
            }
        )
    else:
        limit = None if width() == UNBOUND else width()
        texts = [table.to_text(limit) for table in tables if table.on_screen]
        if texts:
            tell("\n\n".join(texts))
    say(set_in(f"written to {out}: {', '.join(path.name for path in paths)}"), quiet or not paths)
    if stopped:
        say("stopped; the same command goes on")
    for warning in runner.warnings if runner else ():
        say(f"warning: {warning}")
    for failure in failures:
        say(f"error: {failure}")
    if failures:
        raise typer.Exit(1)


def _drawn(book: Book, wanted: Sequence[str], tables: Sequence[Table], quiet: bool) -> list[Path]:
    """The pictures of what is there, `fig4.png` or `fig7-1.png` …, and the page of all that was wanted, if any."""
    from ..paper import page
    from ..paper.experiments import NAMES
    from ..viz import save

    pictures, paths = [], []
    with bar("drawing", len(wanted), quiet) as advance:
        for number, name in enumerate(wanted, 1):
            try:
                found = book.figures(name)
            except DataError as error:  # one run that shows nothing does not cost the page
                say(f"not drawn: {error}")
                found = []
            for index, drawing in enumerate(found, 1):
                paths.append(save(drawing.figure, book.store.out / f"{name}{f'-{index}' * (len(found) > 1)}.png"))
            pictures += found
            advance(number)
    if not tables and not pictures:
        return []
    whole = set(wanted) == set(NAMES)
    path = book.store.out / f"{'paper' if whole else '-'.join(wanted)}.html"
    intro = (
        "Creation of a Deep Convolutional Auto-Encoder in Caffe (arXiv:1512.01596): its tables and figures, and ours."
    )
    return [*paths, page.write(path, book.headed("The paper, reproduced"), intro, tables, pictures)]


def _chosen(names: Sequence[str]) -> list[str]:
    """The names, `all` taken apart. SpecError for one that does not exist."""
    from ..paper.experiments import NAMES
    from ..proto.suggest import closest

    for name in names:
        if name not in (*NAMES, ALL):
            near = closest(name, (*NAMES, ALL))
            hint = f"; did you mean '{near}'?" if near else ""
            given, known = shortened(name, 30), " ".join((*NAMES, ALL))  # no commas: a list would be shortened
            raise SpecError(f"nothing in the paper is called '{given}'{hint} (there are: {known})")
    return list(dict.fromkeys(each for name in names for each in (NAMES if name == ALL else [name])))


def _train(book: Book, experiments: Sequence[Experiment], jobs: int, quiet: bool) -> Runner:
    """Carries out what is not finished, under a bar; the runner tells what failed, and whether it was stopped."""
    from ..paper.runner import Ended, Runner

    experiments = list(dict.fromkeys(experiments))
    runner, done = Runner(book.store, places=jobs), 0
    total = sum(each.iterations for each in experiments)
    left = [each for each in experiments if book.store.result(each) is None]
    if left:
        say(set_in(_ahead(left, len(experiments), jobs, book.quick)), quiet)
    with suppress(TrainingError), bar(f"{len(experiments)} trainings", total, quiet) as advance:  # runner.failures
        for event in runner.run(experiments):
            if isinstance(event, Ended):
                done += 1
                say(f"{done}/{len(experiments)} {_told(event)}", quiet or event.found)
            else:
                advance(event.iterations, f"{done} finished")
    return runner


def _ahead(left: Sequence[Experiment], of: int, jobs: int, quick: bool) -> str:
    """How many trainings are left, about how long they take, and what would be less."""
    from ..paper.estimate import seconds

    told = f"{len(left)} trainings, {min(jobs, len(left))} at a time" if len(left) > 1 else "1 training"
    if len(left) < of:
        told += f" (of {of}, the others are there)"
    minutes = seconds(left, jobs) / 60
    time = f"{minutes / 60:.2g} hours" if minutes > 90 else f"{max(1, round(minutes))} min"
    one = "; fewer: name one table or figure, as in `deepcae reproduce fig7`" * (len(left) > 1)
    less = "; a tenth of the iterations: --quick" * (not quick)
    return f"{told}: about {time} on cores like an AMD EPYC's{one}{less}"


def _told(ended: Ended) -> str:
    """`cae2, N = 10, seed 1: converged, test 94.69; 7.40, 150 s`."""
    from ..paper.losses import pair

    experiment, result = ended.experiment, ended.result
    variant = f" {experiment.variant}" if experiment.variant else ""
    parts = [result["outcome"], f"test {pair(result['test'])}" if result.get("test") else ""]
    parts.append(f"{result['seconds']:.0f} s" if result.get("seconds") else "")
    told = ", ".join(filter(None, parts))
    return f"{experiment.network}{variant}, N = {experiment.dims}, seed {experiment.seed}: {told}"


def _as_json(table: Table) -> dict[str, Any]:
    return {
        "name": table.name,
        "title": table.title,
        "columns": list(table.columns),
        "rows": [list(row) for row in table.rows],
        "notes": list(table.notes),
    }
