"""`deepcae encode`, `decode`, `embed`: images to codes, codes to images, codes to a map."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DataError
from . import options
from .screen import answer, bar, say

if TYPE_CHECKING:
    import numpy as np

    from ..codes.cluster import Clusters
    from ..trained.examples import Examples
    from ..trained.network import Trained

SEEN = 200  # images from which the grey levels of small pictures are told
READ = ".h5, .npz, .csv, .mat, .parquet or .h5ad."
KINDS = ".h5, .npz, .csv, .mat, .parquet, .h5ad, .nwb or .projector (for TensorBoard)."
PROJECTOR = ".projector"
CodesFile = Annotated[Path, typer.Argument(metavar="CODES", help=f"A file of codes: {READ}")]


class Method(StrEnum):
    """How codes of many dimensions are laid out in the plane."""

    tsne = "tsne"
    pca = "pca"


def encode(
    *,
    out: Annotated[list[Path], typer.Option("-o", "--out", help=f"Where the codes go, one file or several: {KINDS}")],
    run: options.OptionalRun = None,
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="Images: a folder of pictures, or a file as `fit` takes; a list .txt. Without it the run's test data.",
        ),
    ] = None,
    network: options.Network,
    blob: Annotated[
        str | None,
        typer.Option("--code-blob", "--blob", metavar="BLOB", help="Any blob, in place of the code found by itself."),
    ] = None,
    image_blob: options.ImageBlob = None,
    clusters: Annotated[
        bool,
        typer.Option("--clusters", help="Look for clusters of the codes, too, for a column `cluster`; encodes twice."),
    ] = False,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Compute the code (or any blob) of every image, with its label and the error of its restored image."""
    from contextlib import ExitStack

    import numpy as np

    from ..codes import files
    from ..codes.cluster import find_clusters
    from ..codes.table import CLASSES, CLUSTER, ERROR, KIND, NUMBERS, TITLE
    from ..recording.origin import known_origins, names_in
    from ..trained import passes
    from ..trained.examples import open_examples
    from ..trained.network import Named
    from .trained import open_trained, tell

    for target in out:
        files.ending(target)  # a wrong one is told before the work, not after it
    if network.model is not None and data is None:  # with --model there is no RUN: the first word is DATA
        run, data = None, run
    trained = open_trained(run, network, machine.chosen(), Named(image_blob, blob), output.quiet)
    name = trained.code
    examples = open_examples(trained, data)
    about = {"net": trained.net.name, "blob": name, "origin": trained.origin, "data": examples.origin}
    about |= trained.weights_told()
    if examples.labels is not None:
        classes = examples.labels_are == CLASSES
        if "label" in examples.labels or not classes:
            about["labels"] = examples.labels  # by which `Codes.classes` knows what is no class
        about[KIND] = CLASSES if examples.classified else NUMBERS
        about |= {TITLE: examples.meaning.title} if examples.meaning.title else {}
    origins, done = names_in(data) or known_origins(trained, data, len(examples)), 0
    heaps = find_clusters(encoded(trained, examples, name, output.quiet)[0]) if clusters else None
    with ExitStack() as opened:
        writers = [opened.enter_context(files.writing(target, len(examples), about)) for target in out]
        advance = opened.enter_context(bar("encoding", len(examples), output.quiet))
        errors: list[np.ndarray] = []
        pictures = _pictures(trained, examples) if PROJECTOR in map(files.ending, out) else None
        for block in passes.judged_blocks(trained, examples, name, advance):
            columns = {} if block.errors is None else {ERROR: block.errors}
            errors.extend(columns.values())
            if origins is not None:
                columns |= origins.columns(slice(done, done + len(block.codes)))
            if heaps is not None:
                columns[CLUSTER] = heaps.labels[done : done + len(block.codes)]
            drawn = None if pictures is None else pictures(done, done + len(block.codes))
            for target, write in zip(out, writers, strict=True):
                write(block.codes, block.labels, columns, drawn if files.ending(target) == PROJECTOR else None)
            done += len(block.codes)
    tell(trained, output.quiet)
    shape = list(block.codes.shape[1:])
    worth = _worth(np.concatenate(errors)) if errors else None
    if output.json:
        several = {"files": [str(target) for target in out]} if len(out) > 1 else {}
        answer({
            "file": str(out[0]), **several, "codes": len(examples), "shape": shape, "blob": name, "error": worth,
            "clusters": None if heaps is None else heaps.to_json(),
        })  # fmt: skip
        return
    say(f"wrote {' and '.join(map(str, out))}: {len(examples)} codes of shape {shape} from blob '{name}'", output.quiet)
    _tell_columns(worth, heaps, output.quiet)


def _pictures(trained: Trained, examples: Examples) -> Callable[[int, int], np.ndarray] | None:
    """Makes small pictures of some rows, all in one scale; None where there are too many, or none can be drawn."""
    import numpy as np

    from ..trained.passes import all_over
    from ..viz.sprite import side_for, small_pictures

    side = side_for(len(examples))
    some = trained.as_images(examples.pick(all_over(examples, SEEN))[0])
    if not side or some.ndim < 2 or not np.isfinite(some).all():
        return None
    low, high = (float(value) for value in np.quantile(some, [0.002, 0.998]))

    def made(start: int, stop: int) -> np.ndarray:
        return small_pictures(trained.as_images(examples.take(start, stop)[0]), low, high, side)

    return made


