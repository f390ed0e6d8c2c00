"""The options that several commands share, each said once, and the groups in which they come (`flags`)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..trained.network import Named


def cores() -> int:
    """What "all cores" means: those that this process may use."""
    has_affinity = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1


RUN_HELP = "The folder of a run, as `deepcae fit` and `train` make it."

Run = Annotated[Path, typer.Argument(metavar="RUN", help=RUN_HELP)]
OptionalRun = Annotated[Path | None, typer.Argument(metavar="[RUN]", help=RUN_HELP, show_default=False)]
Model = Annotated[Path | None, typer.Option("--model", help="The network's text, where there is no RUN.")]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", metavar="FILE[,FILE]", help="Its weights (.caffemodel, .h5, .safetensors, .pt), later files win."
    ),
]
Snapshot = Annotated[
    str | None,
    typer.Option(
        "--snapshot", metavar="best|last|N", help="Which weights of RUN.", show_default="best, where RUN kept it"
    ),
]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse weights that do not match the network, layer by layer.")]
_PHASE_HELP = "Which of the net's phases; without it the other one, too, where only that can be built."
TrainPhase = Annotated[
    str | None, typer.Option("--phase", metavar="TRAIN|TEST", help=_PHASE_HELP, show_default="TRAIN")
]
TestPhase = Annotated[str | None, typer.Option("--phase", metavar="TRAIN|TEST", help=_PHASE_HELP, show_default="TEST")]
Level = Annotated[int, typer.Option("--level", help="The level of the net's state.")]
Stage = Annotated[str, typer.Option("--stage", metavar="A,B", help="The stages of the net's state.")]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="NAME",
        help="Where to compute: cpu, cuda (cuda:1 for the second), mps; auto: the fastest there. "
        "Caffe's --gpu N is cuda:N.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option("--threads", metavar="N", min=1, help="Processor threads to compute with.", show_default="all cores"),
]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, help="The seed of all randomness.", show_default="the text's")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No log and no progress on the screen.")]
SHOWN = 10_000  # `report.material.LIMIT`
Limit = Annotated[
    int, typer.Option("--limit", min=5, help="Of more images so many are mapped and drawn, spread over all.")
]
Json = Annotated[bool, typer.Option("--json", help="Answer with JSON, for programs.")]
_FOUND = "where it is another than the one found by itself."
ImageBlob = Annotated[
    str | None, typer.Option("--image-blob", metavar="BLOB", help=f"The blob that images are fed into, {_FOUND}")
]
CodeBlob = Annotated[str | None, typer.Option("--code-blob", metavar="BLOB", help=f"The blob of codes, {_FOUND}")]
RestoredBlob = Annotated[
    str | None, typer.Option("--restored-blob", metavar="BLOB", help=f"The blob of restored images, {_FOUND}")
]
ColourBy = Annotated[
    list[str] | None,
    typer.Option(
        "--colour-by",
        metavar="NAME|FILE[:NAME]",
        help="Colour points by `time` (the image's number), `error`, `label`, `cluster`, an array beside the images, "
        "or a column of a .csv, .json, .npy file; as often as wanted.",
        show_default="class, else time",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="TEXT",
        help="A setting of the solver, laid over its text, such as 'max_iter: 100'; as often as wanted.",
    ),
]
Linear = Annotated[
    bool | None,
    typer.Option(
        "--linear/--no-linear",
        help="Whether PCA stays beside the network, as layers that do not learn.",
        show_default="what is better after a short training of both",
    ),
]
Mirror = Annotated[
    bool | None,
    typer.Option(
        "--mirror/--no-mirror",
        help="Whether half of the training images are mirrored, left and right, or none are turned in any way.",
        show_default="mirrored and turned in all ways that look like the others",
    ),
]
Neighbours = Annotated[
    float | None,
    typer.Option(
        "--neighbours",
        metavar="WEIGHT",
        help="For maps: images that are alike shall have codes that are near. 1 weighs about as much as restoring the "
        "images does; 0.3 is a good start.",
        show_default="0: images alone count",
    ),
]


@dataclass(frozen=True)
class Machine:
    """Where to compute."""

    device: Device = "auto"
    threads: Threads = None

    def chosen(self) -> str:
        """The name of the device, see `device.choose_device`; sets the number of threads."""
        from .device import choose_device

        return choose_device(self.device, self.threads)

    def words(self) -> list[str]:
        """As words of a command line: bits may depend on it."""
        return ["--device", self.device, *(["--threads", str(self.threads)] if self.threads else [])]


@dataclass(frozen=True)
class Output:
    """What is said while the command runs, and how it answers."""

    quiet: Quiet = False
    json: Json = False


@dataclass(frozen=True)
class Network:
    """Where there is no RUN: the network of --model with --weights. `snapshot`: of a run."""

    model: Model = None
    weights: Weights = None
    strict: Strict = False
    snapshot: Snapshot = None


@dataclass(frozen=True)
class Blobs:
    """The blobs whose part is named."""

    image_blob: ImageBlob = None
    code_blob: CodeBlob = None
    restored_blob: RestoredBlob = None

    def named(self) -> Named:
        from ..trained.network import Named

        return Named(self.image_blob, self.code_blob, self.restored_blob)


@dataclass(frozen=True)
class State:
    """In which state a network is built."""

    phase: TestPhase = None
    level: Level = 0
    stage: Stage = ""

    def asked(self) -> tuple[str | None, int, tuple[str, ...]]:
        """Phase, level and stages. A usage error for a phase that is none."""
        return phase_name(self.phase), self.level, stage_names(self.stage)


@dataclass(frozen=True)
class TrainState(State):
    """The same, where TRAIN is the usual phase."""

    phase: TrainPhase = None


def phase_name(text: str | None) -> str | None:
    """TRAIN or TEST, however it is written; None where nothing was."""
    if text is None:
        return None
    if text.upper() not in ("TRAIN", "TEST"):
        raise typer.BadParameter(f"phase {text!r} is neither TRAIN nor TEST")
    return text.upper()


def stage_names(text: str) -> tuple[str, ...]:
    """Caffe's comma-separated list; an empty text is no stage."""
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)
