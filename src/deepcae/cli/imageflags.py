"""Which images, and how they become data: the flags that `deepcae data` and `deepcae fit` share."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import DataError

if TYPE_CHECKING:
    from ..prepare import Options

LOOK, CUT, SPLIT, VALUES = "Which images", "Size and patches", "Training and test data", "Values and labels"
SIZES = ("resize", "crop", "pad", "patch", "stride")


def _flag(panel: str, text: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(help=text, metavar=metavar, rich_help_panel=panel, **more)


def _switch(name: str, panel: str, text: str) -> Any:
    return typer.Option(name, help=text, rich_help_panel=panel)


@dataclass(frozen=True)
class ImageFlags:
    """Each field is a flag of its name; docs/04-data.md tells what they do."""

    dataset: Annotated[
        str | None, _flag(LOOK, "Which array of a file of several, such as acquisition/TwoPhotonSeries.", "NAME")
    ] = None
    axes: Annotated[
        str | None,
        _flag(
            LOOK,
            "What the axes of an array are, a letter for each: n or t (images), z (planes), y (height), x (width), "
            "c (channels), such as tyx or nyxc.",
            "LETTERS",
            show_default="as its shape tells",
        ),
    ] = None
    every: Annotated[int, _flag(LOOK, "Take each N-th image alone.", "N", min=1)] = 1
    channels: Annotated[
        str | None, _flag(LOOK, "Keep these channels alone, counted from 0.", "0,2", show_default="all")
    ] = None
    grey: Annotated[bool, _switch("--grey", LOOK, "Make one grey channel of red, green and blue.")] = False
    rgb: Annotated[bool, _switch("--rgb", LOOK, "Make three channels of grey images, too.")] = False
    masks: Annotated[bool, _switch("--masks", LOOK, "Multiply the images of a BehaveNet file by the masks in it.")] = (
        False
    )
    skip_damaged: Annotated[
        bool, _switch("--skip-damaged", LOOK, "Leave out images that cannot be read or hold NaN, and tell them.")
    ] = False
    resize: Annotated[
        str | None, _flag(CUT, "Make images smaller or larger, to this height and width, smoothed.", "HxW")
    ] = None
    crop: Annotated[str | None, _flag(CUT, "Keep the centre, of this height and width.", "HxW")] = None
    pad: Annotated[str | None, _flag(CUT, "Put zeros around, up to this height and width.", "HxW")] = None
    patch: Annotated[str | None, _flag(CUT, "Cut images into patches of this size; each gets its own code.", "HxW")] = (
        None
    )
    stride: Annotated[
        str | None,
        _flag(CUT, "From one patch to the next, down and across.", "HxW", show_default="the patch's size"),
    ] = None
    count: Annotated[
        int | None,
        _flag(CUT, "Cut N patches of each image, at random places.", "N", min=1, show_default="a grid"),
    ] = None
    split: Annotated[
        str,
        _flag(
            SPLIT,
            "Which images are held out, to tell how good the codes are. random: any; time: the last ones of each "
            "recording; blocks: stretches in five places of each; file: whole files; region: the lower part of each "
            "image, for patches; none; auto: what suits the images, with the reason told.",
            "KIND",
        ),
    ] = "auto"
    held_out: Annotated[
        float | None,
        _flag(
            SPLIT,
            "How large a part of them, between 0 and 1.",
            "PART",
            show_default="0.15, fewer where there are very many",
        ),
    ] = None
    seed: Annotated[
        int, _flag(SPLIT, "Another one gives another split, start and order. The same one, the same codes.", "N", min=0)
    ] = 0
    normalise: Annotated[
        str,
        _flag(
            VALUES,
            "How the network is shown values; the stored ones stay. range: the least is 0, the greatest 1; "
            "percentile: the 0.1th is 0, the 99.9th 1; zscore: mean 0, deviation 1; none: as they are; "
            "auto: 8 bits by 255, 0..1 as they are, others by percentile.",
            "KIND",
        ),
    ] = "auto"
    nan: Annotated[
        float | None,
        _flag(VALUES, "Stands in place of NaN and infinity.", "VALUE", show_default="none: such images are refused"),
    ] = None
    labels: Annotated[
        Path | None,
        _flag(
            VALUES,
            "A class or a number for each image, to colour pictures and judge codes by; never learned from. "
            "A CSV, JSON or .npy file.",
            "FILE",
            show_default="subfolders, or the file's own",
        ),
    ] = None
    label_column: Annotated[str | None, _flag(VALUES, "Which column of that file.", "NAME")] = None

    def options(self) -> Options:
        """As `prepare` takes them. DataError for sizes and channels that are none."""
        from ..prepare import Options, parse_size

        given: dict[str, Any] = {each.name: getattr(self, each.name) for each in fields(self)}
        for name in SIZES:
            given[name] = None if given[name] is None else parse_size(given[name], f"--{name}")
        return Options(**{**given, "channels": _numbers(self.channels)})

    def arguments(self) -> list[str]:
        """What was given, as words of a command line."""
        words: list[str] = []
        for each in fields(self):
            value, flag = getattr(self, each.name), f"--{each.name.replace('_', '-')}"
            if value != each.default:
                words += [flag] if value is True else [flag, str(value)]
        return words


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
