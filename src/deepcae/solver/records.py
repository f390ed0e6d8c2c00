"""What a training tells: one record per event, in the order of Caffe's log. Plain data; nobody here prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Values = float | tuple[float, ...]
"""An output's value: a number, or a tuple for a blob of more than one element."""


@dataclass(frozen=True, slots=True)
class Started:
    """The training begins (or goes on) at `iteration`."""

    iteration: int
    name: str
    lr_policy: str
    max_iter: int
    seed: int
    resumed_from: str = ""
    threads: str = ""  # with how many, and whether results depend on it; not part of the metrics


@dataclass(frozen=True, slots=True)
class Step:
    """One iteration. `loss` and `outputs` are those *before* its update; `lr` is the rate of the update."""

    iteration: int
    loss: float
    smoothed_loss: float
    lr: float
    gradient_norm: float  # of the gradients summed over iter_size, before clipping
    displayed: bool = False
    outputs: Mapping[str, Values] = field(default_factory=dict)  # on displayed iterations only
    weights: Mapping[str, float] = field(default_factory=dict)  # loss weight of each output that has one
    seconds: float = 0.0  # since the last displayed iteration (or the start), and the number of iterations
    iterations: int = 0
    display: int = 0  # the solver's display interval
    raised_step: int | None = None  # multistep's k, when this iteration raised it
    clipped_to: float | None = None  # clip_gradients, when gradient_norm was greater


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of the absolute values of a blob: `stage` Forward, Backward or Update, `what` "top blob x data", …"""

    stage: str
    layer: str
    what: str
    value: float
    diff: float | None = None  # of the update, beside the data's


@dataclass(frozen=True, slots=True)
class Debugged:
    """What `debug_info` tells of a displayed iteration, in the order of the passes.

    `norms`: of all weights and of all gradients the L1 norms, then the L2 norms.
    """

    iteration: int
    means: tuple[Mean, ...]
    norms: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Loaded:
    """Weights were loaded before the training: what was matched, ignored and left at its initial values."""

    iteration: int
    message: str
    complete: bool  # every layer of the net got its weights, and every layer of the file found its place


@dataclass(frozen=True, slots=True)
class Test:
    """One test net, averaged over its test_iter batches."""

    iteration: int
    net_index: int
    outputs: Mapping[str, Values]
    loss: float
    weights: Mapping[str, float] = field(default_factory=dict)
    show_loss: bool = False  # test_compute_loss

    __test__ = False  # the name is Caffe's; pytest must not collect it


@dataclass(frozen=True, slots=True)
class LastPass:
    """The forward pass that Caffe shows after the last update, when display divides the iteration."""

    iteration: int
    loss: float
    smoothed_loss: float
    outputs: Mapping[str, Values]


@dataclass(frozen=True, slots=True)
class Snapshotted:
    """A snapshot is complete on disk. `path`: its `.caffemodel` (in HDF5 `.caffemodel.h5`); the rest lies beside it."""

    iteration: int
    path: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The snapshot of the best test so far is complete on disk: `path`, its model; `loss`, that of the test."""

    iteration: int
    path: str
    loss: float


class WarningKind(StrEnum):
    """What a warning is about. Whoever decides something asks for this, never for the words of the sentence."""

    SATURATED = "saturated"  # a layer's outputs lie in the tails, and the loss is stuck; facts: share, loss
    CONSTANT = "constant"  # a blob is the same for every input, and the loss is stuck; facts: loss
    DEAD = "dead"  # a layer's outputs are all 0 and pass no gradient
    GRADIENTS_GONE = "gradients_gone"  # no weight moves any more; facts: norm, greatest
    OVERFITTING = "overfitting"  # facts: net_index, best_iteration, best_loss, loss, train_before, train_now
    TARGETS = "targets"  # of a cross-entropy, outside of 0..1; facts: least, most
    UNSCALED = "unscaled"  # data far beyond 0..1, which weights multiply as they are; facts: least, most
    DATA = "data"  # of another layout or range than they seem to be, or than those that are learned from
    SETTINGS = "settings"  # of the solver text, without the effect that they seem to have
    PRECISION = "precision"  # how far the passes are from those in fp32
    RESUMED = "resumed"  # what is other than in the run that is gone on with
    FILES = "files"  # that are damaged, somebody else's, or could not be locked or removed
    UNWRITTEN = "unwritten"  # what could not be written


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that the person should know; the training goes on. All but `message` says it to programs."""

    iteration: int
    message: str
    kind: WarningKind
    layer: str = ""  # where it is about one
    blob: str = ""  # the author's name for it
    facts: Mapping[str, float] = field(default_factory=dict)  # see `WarningKind`


@dataclass(frozen=True, slots=True)
class Noted:
    """Something about how it computes, which no result depends on. It is not part of the metrics."""

    iteration: int
    message: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The end. `reason`: "done", "stopped early" when patience ended, "stopped" when it was asked to stop."""

    iteration: int
    reason: str
    train: Mapping[str, Values]  # the train net's outputs in the last pass
    test: Mapping[str, Values]  # the last test net's outputs in its last test
    seconds: float
    seconds_per_iteration: float  # of the training steps with their data
    snapshot: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """The run cannot go on: a value that is not finite, first in `layer`. A TrainingError follows."""

    iteration: int
    message: str
    layer: str = ""


Record = Started | Loaded | Step | Debugged | Test | LastPass | Snapshotted | Kept | Warned | Noted | Finished | Failed
