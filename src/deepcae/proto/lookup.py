"""Where a file named inside a text is: the working directory first, then the folder of the text that names it."""

from __future__ import annotations

import os
from pathlib import Path


def resolve(name: str, *folders: str | Path) -> Path:
    """The first existing one of `name`, `folder/name` for each folder; `name` as it stands where none exists.

    `os.path` and not `Path`: a name too long for any file is one that does not exist, not an OSError.
    """
    candidates = [Path(name), *(Path(folder) / name for folder in folders)]
    return next((path for path in candidates if os.path.exists(path)), candidates[0])
