"""`deepcae data images|tiff|nwb|npy|zarr|video|nifti|any`: people's own files as the data of a network."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import DataError
from . import options
from .imageflags import ImageFlags
from .screen import answer, bar, say, set_in, tell

if TYPE_CHECKING:
    from ..prepare import Prepared, Understood

KINDS = {
    "images": "Pictures in a folder: PNG, JPEG, TIFF, BMP, PPM, WebP, GIF. Subfolders are classes.",
    "tiff": "TIFF stacks: pages are images; BigTIFF, ImageJ's hyperstacks and OME-TIFF, too.",
    "nwb": "NWB files: the frames of an acquisition, such as a TwoPhotonSeries.",
    "npy": "Arrays: .npy, .npz, .mat and HDF5 of any layout; --dataset names one of several.",
    "zarr": "Zarr arrays, version 2 and 3; of OME-Zarr the largest level.",
    "video": "Movies: each frame is an image.",
    "nifti": "NIfTI volumes: each slice is an image.",
    "any": "All of these: what lies there is found out.",
}
ANY = "any"


def own_files(
    *,
    context: typer.Context,
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Files or folders.", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR|X.h5", help="Folder for both parts; or one file, for all images."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is understood; write nothing.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what stands there.")] = False,
    output: options.Output,
    flags: ImageFlags,
) -> None:
    """Images of one kind of files as the data of a network; the command's name says which."""
    kind: str | None = context.info_name
    from ..prepare import inspect, prepare

    wanted, kind, quiet, json = flags.options(), None if kind == ANY else kind, output.quiet, output.json
    if dry_run:
        understood = inspect(paths, wanted, kind)
        if json:
            answer(understood.to_json())
        for line in () if json or quiet else understood.lines():
            tell(set_in(line))
        return
    if out is None:
        raise DataError("where to? Give -o DIR, or --dry-run to see what is understood")
    with ExitStack() as shown:
        known: list[str] = []
        advance: list[Callable[..., None]] = []

        def hear(understood: Understood) -> None:
            known.extend(understood.notes)
            for line in () if json else understood.lines():
                say(set_in(line), quiet)
            total = sum(understood.rows.values())
            advance.append(shown.enter_context(bar("rows", total, quiet or json)))

        made = prepare(
            paths, out, wanted, kind=kind, overwrite=overwrite, tell=hear, progress=lambda done, _: advance[0](done)
        )
    if json:
        lists = {"train": str(made.train), **({"test": str(made.test)} if made.test else {})}
        answer({"folder": str(made.folder), "lists": lists, "images": made.understood.to_json()})
    else:
        _tell(made, out, known, quiet)


def _counted(rows: tuple[str, int]) -> str:
    part, count = rows
    return f"{count} {'row' if count == 1 else 'rows'} for {part}"


def _tell(made: Prepared, out: Path, known: list[str], quiet: bool) -> None:
    """What came to light while the images were stored, what was written, and what comes next."""
    told = made.understood
    for note in told.notes:
        if note not in known:
            say(set_in(f"note       {note}"), quiet)
    say(set_in(f"wrote      {out}: {', '.join(map(_counted, told.rows.items()))}"), quiet)
    if made.test is not None:
        size, scaling = "x".join(map(str, told.shape)), told.scaling
        words = ["--input", size, "--dims", "16", "--data", str(made.train), str(made.test)]
        words += ["--scale", f"{scaling.scale:.9g}"] if scaling.scale != 1 else []
        words += ["--mean-value", f"{scaling.offset:.9g}"] if scaling.offset else []
        say(f"next       {shlex.join(['deepcae', 'zoo', 'design', *words, '-o', 'models/mine'])}", quiet)
