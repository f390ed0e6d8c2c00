"""What goes wrong, said to the author of a file or the caller of a function: where, what was given, what is allowed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

_LONG_WORD = re.compile(r"[^\s/]{81,}")
_LONG_LIST = re.compile(r"((?:[^\s,;]+, ){5})(?:[^\s,;]+, ){7,}(?=[^\s,;]+)")
_LONGEST, _KEPT = 220, (115, 80)  # letters of a sentence; of a longer one: at its beginning and its end
_PATH, _NO_PATH = re.compile(r"\S*/\S*"), re.compile(r"\S{256,}")
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def shown(text: str) -> str:
    """The text as people may see it: what would steer a terminal, or turn the direction of letters, as an escape.

    A name in a file is somebody's word: `\\x1b]0;…` in it sets a window's title, U+202E writes the rest backwards.
    """
    return _UNSHOWABLE.sub(_escaped, text)


def in_one_line(text: str) -> str:
    """`shown`, with ends of lines and tabs as escapes, too: a name cannot begin a line of its own."""
    return shown(text).replace("\n", "\\n").replace("\t", "\\t")


def shortened(name: str, most: int = 60) -> str:
    """The name, its middle left out where it is longer than `most`, 3 at least."""
    last = most // 3
    return name if len(name) <= most else f"{name[: most - 1 - last]}…{name[-last:]}"


def _escaped(found: re.Match[str]) -> str:
    code = ord(found.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def readable(sentence: str) -> str:
    """The sentence, `shown`; long lists, words and sentences shortened: a damaged file cannot flood a screen.

    Of a list of names the first five and the last are told, and how many there are between.
    """
    for long in (_LONG_WORD, _NO_PATH):  # first: in a list each word is looked at from each of its letters on
        sentence = long.sub(lambda word: f"{word.group()[:50]}...{word.group()[-20:]}", shown(sentence))
    sentence = _LONG_LIST.sub(lambda some: f"{some[1]}… {some[0].count(', ') - 5} more …, ", sentence)
    first, last = _KEPT
    beyond = sum(max(0, len(path) - 40) for path in _PATH.findall(sentence)[:3])  # where a file lies is told in full
    return sentence if len(sentence) - beyond <= _LONGEST else f"{sentence[:first]} ... {sentence[-last:]}"


@dataclass(frozen=True)
class Place:
    """A spot in a file that a person can open: `net.prototxt:41:3` (lines and columns count from 1)."""

    file: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(in_one_line(str(part)) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Problem:
    """One complaint: a sentence, and the place it speaks of."""

    message: str
    place: Place | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", readable(self.message.replace("\n", "\\n")))

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
    """A run that came upon a value that is not finite, in its loss, its gradients or its state.

    `layer`: where that began, as far as it is known.
    """

    def __init__(self, message: str, layer: str = "") -> None:
        super().__init__(message)
        self.layer = layer


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


def first_line(error: BaseException) -> str:
    """What an error says, or what it is."""
    return (str(error).splitlines() or [type(error).__name__])[0]
