"""Prints the times of a network's layers, for people and for programs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..errors import shortened, shown
from .screen import cell, width, wrapped

if TYPE_CHECKING:
    from rich.table import Table

    from ..net.net import Net
    from ..timing.timing import LayerTime, Timing

NONE = "–"
WIDE = 120  # letters of a line that all columns take
NARROW = "Each layer's type and kernel: in a window of 120 columns, or with --json."
_FIGURES, _SHORTEST = 48, 12  # letters of a line that figures take in a narrow window; and a layer's name, at least
_MOST = 2 / 3  # of the layers' time: what the layers that are named take together
_BUSY = 1.25  # a whole that takes so many times its parts was not alone on the machine


def show(net: Net, fed_with: str, timing: Timing) -> None:
    """The table and what it says, on stdout."""
    from rich.console import Console

    wide = width() >= WIDE
    console = Console(file=sys.stdout, width=width(), highlight=False)
    console.print(shown(wrapped(_head(net, fed_with, timing))), markup=False)
    console.print(_table(timing, wide))
    said = [*sentences(timing), *([] if wide else [NARROW])]
    console.print(shown(wrapped("\n".join(said))), markup=False)


def _head(net: Net, fed_with: str, timing: Timing) -> str:
    about = conditions(net)
    threads, kernels = about["threads"], about["kernels"]
    compiled = f" ({kernels['instructions']})" if kernels["instructions"] else ""
    assumed = "".join(f"the shape of '{blob}' is assumed: {why}\n" for blob, why in net.plan.assumed.items())
    return (
        f"{net.name or 'network'} ({about['phase']}), batch {about['batch']}, fed with {fed_with}\n{assumed}"
        f"{net.device}, {threads} thread{'s' * (threads != 1)}, kernels {kernels['rule']}{compiled}, "
        f"passes {'without' if timing.tape else 'by'} autograd; "
        f"a large matrix product makes {_giga(timing.product_rate)} GFLOP/s{_rule_of(net)}"
    )


def _rule_of(net: Net) -> str:
    """Where the choice of kernels is from, where it is this processor that decides."""
    from ..kernels.choice import kernels
    from ..kernels.processor import this_processor

    if net.device.type != "cpu":
        return ""
    return f"\n{this_processor().description}: kernels by {_sourced(kernels().found.source)}"


def _sourced(source: str) -> str:
    return source if source.startswith("the ") else f"the rule {source}"


def told_rule() -> dict[str, Any]:
    """The rule of kernels in force, what it holds for and where it is from."""
    from ..kernels.choice import kernels
    from ..kernels.processor import this_processor

    now, processor = kernels(), this_processor()
    return {
        "processor": processor.description,
        "instructions": processor.instructions,
        "kernels": now.preference,
        "source": now.found.source,
        "rule": now.found.rule.to_json(),
    }


def _table(timing: Timing, wide: bool) -> Table:
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1) if wide else (0, 1, 0, 0))
    table.add_column("layer")
    longest = max(_SHORTEST, width() - _FIGURES)
    kinds = ("type", "kernel") if wide else ()
    for title in kinds:
        table.add_column(title)
    for title in ("forward ms", "backward ms", "of the time", "GFLOP/s", "of the product's"):
        table.add_column(title if wide else "\n".join(title.rsplit(" ", 1)), justify="right")
    together = timing.in_layers + timing.outside
    for layer in timing.layers:
        table.add_row(
            cell(layer.name if wide else shortened(layer.name, longest)),
            *([cell(layer.type), layer.kernel or NONE] if wide else []),
            *_times(layer),
            _share(layer.seconds, together),
            *_rates(layer.rate, timing),
        )
    table.add_section()
    forward = sum(layer.forward for layer in timing.layers)
    backward = _ms(timing.in_layers - forward) if timing.goes_back else NONE
    rate = timing.operations / timing.passes / timing.in_layers if timing.in_layers else 0.0
    share = _share(timing.in_layers, together)
    blank = ["" for _ in kinds]
    table.add_row("all layers", *blank, _ms(forward), backward, share, *_rates(rate or None, timing))
    table.add_row("in no layer", *blank, _ms(timing.outside), "", _share(timing.outside, together), "", "")
    return table


def sentences(timing: Timing) -> list[str]:
    """Where the time goes, what the whole takes, and what it would at the rate of a matrix product."""
    lines = []
    named = _greatest(timing.layers)
    if named:
        share = sum(layer.seconds for layer in named) / timing.in_layers
        lines.append(f"{_share(share, 1)} of the layers' time: {', '.join(layer.name for layer in named)}.")
    ways = "forward and backward" if timing.goes_back else "forward alone"
    whole = f"A whole pass, {ways}, takes {_ms(timing.forward_backward)} ms"
    if timing.step is not None and timing.update is not None:
        passes = f" of {timing.passes} passes" if timing.passes > 1 else ""
        whole += (
            f", a step of the solver{passes} {_ms(timing.step)} ms: {_ms(timing.update)} ms for the update and the loop"
        )
    lines.append(f"{whole}.")
    if timing.operations:
        lines.append(
            f"The limit is {_ms(timing.limit)} ms, {timing.operations / 1e9:.3g} GFLOP at the rate of a matrix "
            f"product: the whole takes {timing.whole / timing.limit:.1f} times as long."
        )
    if timing.forward_backward > _BUSY * (timing.in_layers + timing.outside):
        lines.append("A whole pass takes longer than its parts: the machine was busy with other work, too.")
    return lines


def _greatest(layers: list[LayerTime]) -> list[LayerTime]:
    """The fewest layers that take most of the time."""
    ordered = sorted(layers, key=lambda layer: -layer.seconds)
    named: list[LayerTime] = []
    left = _MOST * sum(layer.seconds for layer in layers)
    for layer in ordered:
        if left <= 0:
            break
        named.append(layer)
        left -= layer.seconds
    return named


def _times(layer: LayerTime) -> tuple[str, str]:
    """Forward (none for an input that is not read anew) and backward."""
    return _ms(layer.forward) if layer.forward else NONE, NONE if layer.backward is None else _ms(layer.backward)


def _rates(rate: float | None, timing: Timing) -> tuple[str, str]:
    """Operations per second, and their share of the matrix product's."""
    return (NONE, NONE) if rate is None else (_giga(rate), _share(rate, timing.product_rate))


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3f}"


def _giga(number: float) -> str:
    return f"{number / 1e9:.1f}"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else NONE


def conditions(net: Net) -> dict[str, Any]:
    """What the figures hold for."""
    import torch

    from ..kernels.choice import in_force

    shapes = [shape for name in net.inputs if (shape := net.plan.shapes[name])]
    return {
        "net": net.name,
        "phase": ("TRAIN", "TEST")[net.phase],
        "batch": shapes[0][0] if shapes else None,
        "device": str(net.device),
        "threads": torch.get_num_threads(),
        "kernels": in_force(),
    }


def figures(net: Net, fed_with: str, iterations: int, timing: Timing) -> dict[str, Any]:
    """For programs: seconds, operations, operations per second."""
    return {**conditions(net), "fed_with": fed_with, "iterations": iterations, **timing.to_json()}
