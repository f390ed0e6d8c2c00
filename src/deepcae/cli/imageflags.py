"""Which images, and how they become data: the flags that `deepcae data` and `deepcae fit` share."""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
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


@dataclass(frozen=True)
class ImageFlags:
    """Each field is a flag of its name; docs/04-data.md tells what they do."""

    dataset: Annotated[str | None, _flag(LOOK, "The array, of several.", "NAME")] = None
    axes: Annotated[str | None, _flag(LOOK, "A letter for each axis: nyxc, tzcyx.", "LETTERS")] = None
    every: Annotated[int, _flag(LOOK, "Each n-th image.", min=1)] = 1
    channels: Annotated[str | None, _flag(LOOK, "These channels alone.", "0,2")] = None
    grey: Annotated[bool, typer.Option("--grey", help="One channel.", rich_help_panel=LOOK)] = False
    rgb: Annotated[bool, typer.Option("--rgb", help="Three channels.", rich_help_panel=LOOK)] = False
    masks: Annotated[
        bool, typer.Option("--masks", help="Multiply by the file's masks (BehaveNet).", rich_help_panel=LOOK)
    ] = False
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out what cannot be read.", rich_help_panel=LOOK)
    ] = False
    resize: Annotated[str | None, _flag(CUT, "Resize images, smoothed.", "HxW")] = None
    crop: Annotated[str | None, _flag(CUT, "Keep the centre.", "HxW")] = None
    pad: Annotated[str | None, _flag(CUT, "Add zeros around.", "HxW")] = None
    patch: Annotated[str | None, _flag(CUT, "Cut patches, in a grid.", "HxW")] = None
    stride: Annotated[str | None, _flag(CUT, "Steps of the grid; default: no overlap.", "HxW")] = None
    count: Annotated[int | None, _flag(CUT, "Patches by chance, of each image.", min=1)] = None
    split: Annotated[str, _flag(SPLIT, "auto, random, time, blocks, file, region or none.", "KIND")] = "auto"
    held_out: Annotated[float | None, _flag(SPLIT, "To test with; default: 0.15, if not too many.", "PART")] = None
    seed: Annotated[int, _flag(SPLIT, "Decides all chance.", min=0)] = 0
    normalise: Annotated[str, _flag(VALUES, "auto, range, percentile, zscore or none.", "KIND")] = "auto"
    nan: Annotated[float | None, _flag(VALUES, "Stands for NaN.", "VALUE")] = None
    labels: Annotated[Path | None, _flag(VALUES, "CSV, JSON or .npy: one an image.", "FILE")] = None
    label_column: Annotated[str | None, _flag(VALUES, "Which of its columns.", "NAME")] = None

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


def with_image_flags(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, whose parameter `flags` is filled from a command line's flags, one for each field of `ImageFlags`."""
    own = inspect.signature(command).parameters
    hints = typing.get_type_hints(command, include_extras=True)
    added = typing.get_type_hints(ImageFlags, include_extras=True)
    names = [each.name for each in fields(ImageFlags)]
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [own[name].replace(annotation=hints[name], kind=keyword) for name in own if name != "flags"]
    parameters += [
        inspect.Parameter(each.name, keyword, default=each.default, annotation=added[each.name])
        for each in fields(ImageFlags)
    ]

    @functools.wraps(command)
    def taking(**given: Any) -> None:
        flags = ImageFlags(**{name: given.pop(name) for name in names})
        command(**given, flags=flags)

    taking.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    taking.__annotations__ = {each.name: each.annotation for each in parameters}
    return taking


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
