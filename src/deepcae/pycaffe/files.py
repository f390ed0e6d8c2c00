"""Files that a script names: a missing one is a RuntimeError, as in pycaffe."""

from __future__ import annotations

import os
from pathlib import Path


def existing(path: str | Path) -> str:
    """`path` as text. RuntimeError if no file is there."""
    if not os.path.exists(path):
        raise RuntimeError(f"Could not open file {path}")
    return os.fspath(path)
