"""`deepcae data images|tiff|nwb|npy|zarr|video`: people's own files as the data of a network."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError
from . import options
from .screen import answer, bar, say

if TYPE_CHECKING:
    from ..prepare import Options, Prepared, Understood

KINDS = {
    "images": "Pictures in a folder: PNG, JPEG, TIFF, BMP, PPM, WebP, GIF. Subfolders are classes.",
    "tiff": "TIFF stacks: pages are images; BigTIFF, ImageJ's hyperstacks and OME-TIFF, too.",
    "nwb": "NWB files: the frames of an acquisition, such as a TwoPhotonSeries.",
    "npy": "Arrays: .npy, .npz, .mat and HDF5 of any layout; --dataset names one of several.",
    "zarr": "Zarr arrays, version 2 and 3; of OME-Zarr the largest level.",
    "video": "Movies: each frame is an image.",
}
LOOK, CUT, SPLIT, VALUES = "Which images", "Size and patches", "Training and test data", "Values and labels"


def _sized(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar="HxW", help=text, rich_help_panel=CUT)


def own_files(
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files or folders.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR|X.h5", help="Folder for both parts; or one file, for all images."),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="The array, of several.", rich_help_panel=LOOK),
    ] = None,
    axes: Annotated[
        str | None,
        typer.Option("--axes", metavar="LETTERS", help="A letter for each axis: nyxc, tzcyx.", rich_help_panel=LOOK),
    ] = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Each n-th image.", rich_help_panel=LOOK)] = 1,
    channels: Annotated[
        str | None,
        typer.Option("--channels", metavar="0,2", help="These channels alone.", rich_help_panel=LOOK),
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="One channel.", rich_help_panel=LOOK)] = False,
    rgb: Annotated[bool, typer.Option("--rgb", help="Three channels.", rich_help_panel=LOOK)] = False,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out what cannot be read.", rich_help_panel=LOOK)
    ] = False,
    resize: Annotated[str | None, _sized("--resize", "Resize images, smoothed.")] = None,
    crop: Annotated[str | None, _sized("--crop", "Keep the centre.")] = None,
    pad: Annotated[str | None, _sized("--pad", "Add zeros around.")] = None,
    patch: Annotated[str | None, _sized("--patch", "Cut patches, in a grid.")] = None,
    stride: Annotated[str | None, _sized("--stride", "Steps of the grid; default: no overlap.")] = None,
    count: Annotated[
        int | None,
        typer.Option("--count", min=1, help="Patches by chance, of each image.", rich_help_panel=CUT),
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            "--split", metavar="KIND", help="auto, random, time, file, region or none.", rich_help_panel=SPLIT
        ),
    ] = "auto",
    held_out: Annotated[
        float, typer.Option("--held-out", metavar="PART", help="To test with.", rich_help_panel=SPLIT)
    ] = 0.15,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Decides all chance.", rich_help_panel=SPLIT)] = 0,
    normalise: Annotated[
        str,
        typer.Option(
            "--normalise", metavar="KIND", help="auto, range, percentile, zscore or none.", rich_help_panel=VALUES
        ),
    ] = "auto",
    nan: Annotated[
        float | None, typer.Option("--nan", metavar="VALUE", help="Stands for NaN.", rich_help_panel=VALUES)
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", metavar="FILE", help="CSV, JSON or .npy: one an image.", rich_help_panel=VALUES),
    ] = None,
    label_column: Annotated[
        str | None,
        typer.Option("--label-column", metavar="NAME", help="Which of its columns.", rich_help_panel=VALUES),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is understood; write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands there.")] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Images of one kind of files as the data of a network; the command's name says which."""
    from ..prepare import Options, parse_size

    sizes = {"resize": resize, "crop": crop, "pad": pad, "patch": patch, "stride": stride}
    wanted = Options(
        split=split, held_out=held_out, seed=seed, every=every, channels=_numbers(channels), grey=grey, rgb=rgb,
        count=count, dataset=dataset, axes=axes, normalise=normalise, nan=nan, skip_damaged=skip_damaged,
        labels=labels, label_column=label_column,
        **{name: parse_size(text, f"--{name}") for name, text in sizes.items() if text is not None},
    )  # fmt: skip
    _run(str(context.info_name), paths, out, wanted, dry_run, overwrite, quiet, json)


def _run(
    kind: str, paths: list[Path], out: Path | None, wanted: Options, dry_run: bool, overwrite: bool, quiet: bool,
    json: bool,
) -> None:  # fmt: skip
    from ..prepare import inspect, prepare

    if dry_run:
        understood = inspect(paths, wanted, kind)
        if json:
            answer(understood.to_json())
        for line in () if json else understood.lines():
            say(line, quiet)
        return
    if out is None:
        raise DataError("where to? Give -o DIR, or --dry-run to see what is understood")
    with ExitStack() as shown:
        known: list[str] = []
        advance: list[Callable[..., None]] = []

        def tell(understood: Understood) -> None:
            known.extend(understood.notes)
            for line in () if json else understood.lines():
                say(line, quiet)
            total = sum(understood.rows.values())
            advance.append(shown.enter_context(bar("rows", total, quiet or json)))

        made = prepare(
            paths, out, wanted, kind=kind, overwrite=overwrite, tell=tell, progress=lambda done, _: advance[0](done)
        )
    if json:
        lists = {"train": str(made.train), **({"test": str(made.test)} if made.test else {})}
        answer({"folder": str(made.folder), "lists": lists, "images": made.understood.to_json()})
    else:
        _tell(made, out, known, quiet)


def _tell(made: Prepared, out: Path, known: list[str], quiet: bool) -> None:
    """What came to light while the images were stored, what was written, and what comes next."""
    told = made.understood
    for note in told.notes:
        if note not in known:
            say(f"note       {note}", quiet)
    say(f"wrote      {out}: {', '.join(f'{count} rows for {part}' for part, count in told.rows.items())}", quiet)
    if made.test is not None and len(told.shape) == 3:
        lists = [str(made.train), str(made.test)]
        design = shlex.join(["deepcae", "zoo", "design", "--input", told.size, "--dims", "16", "--data", *lists])
        say(f"next       {design} -o models/mine", quiet)


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        found = (-1,)
    if min(found) < 0:
        raise DataError(f"--channels is '{text}'; must be numbers from 0, such as 0,2")
    return found
