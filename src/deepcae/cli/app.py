"""The table of commands. Each is a thin function in a file of its kind; what it needs is imported when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from .check import check
from .codes import decode, embed, encode
from .command import Command
from .convert import convert
from .data import data_app
from .demo import demo
from .draw import draw
from .eval import judge_codes
from .explore import explore
from .fit import fit
from .flags import with_groups
from .pictures import layers, report
from .plot import plot
from .recording import denoise, map_recording, neighbours
from .reproduce import reproduce
from .screen import tell
from .summary import summary
from .test import evaluate
from .time import time_layers
from .tools import compute_image_mean, convert_imageset, extract_features, parse_log
from .train import train
from .upgrade import upgrade
from .zoo import zoo

IMAGES, TOOLS = "You have images", "Caffe's tools"
PANELS: dict[str, tuple[Callable[..., Any], ...]] = {
    IMAGES: (fit, demo),
    "Codes: compute them, use them": (encode, map_recording, neighbours, denoise, embed, judge_codes, decode),
    "Pictures and pages": (explore, report, plot, layers),
    "Networks as text": (zoo, train, evaluate, check, summary, draw, convert, upgrade, time_layers),
    TOOLS: (convert_imageset, compute_image_mean, extract_features, parse_log),
    "The paper": (reproduce,),
}

NAMES = {evaluate: "test", time_layers: "time", judge_codes: "eval"}  # where the function is called otherwise
NAMES |= {map_recording: "map"}
NAMES |= {tool: tool.__name__ for tool in PANELS[TOOLS]}  # with underscores, as Caffe's programs

app = typer.Typer(
    name="deepcae",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for _panel, _commands in PANELS.items():
    for _command in _commands:
        kind = None if _command is upgrade else Command  # which reads the whole text before it writes
        app.command(NAMES.get(_command), cls=kind, rich_help_panel=_panel)(with_groups(_command))
app.add_typer(data_app, name="data", rich_help_panel=IMAGES)


def _version(wanted: bool) -> None:
    if wanted:
        from .. import __version__

        tell(f"deepcae {__version__}")
        raise typer.Exit


@app.callback()
def deepcae(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    allow_python_layers: Annotated[
        bool,
        typer.Option(
            "--allow-python-layers",
            help="With any command: run the code that layers of type Python name. Only for texts you trust.",
        ),
    ] = False,
    allow_writes_elsewhere: Annotated[
        bool,
        typer.Option(
            "--allow-writes-elsewhere",
            help="With any command: let texts write outside the working directory and the run's folder.",
        ),
    ] = False,
) -> None:
    """Learn codes of images with convolutional auto-encoders, and look into every layer.

    Begin with your images: deepcae fit images/ --dims 16 -o run --dry-run

    Or with an example: deepcae demo

    Networks and trainings are texts in Caffe's language; its files and flags work, too.
    """
    if allow_python_layers:
        from ..layers.python import python_layers

        context.with_resource(python_layers(True))
    if allow_writes_elsewhere:
        from ..writes import writes_elsewhere

        context.with_resource(writes_elsewhere(True))
