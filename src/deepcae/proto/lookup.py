"""Where a file named inside a text is: the working directory first, then the folder of the text that names it."""

from __future__ import annotations

from pathlib import Path


def resolve(name: str, *folders: str | Path) -> Path:
    """The first existing one of `name`, `folder/name` for each folder; `name` as it stands where none exists."""
    candidates = [Path(name), *(Path(folder) / name for folder in folders)]
    return next((path for path in candidates if path.exists()), candidates[0])
