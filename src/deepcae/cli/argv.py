"""Caffe's ways of writing flags, turned into ours.

| written                     | means                     |
|-----------------------------|---------------------------|
| `-solver x`, `-solver=x`    | `--solver x`              |
| `--solver=x`                | `--solver x`              |
| `--sighup_effect none`      | `--sighup-effect none`    |
| `--gpu 0`, `-gpu=0`         | `--device cuda:0`         |
| `--gpu all`, `--gpu -1`     | `--device cuda`, `... cpu`|
| `--gray=true`, `--gray=0`   | `--gray`, nothing         |

`--allow-python-layers` and `--allow-writes-elsewhere` hold for every command and may stand anywhere; they come out
first.

A single dash before a single letter is a short option and stays (`-o x`, `-q`); a word that starts like a number (`-1`,
`-.5`) is a value; nothing behind a bare `--` is touched, and never a value: not the word behind a flag that takes one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..errors import DataError

_LONG = re.compile(r"--?(?P<name>[A-Za-z][A-Za-z0-9_-]+)(?P<value>=.*)?", re.DOTALL)
_SHORT_WITH_VALUE = re.compile(r"(?P<flag>-[A-Za-z])=(?P<value>.*)", re.DOTALL)

MAY_BE_EMPTY = ("--", "--set")  # flags whose value is a text
FOR_ALL = ("--allow-python-layers", "--allow-writes-elsewhere")  # switches of no command, but of them all

SWITCHES = frozenset(
    "baselines batched check-size clusters csv dry-run encoded gray grey help in-place json linear masks "  # noqa: SIM905
    "mirror no-browser no-linear no-mirror no-training overwrite plain quick "
    "quiet rgb rule separate shuffle skip-damaged splits strict version".split()
)
"""Flags that take no value; the word behind any other flag is its value and stays as it is."""


def normalise(argv: Iterable[str]) -> list[str]:
    """`argv` with every flag in our spelling, values apart from their flags. Applying it again changes nothing."""
    groups = list(_groups(iter(argv)))
    for_all = [switch for switch in FOR_ALL if [switch] in groups]
    return [*for_all, *(word for group in groups if group not in [[switch] for switch in FOR_ALL] for word in group)]


def require_no_empty(argv: Iterable[str]) -> None:
    """DataError for an empty word, as "$DIR" is while DIR is not set: as a path it would be the working directory."""
    if any(group and not group[-1] and group[0] not in MAY_BE_EMPTY for group in _groups(iter(argv))):
        raise DataError("an argument is empty (''); is a variable of the shell unset? The working directory is '.'")


def _groups(words: Iterator[str]) -> Iterator[list[str]]:
    for word in words:
        if word == "--":
            yield [word, *words]
            return
        short = _SHORT_WITH_VALUE.fullmatch(word)
        if short:
            yield [short["flag"], short["value"]]
            continue
        flag = _LONG.fullmatch(word)
        if not flag:
            yield [word]
            continue
        name = flag["name"].replace("_", "-")
        if name in SWITCHES or "--" + name in FOR_ALL:
            yield _switch(name, flag["value"] or "")
            continue
        value = flag["value"][1:] if flag["value"] else next(words, None)
        yield _flag(name, value)


def _switch(name: str, value: str) -> list[str]:
    """A flag that gflags would be given a truth value: `=true` says it, `=false` leaves it out."""
    word = value[1:].lower()
    if word in ("false", "f", "no", "n", "0"):
        return []
    return ["--" + name + ("" if word in ("true", "t", "yes", "y", "1") else value)]


def _flag(name: str, value: str | None) -> list[str]:
    if name == "gpu":
        return ["--device"] if value is None else ["--device", _device(value)]
    return ["--" + name] if value is None else ["--" + name, value]


def _device(gpu: str) -> str:
    """Caffe's GPU number as a device name: `0` is `cuda:0`, `all` is `cuda`, `-1` is `cpu`."""
    return {"all": "cuda", "-1": "cpu"}.get(gpu, f"cuda:{gpu}")
