"""What goes wrong, said to the author of a file or the caller of a function: where, what was given, what is allowed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

_LONG_WORD = re.compile(r"[^\s/]{121,}")


_LONGEST = 800


def readable(sentence: str) -> str:
    """The sentence, very long words and sentences cut in the middle: a damaged file's content cannot flood a screen."""
    sentence = _LONG_WORD.sub(lambda word: f"{word.group()[:80]}...{word.group()[-20:]}", sentence)
    return sentence if len(sentence) <= _LONGEST else f"{sentence[: _LONGEST - 200]} ... {sentence[-150:]}"


@dataclass(frozen=True)
class Place:
    """A spot in a file that a person can open: `net.prototxt:41:3` (lines and columns count from 1)."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Problem:
    """One complaint: a sentence, and the place it speaks of."""

    message: str
    place: Place | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", readable(self.message))

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class DeepcaeError(Exception):
    """Anything that deepcae refuses or reports; its text is one line per problem."""

    def __init__(self, message: str = "") -> None:
        super().__init__(readable(message))


class SpecError(DeepcaeError):
    """A network or solver text that cannot be used; carries *all* problems of the file, in file order."""

    def __init__(self, problems: Iterable[Problem] | Problem | str) -> None:
        if isinstance(problems, str):
            problems = Problem(problems)
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__()
        self.args = ("\n".join(map(str, self.problems)),)


class LayerError(DeepcaeError):
    """A layer refuses its settings or its bottoms. Says what is wrong; who catches it (the plan) adds where.

    `at` names the field of the layer's message that is to blame (`"convolution_param.kernel_size"`, `"bottom.1"`).
    """

    def __init__(self, message: str, at: str = "") -> None:
        super().__init__(message)
        self.at = at


class DataError(DeepcaeError):
    """A data file or array that is missing, damaged, or not of the shape or range asked for."""


class SnapshotError(DeepcaeError):
    """A weights or state file that is missing, damaged, of the wrong kind, or made for another network."""


class TrainingError(DeepcaeError):
    """A run that failed or could not begin. Names iteration, layer and blob where there are some."""


class NotFinite(TrainingError):
    """A run that came upon a value that is not finite, in its loss, its gradients or its state."""


class Incomplete(TrainingError):
    """A run that came to its end without all that it should leave; `problems` names each file and what it lacks."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(map(readable, problems))
        super().__init__()
        self.args = ("\n".join(self.problems),)


class DeepcaeWarning(UserWarning):
    """Something that the person should know, while what was asked for goes on. The command line shows it as a line."""


def warn(sentence: str) -> None:
    """Says it by Python's own means, in the place from which our caller was called."""
    warnings.warn(DeepcaeWarning(readable(sentence)), stacklevel=3)
