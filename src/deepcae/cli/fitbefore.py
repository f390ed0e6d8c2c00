"""What an earlier call of `fit` left in the same folder: how far it trained, and how old its results are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .training import Outcome

EARLY = "stopped early"  # `Finished.reason` where patience ended


@dataclass(frozen=True)
class Before:
    """`iteration`: that of the last snapshot; `outcome`: None where the training has not ended by itself."""

    iteration: int = 0
    outcome: Outcome | None = None

    @classmethod
    def of(cls, run: Path, model: Path) -> Before:
        """Of the training in a folder. A text in `model` that is newer than its records may ask for another end."""
        from ..solver.about import ABOUT, METRICS
        from ..solver.run import Run

        if not (run / ABOUT).exists():
            return cls()
        found = Run(run)
        snapshot = found.latest_snapshot(tell=lambda line: None)
        if snapshot is None:
            return cls()
        texts = [path.stat().st_mtime for path in model.glob("*.prototxt")]
        records = run / METRICS
        is_old = not records.exists() or max(texts, default=0.0) > records.stat().st_mtime
        return cls(snapshot.iteration, None if is_old else _ended(found.metrics()))

    @property
    def gave_up(self) -> bool:
        """Whether patience ended it."""
        return self.outcome is not None and self.outcome.finished.reason == EARLY

    def is_over(self, param: Any) -> bool:
        """Whether a training as `param` says it (a SolverParameter) has nothing left to do."""
        return self.outcome is not None and (self.gave_up or self.outcome.finished.iteration >= param.max_iter)

    def __str__(self) -> str:
        why = ", and ended as the held-out images were restored no better" if self.gave_up else ""
        return f"it trained {self.iteration:,} iterations{why}"


def newest(run: Path, data: Path) -> float:
    """When the last of that appeared which codes and pictures are made of: weights, records and images."""
    from ..solver.about import METRICS
    from ..solver.run import Run

    chosen = Run(run).choose(tell=lambda line: None)
    return max(path.stat().st_mtime for path in (chosen.snapshot.model, run / METRICS, data / "images.json"))


def _ended(records: list[dict[str, Any]]) -> Outcome | None:
    """The outcome that the last record tells; None where it was stopped, or tells none."""
    from ..solver.records import Finished
    from .training import Outcome, plain

    last = records[-1] if records else {}
    if last.get("kind") != "finished" or last.get("reason") == "stopped":
        return None
    told = {name: _as_it_was(last.get(name)) for name in (each.name for each in fields(Finished))}
    finished = Finished(**told)
    return Outcome(finished, {name: plain(value) for name, value in finished.test.items()})


def _as_it_was(value: Any) -> Any:
    """JSON's lists are tuples in a record."""
    if isinstance(value, dict):
        return {name: _as_it_was(each) for name, each in value.items()}
    return tuple(value) if isinstance(value, list) else value
