"""`run.json`: the record of a run in its folder. Damage to it never costs the run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..inplace import json_of

ABOUT, SOLVER, METRICS, LOG = "run.json", "solver.prototxt", "metrics.jsonl", "train.log"
_COPY = re.compile(r"net(-\d+)?\.prototxt")


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(name, str) for name in value.values())


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and "\0" not in name for name in value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


FIELDS: dict[str, Callable[[Any], bool]] = {
    "seed": _is_number, "device": _is_text, "name": _is_text, "solver": _is_text, "texts": _is_texts,
    "folders": _is_names, "files": _is_names, "python": _is_text, "machine": _is_text,
}  # fmt: skip
NEEDED = ("seed", "folders")


def read_about(folder: Path) -> tuple[dict[str, Any], str]:
    """The fields that can be used, and what is wrong with the file, in words ("" if nothing).

    FileNotFoundError where there is none.
    """
    path = folder / ABOUT
    try:
        told = json_of(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        return {}, f"{path}: cannot be read: {error.strerror or error}"
    except ValueError:
        return {}, f"{path}: damaged, not a JSON file"
    if not isinstance(told, dict):
        return {}, f"{path}: damaged, not the fields of a run"
    wrong = [name for name, is_right in FIELDS.items() if name in told and not is_right(told[name])]
    about = {name: value for name, value in told.items() if name not in wrong}
    names = " and ".join(f"'{name}'" for name in (*(name for name in NEEDED if name not in told), *wrong))
    return about, f"{path}: damaged, {names} missing or not of the right type" if names else ""


def files_of(about: dict[str, Any]) -> list[str]:
    """The files in the run's folder that its training wrote, less its snapshots. Plain names, this record's last.

    Records of earlier versions list none: then they are those that a training always writes.
    """
    listed = about.get("files")
    if listed is None:
        texts = about.get("texts", {}).values()
        listed = [SOLVER, "net.prototxt", *texts, METRICS, LOG]
    known = (SOLVER, METRICS, LOG)
    names = [name for name in listed if name in known or _COPY.fullmatch(name)]
    return [*dict.fromkeys(names), ABOUT]
