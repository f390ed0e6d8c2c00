"""`deepcae map`, `denoise`, `neighbours`: what a net makes of a recording, laid back where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .screen import answer, bar, say, tell

if TYPE_CHECKING:
    from ..recording.origin import Origins
    from ..trained.examples import Examples
    from ..trained.network import Named, Trained

COLUMNS = 7  # images side by side

Data = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DATA]",
        help="A folder that `deepcae data` wrote, or its list; an array or a stack; else what RUN learned from.",
    ),
]


def map_recording(
    *,
    run: options.Run,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for maps, tables and pictures.")],
    data: Data = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Of patches: lay out each n-th image alone.")] = 1,
    snapshot: options.Snapshot = None,
    code_blob: options.CodeBlob = None,
    restored_blob: options.RestoredBlob = None,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Lay codes and errors back: of patches over their images, of whole images over the recording's time."""
    from ..recording.maps import write_maps
    from ..recording.timeline import write_timeline
    from ..trained.network import Named

    named = Named(None, code_blob, restored_blob)
    trained, examples, origins = _opened(run, data, named, snapshot, machine, output.quiet)
    with bar("laying out", len(origins), output.quiet) as advance:
        if origins.place is None:
            told = write_timeline(trained, examples, origins, out, advance)
        else:
            told = write_maps(trained, examples, origins, out, every, advance)
    _end(trained, output.quiet)
    if output.json:
        answer(told)
        return
    for line in _of_maps(told):
        say(line, output.quiet)


