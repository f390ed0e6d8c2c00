"""Caffe's helper programs under their own names: extract_features, compute_image_mean, convert_imageset, parse_log.

Their flags are taken in Caffe's spelling and in ours: `-resize_height=28`, `--resize-height 28`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..atomic import foreign_kept
from . import options
from .screen import answer, bar, say, tell

Backend = Annotated[str, typer.Option("--backend", metavar="lmdb", help="The kind of database.")]


def extract_features(
    *,
    weights: Annotated[str, typer.Argument(metavar="WEIGHTS", help="Its weights (.caffemodel).")],
    model: Annotated[Path, typer.Argument(metavar="NET", help="The network's text, with a data layer.")],
    blobs: Annotated[str, typer.Argument(metavar="BLOB[,BLOB]", help="What to write.")],
    outputs: Annotated[str, typer.Argument(metavar="OUT[,OUT]", help="One new database or file for each blob.")],
    num_batches: Annotated[int, typer.Argument(metavar="NUM_BATCHES", min=1, help="Batches to run.")],
    kind: Annotated[str, typer.Argument(metavar="[lmdb|h5|npz]", help="What OUT is.", show_default=False)] = "lmdb",
    mode: Annotated[
        str | None, typer.Argument(metavar="[CPU|GPU]", help="Caffe's word for the device.", show_default=False)
    ] = None,
    device_id: Annotated[int, typer.Argument(metavar="[DEVICE_ID]", help="Which GPU.", show_default=False)] = 0,
    device: options.Device = "auto",
    threads: options.Threads = None,
    output: options.Output,
) -> None:
    """Write blobs of a network over its own data, as Caffe's tool does: a record of floats for each sample."""
    from ..trained.features import extract_features as extract
    from .device import choose_device
    from .texts import net_of_text
    from .trained import load_all

    if mode is not None and mode.upper() not in ("CPU", "GPU"):
        raise typer.BadParameter(f"the device is CPU or GPU, not {mode!r}")
    wanted = device if mode is None else "cpu" if mode.upper() == "CPU" else f"cuda:{device_id}"
    net, _ = net_of_text(model, "TEST", device=choose_device(wanted, threads))
    load_all(net, weights)
    names, places = _words(blobs), _words(outputs)
    with bar("extracting", num_batches, output.quiet) as advance:
        written = extract(net, names, places, num_batches, kind.lower(), progress=advance)
    if output.json:
        answer(
            [
                {"file": place, "blob": name, "samples": number}
                for (name, number), place in zip(written.items(), places, strict=True)
            ]
        )
        return
    for (name, number), place in zip(written.items(), places, strict=True):
        say(f"wrote {place}: blob '{name}' of {number:,} samples", output.quiet)


def compute_image_mean(
    *,
    database: Annotated[Path, typer.Argument(metavar="DB", help="An LMDB of images.")],
    out: Annotated[
        Path | None, typer.Argument(metavar="[OUT]", help="The mean: a .binaryproto.", show_default=False)
    ] = None,
    backend: Backend = "lmdb",
    output: options.Output,
) -> None:
    """Average the images of a database, for a data layer's mean_file; print each channel's mean."""
    from ..data.lmdb import DatumRows
    from ..data.mean import compute_image_mean as compute
    from ..data.mean import write_mean

    _only_lmdb(backend)
    with bar("averaging", DatumRows(database, ("data",)).total, output.quiet) as advance:
        mean = compute(database, lambda done, total: advance(done))
    if out is not None:
        write_mean(out, mean)
        say(f"wrote {out}: the mean, {'x'.join(map(str, mean.shape))}", output.quiet or output.json)
    if output.json:
        means = mean.mean(axis=(1, 2), dtype="f8").tolist()
        answer({"file": str(out) if out is not None else None, "shape": list(mean.shape), "means": means})
        return
    tell(f"Number of channels: {len(mean)}")
    for channel, value in enumerate(mean.mean(axis=(1, 2), dtype="f8")):
        tell(f"mean_value channel [{channel}]: {value:.6g}")


def convert_imageset(
    *,
    root: Annotated[str, typer.Argument(metavar="ROOT", help="Put before each name in the list, as it stands.")],
    list_file: Annotated[Path, typer.Argument(metavar="LIST", help="Lines `image label`.")],
    database: Annotated[Path, typer.Argument(metavar="DB", help="The LMDB to make.")],
    gray: Annotated[bool, typer.Option("--gray", help="One channel instead of B, G, R.")] = False,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Put the images in random order.")] = False,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The seed of all randomness.")] = 0,
    backend: Backend = "lmdb",
    resize_width: Annotated[int, typer.Option("--resize-width", min=0, help="Width to resize to; 0: none.")] = 0,
    resize_height: Annotated[int, typer.Option("--resize-height", min=0, help="Height to resize to; 0: none.")] = 0,
    check_size: Annotated[bool, typer.Option("--check-size", help="Refuse images of different sizes.")] = False,
    encoded: Annotated[bool, typer.Option("--encoded", help="Store image files instead of pixels.")] = False,
    encode_type: Annotated[str, typer.Option("--encode-type", metavar="png|jpg", help="Which kind of files.")] = "",
    output: options.Output,
) -> None:
    """Make a database of the images in a list, for Data layers."""
    from ..data.imageset import Settings
    from ..data.imageset import convert_imageset as convert
    from ..data.listed import ListedImages

    _only_lmdb(backend)
    settings = Settings(gray, resize_height, resize_width, check_size, encoded, encode_type)
    with bar("converting", len(ListedImages(list_file)), output.quiet) as advance:
        number = convert(
            root, list_file, database, settings,
            shuffle=shuffle, seed=seed, progress=lambda done, total: advance(done),
        )  # fmt: skip
    if output.json:
        answer({"file": str(database), "images": number})
    else:
        say(f"wrote {database}: {number:,} images", output.quiet)


def parse_log(
    *,
    log: Annotated[Path, typer.Argument(metavar="LOG", help="A log of `deepcae train` or of Caffe.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where LOG.train and LOG.test go.")],
    delimiter: Annotated[str, typer.Option("--delimiter", metavar="CHAR", help="Between columns.")] = ",",
    output: options.Output,
) -> None:
    """Write the losses and rates in a training's log as two CSV tables."""
    from ..solver.parse_log import parse_log as parse
    from ..solver.parse_log import write_tables

    if len(delimiter) != 1:
        raise typer.BadParameter(f"the delimiter is one character, not {delimiter!r}")
    found = parse(log)
    with foreign_kept():
        written = write_tables(found, log, folder, delimiter)
    if output.json:
        names = ("train", "test")
        answer({name: {"file": str(path), "rows": len(rows)} for name, path, rows in
                zip(names, written, (found.train, found.test), strict=True)})  # fmt: skip
        return
    for path, rows in zip(written, (found.train, found.test), strict=True):
        say(f"wrote {path}: {len(rows)} rows", output.quiet)


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _only_lmdb(backend: str) -> None:
    if backend.lower() != "lmdb":
        raise typer.BadParameter(f"the backend is lmdb, not {backend!r}")
