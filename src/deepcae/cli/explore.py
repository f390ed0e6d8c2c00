"""`deepcae explore`: a page that looks into a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import DataError
from . import options
from .screen import answer, say, tell

Port = Annotated[
    int, typer.Option("--port", metavar="P", min=0, max=65535, help="Where to listen.", show_default="a free one")
]


def explore(
    *,
    run: options.OptionalRun = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="Images to look at.", show_default="the run's test data")
    ] = None,
    network: options.Network,
    blobs: options.Blobs,
    colour_by: options.ColourBy = None,
    limit: options.Limit = options.SHOWN,
    port: Port = 0,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Where to listen. Others than this machine's are risky.")
    ] = "127.0.0.1",
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address, and open no browser.")] = False,
    machine: options.Machine,
    output: options.Output,
) -> None:
    """Look into a network: codes, layers, drawing, decoding, training. A page on this machine, until Ctrl-C."""
    import webbrowser

    try:
        from ..explore.serve import is_loopback, serve
    except ModuleNotFoundError as error:
        if error.name not in ("fastapi", "uvicorn", "starlette", "pydantic"):
            raise
        raise DataError(f"this needs {error.name}, which is not installed: pip install 'deepcae[explore]'") from None
    from ..explore.subject import Subject
    from .trained import open_trained

    device = machine.chosen()

    def opened(snapshot: str | None) -> object:
        asked = options.Network(network.model, network.weights, network.strict, snapshot)
        return open_trained(run, asked, device, blobs.named(), quiet=True)

    subject = Subject(opened, data, limit, colour_by or (), network.snapshot)  # type: ignore[arg-type]
    if not is_loopback(host):
        say(f"warning: {host} can be reached by others; whoever has the address with its token sees everything")

    def begun(address: str) -> None:
        if output.json:
            answer({"url": address})
        else:
            tell(address)
        if not no_browser:
            webbrowser.open(address)

    serve(subject, port, host, begun)
