"""What there is to say about a training beside its numbers: warnings, and what could not be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from ..proto.lookup import once
from .records import Loaded, Warned, WarningKind


class Remarks:
    """Of one solver. `lacking`: what the run should have left and could not write, each in a sentence.

    `waiting`: what is to be told.
    """

    def __init__(self) -> None:
        self.lacking: list[str] = []
        self.waiting: list[tuple[WarningKind, str] | Loaded] = []
        self.names = once(self.noter(WarningKind.FILES))  # hears which names of files may mean several

    def note(self, kind: WarningKind, *messages: str) -> None:
        """Something that the person should know; told with the next record."""
        self.waiting.extend((kind, message) for message in messages)

    def noter(self, kind: WarningKind) -> Callable[[str], None]:
        """What notes each sentence that it is called with as of this kind."""
        return partial(self.note, kind)

    def loaded(self, *records: Loaded) -> None:
        """Weights that were loaded; told with the next record."""
        self.waiting.extend(records)

    def lacks(self, *problems: str) -> None:
        """Something that the run should leave could not be written; "" is nothing."""
        self.lacking.extend(filter(None, problems))

    def give_up(self, problem: str) -> None:
        """Both: told now, and lacking at the end."""
        self.note(WarningKind.UNWRITTEN, problem)
        self.lacks(problem)

    def take(self, iteration: int) -> Iterator[Warned | Loaded]:
        """The notes as records, each once."""
        while self.waiting:
            note = self.waiting.pop(0)
            yield note if isinstance(note, Loaded) else Warned(iteration, note[1], note[0])
