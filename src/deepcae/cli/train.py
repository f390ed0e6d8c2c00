"""`deepcae train`: a solver text carried out, as `caffe train` does it."""

from __future__ import annotations

import shlex
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from . import options
from .screen import answer, say

if TYPE_CHECKING:
    from .training import Outcome


class Effect(StrEnum):
    """What a signal does to a training."""

    stop = "stop"
    snapshot = "snapshot"
    none = "none"


def train(
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
    device: options.Device = "auto",
    threads: options.Threads = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Give up the run that lies in DIR.")] = False,
    quiet: options.Quiet = False,
    json: options.Json = False,
) -> None:
    """Train a network as its solver text says; DIR becomes the run that other commands take.

    Ctrl-C stops after the iteration and takes a snapshot; --snapshot latest goes on from it.
    """
    if weights is not None and snapshot is not None:
        raise typer.BadParameter("--snapshot goes on with a training, --weights begins a new one: give one of them")
    if solver is None and (out is None or snapshot is None):
        raise typer.BadParameter("give --solver, or --out DIR --snapshot latest to go on with the run in DIR")
    from ..solver.solver import Solver
    from .device import choose_device
    from .trained import weight_files
    from .training import LOG, Effects, carry_out, default_out, prepare, solver_text

    folder = out or default_out(solver or Path())
    prepare(folder, snapshot, overwrite)
    if snapshot == "latest" and not _has_snapshot(folder):
        say(f"{folder}: has no snapshot yet; beginning at the beginning", quiet)
        snapshot = None
    document, folders = solver_text(solver, folder, [*(overrides or []), *_state(level, stage)])
    training = Solver(
        document,
        out=folder,
        seed=seed,
        device=choose_device(device, threads),
        weights=weight_files(weights) if weights else None,
        snapshot=snapshot,
        folders=folders,
        strict=strict,
    )
    effects = Effects(training, sigint_effect.value, sighup_effect.value)
    outcome = carry_out(training, folder / LOG, quiet, effects)
    if outcome.finished.reason != "done":
        resume = shlex.join(["deepcae", "train", "--out", str(folder), "--snapshot", "latest"])
        say(f"stopped at iteration {outcome.finished.iteration}; go on with: {resume}")
    if json:
        answer(_summary(outcome, context))


def _has_snapshot(folder: Path) -> bool:
    from ..solver.run import ABOUT, Run

    return (folder / ABOUT).exists() and Run(folder).latest_snapshot() is not None


def _state(level: int | None, stage: str) -> list[str]:
    """Caffe's --level and --stage as text of the solver's train_state."""
    fields = [f"level: {level}"] if level is not None else []
    fields += [f"stage: {_quoted(name)}" for name in options.stage_names(stage)]
    return [f"train_state {{ {' '.join(fields)} }}"] if fields else []


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _summary(outcome: Outcome, context: typer.Context) -> dict[str, Any]:
    from .training import plain

    finished = outcome.finished
    return {
        "iterations": finished.iteration,
        "train": {name: plain(value) for name, value in finished.train.items()},
        "test": outcome.test,
        "seconds": time.perf_counter() - context.obj,
        "seconds_per_iteration": finished.seconds_per_iteration,
        "snapshot": finished.snapshot,
    }