def _tell_columns(worth: dict[str, float] | None, heaps: Clusters | None, quiet: bool) -> None:
    from ..codes.table import CLUSTER, ERROR

    if worth is not None:
        told = ", ".join(f"{name} {value:.4g}" for name, value in worth.items())
        say(f"half the squared error of each image, in column '{ERROR}': {told}", quiet)
    if heaps is not None:
        say(f"clusters, in column '{CLUSTER}': {heaps}", quiet)


def _worth(errors: np.ndarray) -> dict[str, float]:
    import numpy as np

    return {"mean": float(errors.mean()), "median": float(np.median(errors)), "worst": float(errors.max())}


def encoded(
    trained: Trained, examples: Examples, blob: str, quiet: bool = False
) -> tuple[np.ndarray, np.ndarray | None]:
    """Blob `blob` of every example and the labels, under a bar."""
    from ..trained import passes

    with bar("encoding", len(examples), quiet) as advance:
        return passes.encoded(trained, examples, blob, advance)


def decode(
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Where the images go: .h5, .npz; .png, .svg, .pdf.")],
    run: Annotated[Path, typer.Argument(metavar="[RUN]", help=options.RUN_HELP, show_default=False)],
    codes: Annotated[Path | None, typer.Argument(metavar="CODES", help="A file of codes.", show_default=False)] = None,
    network: options.Network,
    blob: Annotated[
        str | None,
        typer.Option("--restored-blob", "--blob", metavar="BLOB", help="Any blob, in place of the restored image."),
    ] = None,
    code_blob: Annotated[
        str | None, typer.Option("--code-blob", metavar="BLOB", help="The blob that CODES are values of.")
    ] = None,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Run the decoder alone: images from codes, your own ones too."""
    import numpy as np

    from ..codes import files
    from ..trained import passes
    from ..trained.network import Named
    from .images import PICTURES, check_ending, most_shown, save_numbers, save_sheet
    from .trained import open_trained, tell

    check_ending(out)
    folder: Path | None = run
    if network.model is not None and codes is None:
        folder, codes = None, run
    if codes is None:
        raise typer.BadParameter("give RUN and CODES")
    trained = open_trained(folder, network, machine.chosen(), Named(None, code_blob, blob), output.quiet)
    code, restored = trained.code, trained.restored
    with files.reading(codes) as loaded:
        if strange := trained.strange_in(loaded.attributes):
            say(f"warning: {codes}: {strange}")
        drawn = out.suffix.lower() in PICTURES
        rows = loaded.codes[: most_shown()] if drawn else loaded.codes
        with bar("decoding", len(rows), output.quiet) as advance:
            blocks = _blaming(codes, passes.decoded_blocks(trained, rows, code, restored, advance, str(codes)))
            if drawn:
                images = np.concatenate(list(blocks))
                part = f", the first {len(rows)} of {len(loaded.codes)}" if len(rows) < len(loaded.codes) else ""
                title = f"{trained.title}: restored from {codes}{part}"
                save_sheet(out, trained.as_images(images), loaded.labels, title)
                shape = images.shape[1:]
            else:
                shape = save_numbers(out, blocks, len(rows), loaded.labels)
    tell(trained, output.quiet)
    if output.json:
        answer({"file": str(out), "images": len(rows), "shape": list(shape), "blob": restored})
    else:
        say(f"wrote {out}: {len(rows)} images of shape {list(shape)} from blob '{restored}'", output.quiet)


def _blaming(codes: Path, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The blocks; the file of codes is named where they do not fit."""
    try:
        yield from blocks
    except DataError as error:
        raise DataError(f"{codes}: {error}") from None


def embed(
    *,
    codes: CodesFile,
    out: Annotated[Path, typer.Option("-o", "--out", help=f"Where the map goes: {KINDS}")],
    method: Annotated[Method, typer.Option("--method", help="How the plane is found.")] = Method.tsne,
    perplexity: Annotated[float, typer.Option("--perplexity", min=1, help="t-SNE: size of a neighbourhood.")] = 30.0,
    seed: Annotated[int, typer.Option("--seed", min=0, help="t-SNE: seed of its start.")] = 0,
    threads: options.Threads = None,
    output: options.Output,
) -> None:
    """Lay codes of many dimensions out in the plane."""
    from ..codes import files

    files.ending(out)
    loaded = files.load(codes)
    flat = loaded.codes.reshape(len(loaded.codes), -1)
    if flat.shape[1] == 2:
        say(
            f"{codes}: its codes have 2 dimensions already, which `deepcae plot` draws; mapped all the same",
            output.quiet,
        )
    points = mapped(flat, method, perplexity, seed, threads)
    about = {**loaded.attributes, "method": method.value, "seed": seed}
    files.save(out, points, loaded.labels, about, loaded.columns, of=loaded.codes)
    if output.json:
        answer({"file": str(out), "points": len(points), "method": method.value, "dims": flat.shape[1], "seed": seed})
    else:
        say(f"wrote {out}: {len(points)} points by {method.value} from {flat.shape[1]} dimensions", output.quiet)


def mapped(flat: np.ndarray, method: Method, perplexity: float, seed: int, threads: int | None) -> np.ndarray:
    """Points (N, 2) for codes (N, K)."""
    from ..codes.embed import pca, tsne

    return pca(flat) if method is Method.pca else tsne(flat, seed, perplexity, n_jobs=threads or 1)
