"""How many runs are computed together as one program: the last bits of results may depend on it."""

from __future__ import annotations

from collections.abc import Iterator


class Company:
    """Of one solver. `size`: 1 where it is computed alone."""

    def __init__(self) -> None:
        self.size = 1
        self._before: int | None = None  # in the run that it goes on with

    def restore(self, kept: object) -> None:
        """Goes on from what `to_json` wrote; None: it was alone."""
        self._before = kept if isinstance(kept, int) and kept > 0 else 1

    def to_json(self) -> dict[str, int]:
        """For a snapshot; that of a run alone says nothing of it."""
        return {"runs_as_one": self.size} if self.size > 1 else {}

    def changes(self) -> Iterator[str]:
        """What the person should know of it before the run goes on."""
        before, self._before = self._before, None
        if before is not None and before != self.size:
            yield (
                f"this run was computed {_told(before)} and is {_told(self.size)} now: the last bits of its numbers "
                "may differ"
            )


def _told(size: int) -> str:
    return "alone" if size == 1 else f"as one program with all {size} runs (--batched)"
