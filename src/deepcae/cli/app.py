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
from .fit import fit
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

PANELS: dict[str, tuple[Callable[..., Any], ...]] = {
    "Train and test": (train, evaluate, time_layers),
    "Network and solver texts": (summary, check, draw, upgrade, convert, zoo),
    "Look at a run": (encode, decode, embed, judge_codes, layers, plot, report),
    "Work on a recording": (map_recording, denoise, neighbours),
    "Caffe's tools": (convert_imageset, compute_image_mean, extract_features, parse_log),
    "The paper": (reproduce,),
    "Begin": (fit, demo),
}

NAMES = {evaluate: "test", time_layers: "time", judge_codes: "eval"}  # where the function is called otherwise
NAMES |= {map_recording: "map"}
NAMES |= {tool: tool.__name__ for tool in PANELS["Caffe's tools"]}  # with underscores, as Caffe's programs

app = typer.Typer(
    name="deepcae",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)
for _panel, _commands in PANELS.items():
    for _command in _commands:
        kind = None if _command is upgrade else Command  # which reads the whole text before it writes
        app.command(NAMES.get(_command), cls=kind, rich_help_panel=_panel)(_command)
app.add_typer(data_app, name="data", rich_help_panel="Begin")


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
    """Deep convolutional auto-encoders from Caffe's text files: train them, look into them, draw what they learned.

    Caffe's own spellings of flags work too: `deepcae train -solver solver.prototxt -gpu 0`.
    """
    if allow_python_layers:
        from ..layers.python import python_layers

        context.with_resource(python_layers(True))
    if allow_writes_elsewhere:
        from ..writes import writes_elsewhere

        context.with_resource(writes_elsewhere(True))
