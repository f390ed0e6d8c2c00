"""`deepcae train`: a solver text carried out, as `caffe train` does it."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from . import options


class Effect(StrEnum):
    """What a signal does to a training."""

    stop = "stop"
    snapshot = "snapshot"
    none = "none"


def train(
    *,
    context: typer.Context,
    solver: Annotated[
        Path | None, typer.Option("--solver", help="The solver text.", show_default="the run's own, with --snapshot")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="The run's folder.", show_default="runs/NAME")
    ] = None,
    seed: options.Seed = None,
    overrides: options.Overrides = None,
    weights: Annotated[
        str | None, typer.Option("--weights", metavar="FILE|RUN[,...]", help="Weights to start from (fine-tuning).")
    ] = None,
    strict: options.Strict = False,
    snapshot: Annotated[
        str | None,
        typer.Option(
            "--snapshot", metavar="FILE|latest", help="A .solverstate to go on from; latest: the run's newest."
        ),
    ] = None,
    level: Annotated[int | None, typer.Option("--level", help="The level of the train net's state.")] = None,
    stage: options.Stage = "",
    sigint_effect: Annotated[Effect, typer.Option("--sigint-effect", help="What Ctrl-C does.")] = Effect.stop,
    sighup_effect: Annotated[Effect, typer.Option("--sighup-effect", help="What SIGHUP does.")] = Effect.snapshot,
    machine: options.Machine,
    precision: Annotated[
        str | None,
        typer.Option("--precision", metavar="fp32|tf32|bf16", help="Of products.", show_default="fp32, or the run's"),
    ] = None,
    runs: Annotated[
        int, typer.Option("--runs", min=1, help="Trainings of seeds S, S+1, ...: in DIR/seed-S, DIR/seed-S+1, ...")
    ] = 1,
    batched: Annotated[
        bool | None,
        typer.Option("--batched/--separate", help="Several runs as one program.", show_default="on a GPU"),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option("--keep", min=2, help="Newest snapshots to keep.", show_default="all, or as the run had it"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Give up the run that lies in DIR.")] = False,
    output: options.Output,
) -> None:
    """Train a network as its solver text says; DIR becomes the run that other commands take.

    Ctrl-C stops after the iteration and takes a snapshot; --snapshot latest goes on from it.
    """
    if weights is not None and snapshot is not None:
        raise typer.BadParameter("--snapshot goes on with a training, --weights begins a new one: give one of them")
    if solver is None and (out is None or snapshot is None):
        raise typer.BadParameter("give --solver, or --out DIR --snapshot latest to go on with the run in DIR")
    if overwrite and snapshot == "latest":
        raise typer.BadParameter("--snapshot latest goes on with the run in DIR, --overwrite gives it up: give one")
    if runs > 1 and snapshot not in (None, "latest"):
        raise typer.BadParameter("several runs go on from their own snapshots: give --snapshot latest")
    from ..solver.begin import default_out
    from .training import TrainingOptions, train_one

    folder, texts = out or default_out(solver or Path()), [*(overrides or []), *_state(level, stage)]
    effects, where = (sigint_effect.value, sighup_effect.value), machine.chosen()
    given = TrainingOptions(
        solver, texts, weights, strict, snapshot, overwrite, where, precision, keep, machine.threads, effects
    )
    if runs > 1:
        from .runs import train_all

        train_all(context, given, folder, seed, runs, batched, output)
    else:
        train_one(given, folder, seed, output, context.obj)


def _state(level: int | None, stage: str) -> list[str]:
    """Caffe's --level and --stage as text of the solver's train_state."""
    fields = [f"level: {level}"] if level is not None else []
    fields += [f"stage: {_quoted(name)}" for name in options.stage_names(stage)]
    return [f"train_state {{ {' '.join(fields)} }}"] if fields else []


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
