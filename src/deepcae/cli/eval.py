"""`deepcae eval`: what codes are worth, by every measure, several kinds of codes side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DataError, DeepcaeError
from . import options
from .screen import answer, bar, say

if TYPE_CHECKING:
    import numpy as np

    from ..codes.columns import Column
    from ..codes.judging import Images, Judged, Part, Subject
    from ..recording.origin import Origins
    from ..trained.examples import Examples
    from ..trained.network import Named, Trained

Two = tuple[Path, Path]


def judge_codes(
    *,
    run: options.OptionalRun = None,
    against: Annotated[
        list[Path] | None, typer.Option("--against", metavar="RUN", help="Another run, beside it; as often as wanted.")
    ] = None,
    codes: Annotated[
        Two | None,
        typer.Option("--codes", metavar="TRAIN TEST", help="Files of codes, as `deepcae encode` writes them."),
    ] = None,
    data: Annotated[
        Two | None,
        typer.Option("--data", metavar="TRAIN TEST", help="Images to encode instead of the run's; those of --codes."),
    ] = None,
    labels: Annotated[
        Two | None,
        typer.Option("--labels", metavar="TRAIN TEST", help="Classes of --codes: .npy, IDX, .npz, .h5 or a list .txt."),
    ] = None,
    covariate: Annotated[
        list[str] | None,
        typer.Option(
            "--covariate",
            metavar="NAME|FILE[:NAME]",
            help="What may go with the codes: an array beside the images, a column of the codes, or of a .csv, .json, "
            ".npy, .h5 file; as often as wanted.",
            show_default="the labels",
        ),
    ] = None,
    blobs: options.Blobs,
    baselines: Annotated[
        bool, typer.Option("--baselines", help="Beside them the pixels by PCA (same N), t-SNE and UMAP.")
    ] = False,
    snapshot: options.Snapshot = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of samples, classifiers, k-means and maps.")] = 0,
    machine: options.Machine,
    output: options.Output,
    csv: Annotated[bool, typer.Option("--csv", help="Answer with CSV, a row for each kind of codes.")] = False,
) -> None:
    """Judge codes: losses, kNN, classifiers, k-means, neighbourhoods, separated classes; baselines beside them."""
    from threadpoolctl import threadpool_limits

    quiet, threads = output.quiet, machine.threads
    if output.json and csv:
        raise typer.BadParameter("give --json or --csv, not both")
    if labels is not None and codes is None:
        raise typer.BadParameter("--labels belong to --codes; a run's labels are in its data")
    runs, notes = [*([run] if run else []), *(against or [])], list[str]()
    if not runs and codes is None:
        raise typer.BadParameter("give RUN, or --codes TRAIN TEST")
    opened = _opened(runs, blobs.named(), snapshot, machine.chosen(), notes)
    asked = covariate or []
    subjects = [_of_run(trained, name, data, asked, notes, quiet) for name, trained in opened]
    notes.extend(strange for _, trained in opened for strange in trained.range_check.warnings())
    subjects += [] if codes is None else [_of_files(codes, data, labels, asked)]
    with threadpool_limits(limits=threads):
        if baselines:
            subjects.extend(_baselines(subjects, seed, threads or 1, notes, quiet))
        judged = [_judged(subject, seed, threads or 1, quiet) for subject in subjects]
    notes.extend(note for each in judged for note in each.notes)
    _tell(judged, notes, seed, output.json, csv)


def _opened(
    runs: Sequence[Path], named: Named, snapshot: str | None, device: str, notes: list[str]
) -> list[tuple[str, Trained]]:
    """The net of each run under a name of its own. `notes` gets which weights it has, where there was a choice."""
    from ..solver.run import Run
    from ..trained.network import Trained

    names = [folder.name or str(folder) for folder in runs]
    told = [name if names.count(name) == 1 else str(folder) for name, folder in zip(names, runs, strict=True)]
    opened = [Trained.of_run(Run(folder), device, snapshot=snapshot) for folder in runs]
    chosen = [(name, trained.chosen) for name, trained in zip(told, opened, strict=True)]
    notes.extend(f"{name}: {each.told}" for name, each in chosen if each is not None and each.told)
    _name(opened, named)
    return list(zip(told, opened, strict=True))


def _name(opened: Sequence[Trained], named: Named) -> None:
    """Gives the runs the names of blobs that they have: not all nets are alike. DataError for one that none has."""
    for name in filter(None, named):
        if opened and not any(name in trained.net.plan.shapes for trained in opened):
            opened[0].blob(name)
    for trained in opened:
        trained.named = type(named)(*(name if name in trained.net.plan.shapes else None for name in named))


def _of_run(
    trained: Trained, name: str, data: Two | None, asked: Sequence[str], notes: list[str], quiet: bool
) -> Subject:
    from ..codes.judging import Subject
    from ..recording.origin import known_origins
    from ..trained.examples import open_examples, training_examples
    from ..trained.losses import reconstruction_losses

    test = open_examples(trained, None if data is None else data[1])
    with bar("restoring", len(test), quiet) as advance:
        losses = reconstruction_losses(trained, test, advance)
    tested, labels = _encoded(trained, test, quiet)
    origins = known_origins(trained, None if data is None else data[1], len(test))
    columns = _columns(labels, test, origins, asked)
    if origins is not None and tested.labels is not None and (alike := origins.confounded(tested.labels)):
        notes.append(f"{name}: {alike[0].lower()}{alike[1:-1]}")
    if test.measured:
        notes.append(f"{name}: the labels '{test.labels}' are numbers, not classes: no measure that needs classes")
    try:
        learned = training_examples(trained) if data is None else open_examples(trained, data[0])
        losses |= _linear(learned, test, tested, losses, name, notes)
        train, _ = _encoded(trained, learned, quiet)
    except DeepcaeError as error:  # of the training net's text, too: it names files that may be gone
        if data is not None:
            raise
        notes.append(f"{name}: no training codes: {error}")
        train = None
    return Subject(name, tested, train, losses, columns)


def _columns(labels: np.ndarray | None, test: Examples, origins: Origins | None, asked: Sequence[str]) -> list[Column]:
    """What is known of the test images: their labels, and what is asked for."""
    import numpy as np

    from ..codes.columns import Column
    from ..report.coloured import column

    found = []
    if labels is not None and (test.classified or test.measured):
        name = test.meaning.title or "label"
        values = labels if test.classified else np.asarray(labels, np.float64)
        found.append(Column(name, values, classes=test.classified))
    known = {} if origins is None else origins.columns(slice(0, len(test)))

    def find(name: str) -> np.ndarray:
        return known[name] if name in known else test.column(name)

    return found + [column(name, len(test), find, None, origins) for name in asked]


def _linear(
    train: Examples, test: Examples, tested: Part, losses: dict[str, float], name: str, notes: list[str]
) -> dict[str, float]:
    """What PCA with as many dimensions, and the mean image, would lose, where the network has such a loss."""
    from ..trained.linear import linear

    if "l2" not in losses:
        return {}
    found = linear(train, test, int(tested.codes[0].size))
    if found.pca is None:
        notes.append(f"{name}: no PCA of {found.dims} dimensions: there are {found.num_train} training images")
        return {"l2_mean": found.mean}
    if found.beats(losses["l2"]):
        notes.append(f"{name}: its images are worse than those of PCA: {losses['l2']:.4g} to {found.pca:.4g}")
    return {"l2_pca": found.pca, "l2_mean": found.mean}


def _encoded(trained: Trained, examples: Examples, quiet: bool) -> tuple[Part, np.ndarray | None]:
    """The codes with their classes, and the labels; the images stay where they are until they are asked for."""
    from ..codes.judging import Part
    from .codes import encoded

    codes, labels = encoded(trained, examples, trained.code, quiet)

    def images(rows: np.ndarray) -> np.ndarray:
        return examples.rows.read(rows)[examples.images]

    return Part(codes, labels if examples.classified else None, None if examples.of_pairs else images), labels


def _of_files(codes: Two, data: Two | None, labels: Two | None, asked: Sequence[str]) -> Subject:
    import numpy as np

    from ..codes import files
    from ..codes.columns import Column
    from ..codes.judging import Subject
    from ..report.coloured import column

    (train, _), (test, losses) = (
        _part(path, data and data[which], labels and labels[which]) for which, path in enumerate(codes)
    )
    if train.codes.shape[1:] != test.codes.shape[1:]:
        shapes = f"{list(train.codes.shape[1:])} and {list(test.codes.shape[1:])}"
        raise DataError(f"{codes[0]} and {codes[1]}: codes of one kind are needed; these have shapes {shapes}")
    loaded = files.load(codes[1])
    columns = [] if test.labels is None else [Column("label", test.labels, classes=True)]
    if test.labels is None and loaded.labels is not None and loaded.labels.dtype.kind in "fiub":
        columns = [Column("label", np.asarray(loaded.labels, np.float64), classes=False)]
    columns += [column(name, len(loaded.codes), loaded.column) for name in asked]
    return Subject(codes[1].stem, test, train, losses, columns)


def _part(path: Path, data: Path | None, labels: Path | None) -> tuple[Part, dict[str, float]]:
    """The codes with what is known of them, and the losses that their errors make."""
    from ..codes import files
    from ..codes.judging import Part, spread_of
    from ..data.load import load_images, load_labels
    from ..trained.examples import one_each

    loaded = files.load(path)
    known = loaded.classes
    images: Images | None = None
    if data is not None:
        array, its_labels = load_images(data)
        _same_number(data, len(array), path, len(loaded.codes))
        images = array.__getitem__
        known = one_each(its_labels) if known is None and its_labels is not None else known
    if labels is not None:
        known = one_each(load_labels(labels))
        _same_number(labels, len(known), path, len(loaded.codes))
    return Part(loaded.codes, known, images), {} if loaded.error is None else spread_of(loaded.error)


def _same_number(path: Path, count: int, codes: Path, wanted: int) -> None:
    if count != wanted:
        raise DataError(f"{path}: holds {count} examples, but {codes} has {wanted} codes")


def _baselines(subjects: Sequence[Subject], seed: int, n_jobs: int, notes: list[str], quiet: bool) -> list[Subject]:
    """Those of the first subject's images that can be had; why others cannot goes to `notes`."""
    from ..codes.baselines import pca_of_pixels, tsne_of_pixels, umap_of_pixels

    train, test = subjects[0].train, subjects[0].test
    if train is None:
        notes.append("no baselines: there are no training images")
        return []
    sizes = dict.fromkeys(int(each.test.codes[0].size) for each in subjects)
    makers: dict[str, Callable[[], Subject]] = {
        **{f"PCA, N = {size}": partial(pca_of_pixels, train, test, size, seed) for size in sizes},
        "t-SNE": lambda: tsne_of_pixels(train, test, seed, n_jobs=n_jobs),
        "UMAP": lambda: umap_of_pixels(train, test, seed),
    }
    made = []
    for name, make in makers.items():
        say(f"baseline: {name} of the pixels", quiet)
        try:
            made.append(make())
        except DataError as error:
            notes.append(f"{name} is left out: {error}")
    return made


def _judged(subject: Subject, seed: int, n_jobs: int, quiet: bool) -> Judged:
    from ..codes.judging import judge

    say(f"judging {subject.name}", quiet)
    return judge(subject, seed, n_jobs=n_jobs)


def _tell(judged: Sequence[Judged], notes: Sequence[str], seed: int, as_json: bool, as_csv: bool) -> None:
    from . import evaltable

    notes = [*dict.fromkeys(notes)]
    if as_json:
        answer({"seed": seed, "samples": evaltable.samples(), "codes": evaltable.records(judged), "notes": notes})
    elif as_csv:
        evaltable.write_csv(judged)
    else:
        evaltable.show(judged, seed)
    for note in [] if as_json else notes:
        say(f"note: {note}")
