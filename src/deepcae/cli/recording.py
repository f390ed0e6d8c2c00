"""`deepcae map`, `denoise`, `neighbours`: what a net makes of a recording, laid back where it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .screen import answer, bar, say

if TYPE_CHECKING:
    from ..recording.origin import Origins
    from ..trained.examples import Examples
    from ..trained.network import Named, Trained

Data = Annotated[
    Path | None,
    typer.Argument(
        metavar="[DATA]", help="A folder that `deepcae data` wrote, or its list; without it what RUN learned from."
    ),
]


def map_recording(
    run: options.Run,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Folder for maps, tables and pictures.")],
    data: Data = None,
    every: Annotated[int, typer.Option("--every", min=1, help="Of patches: lay out each n-th image alone.")] = 1,
    snapshot: options.Snapshot = None,
    code_blob: options.CodeBlob = None,
    restored_blob: options.RestoredBlob = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Lay codes and errors back: of patches over their images, of whole images over the recording's time."""
    from ..recording.maps import write_maps
    from ..recording.timeline import write_timeline
    from ..trained.network import Named

    trained, examples, origins = _opened(
        run, data, Named(None, code_blob, restored_blob), snapshot, device, threads, quiet
    )
    with bar("laying out", len(origins), quiet) as advance:
        if origins.place is None:
            told = write_timeline(trained, examples, origins, out, advance)
        else:
            told = write_maps(trained, examples, origins, out, every, advance)
    _end(trained, quiet)
    if json:
        answer(told)
        return
    for line in _of_maps(told):
        say(line, quiet)


def _opened(
    run: Path, data: Path | None, named: Named, snapshot: str | None, device: str, threads: int | None, quiet: bool
) -> tuple[Trained, Examples, Origins]:
    """The net, its data, and where their rows come from."""
    from ..recording.origin import data_of, origins_of
    from ..trained.examples import open_examples
    from .device import choose_device
    from .trained import of_run

    trained = of_run(run, choose_device(device, threads), named, snapshot, quiet)
    place = data_of(trained, data)
    origins = origins_of(place, trained.folders)
    return trained, open_examples(trained, place), origins


def _end(trained: Trained, quiet: bool) -> None:
    from .trained import tell

    tell(trained, quiet)


def _of_maps(told: dict[str, Any]) -> list[str]:
    lines = [f"wrote {path}" for path in told["files"]]
    lines.append(f"{told['images']} images, mean error {told['mean_error']:.4g}")
    if told.get("bare_pixels"):
        share = told["bare_pixels"] / told["pixels"]
        lines.append(f"{told['bare_pixels']:,} pixels ({share:.1%}) lie in no patch: they are NaN in the maps")
    unusual = told.get("unusual", [])[:3]
    return lines + [
        f"unusual: {_called(each)}, error {each['error']:.4g}, {each['score']:.1f} deviations" for each in unusual
    ]


def _called(each: dict[str, Any]) -> str:
    return f"{Path(each['source']).name}, image {each['name'] or each['row']}"