def denoise(
    *,
    run: options.Run,
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="X.tif|.npy|.h5|.nwb", help="The restored stack; of several, 000_X.tif."),
    ],
    data: Annotated[
        Path | None,
        typer.Argument(metavar="[DATA]", help="A stack, or prepared data; without it what RUN learned from."),
    ] = None,
    snapshot: options.Snapshot = None,
    restored_blob: options.RestoredBlob = None,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Write a recording as the network restores it: in the order, type, size and units of its source."""
    import numpy as np

    from ..atomic import foreign_kept
    from ..recording.denoise import Denoiser, sources_for
    from ..recording.stacks import require_kind
    from ..trained.network import Named
    from ..viz import before_and_after, save
    from .trained import of_run

    require_kind(out)
    trained = of_run(run, machine.chosen(), Named(None, None, restored_blob), snapshot, output.quiet)
    sources, how = sources_for(trained, data)
    denoiser, written, silent = Denoiser(trained, how), [], output.quiet or output.json
    for number, source in enumerate(sources):
        target = out if len(sources) == 1 else out.with_name(f"{number:03}_{out.name}")
        with bar(f"restoring {source.path.name}", source.images.total, output.quiet) as advance:
            told = denoiser.write(source, target, advance)
        source.close()
        written.append(told.to_json())
        say(f"wrote {target}: {'x'.join(map(str, told.shape))} of {told.dtype}, from {told.source}", silent)
        if told.num_bare:
            say(f"warning: {told.num_bare:,} values lie in no patch: they are as in the source")
        if told.clipped:
            say(f"warning: {told.clipped}")
        if told.before[0].ndim == 3:
            with foreign_kept():
                names = [f"image {row}" for row in told.rows]
                title = f"{source.path.name}, restored by {trained.title}"
                before, after = (np.stack(images).astype(np.float64) for images in (told.before, told.after))
                picture = save(before_and_after(before, after, names, title), target.with_suffix(".png"))
                written[-1]["picture"] = str(picture)
                say(f"wrote {picture}: some of its images, before and after", silent)
    _end(trained, output.quiet)
    if output.json:
        answer({"stacks": written})


def neighbours(
    *,
    run: options.Run,
    data: Data = None,
    index: Annotated[
        int | None,
        typer.Option("--index", min=0, help="The image: its number in its file, from 0, as `row` in time.csv."),
    ] = None,
    source: Annotated[str | None, typer.Option("--source", metavar="FILE", help="Of several files, which.")] = None,
    name: Annotated[str | None, typer.Option("--name", help="The image: its name, as 003.png.")] = None,
    count: Annotated[int, typer.Option("-k", "--count", min=1, max=100, help="How many neighbours.")] = 12,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="SHEET.png", help="A picture of them: .png, .svg, .pdf.")
    ] = None,
    snapshot: options.Snapshot = None,
    code_blob: options.CodeBlob = None,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Find the images whose codes lie nearest to one image's."""
    import numpy as np

    from ..recording.nearest import index_of, nearest, numbers_of, row_of
    from ..recording.walk import rows_of
    from ..trained.network import Named
    from ..viz import image_rows, save

    if (index is None) == (name is None):
        raise typer.BadParameter("give --index or --name")
    trained, examples, origins = _opened(run, data, Named(None, code_blob, None), snapshot, machine, output.quiet)
    of = row_of(origins, index, source) if index is not None else index_of(origins, str(name))
    number = numbers_of(origins)
    with bar("encoding", len(examples), output.quiet) as advance:
        found = nearest(trained, examples, of, count, advance)
    told = [
        {"index": int(number[row]), "distance": far, **origins.where(row)}
        for row, far in zip(found.index.tolist(), found.distance.tolist(), strict=True)
    ]
    if out is not None:
        rows = np.concatenate([[of], found.index])
        captions = [origins.called(of)]
        captions += [f"{origins.called(row)} · {far:.3g}" for row, far in zip(rows[1:], found.distance, strict=True)]
        columns = min(len(rows), COLUMNS)
        lines = -(-len(rows) // columns)
        images = trained.as_images(rows_of(examples, rows)).astype(np.float64)
        bare = np.full((columns * lines - len(rows), *images.shape[1:]), np.nan)
        parts = [captions[line * columns : (line + 1) * columns] for line in range(lines)]
        words = [f"{line * columns + 1} …" for line in range(lines)]
        title = f"{trained.title}: neighbours of {origins.called(of)}"
        about = f"below each: {origins.told} · the distance of its code"
        save(image_rows(np.concatenate([images, bare]), words, title, about, parts, plain=True), out)
        say(f"wrote {out}", output.quiet or output.json)
    _end(trained, output.quiet)
    if output.json:
        picture = None if out is None else str(out)
        answer({"of": {"index": int(number[of]), **origins.where(of)}, "neighbours": told, "picture": picture})
        return
    say(f"{'image':>8}  {'distance':<10}  {'' if origins.numbered else 'called'}".rstrip(), output.quiet)
    for row, each in zip(found.index.tolist(), told, strict=True):
        tell(
            f"{each['index']:>8}  {each['distance']:<10.4g}  {'' if origins.numbered else origins.called(row)}".rstrip()
        )


def _opened(
    run: Path, data: Path | None, named: Named, snapshot: str | None, machine: options.Machine, quiet: bool
) -> tuple[Trained, Examples, Origins]:
    """The net, its data, and where their rows come from."""
    from ..recording.origin import data_of, origins_of, rows_alone
    from ..trained.examples import open_examples
    from .trained import of_run

    trained = of_run(run, machine.chosen(), named, snapshot, quiet)
    place = data_of(trained, data)
    examples = open_examples(trained, place)
    return trained, examples, rows_alone(place, len(examples)) or origins_of(place, trained.folders)


def _end(trained: Trained, quiet: bool) -> None:
    from .trained import tell as tell_of

    tell_of(trained, quiet)


def _of_maps(told: dict[str, Any]) -> list[str]:
    lines = [f"wrote {path}" for path in told["files"]]
    unit = "half the squared error of a pixel" if "pixels" in told else "half the squared error of an image"
    lines.append(f"{told['images']} images, {unit}: {told['mean_error']:.4g} in the mean")
    if told.get("bare_pixels"):
        share = told["bare_pixels"] / told["pixels"]
        lines.append(f"{told['bare_pixels']:,} pixels ({share:.1%}) lie in no patch: they are NaN in the maps")
    if gap := told.get("gap"):
        lines.append(
            f"y {gap[0]} to {gap[1]} is the gap between the patches to train and those to test, held out below"
        )
    return lines + [
        f"unusual: {_called(each)}, error {each['error']:.4g}, {each['score']:.1f} deviations"
        for each in told.get("unusual", [])  # those that the pictures mark
    ]


def _called(each: dict[str, Any]) -> str:
    return f"{Path(each['source']).name}, image {each['name'] or each['row']}"
