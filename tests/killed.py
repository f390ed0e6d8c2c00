"""A command that is killed at one of its renames."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

from deepcae.cli import main

FORKS = hasattr(os, "fork")  # whether this system copies processes


def killed_at(point: int, argv: list[str], counts: Callable[[str, str], bool] = lambda source, target: True) -> int:
    """The exit code of a command that ends with 9 at its n-th rename that counts: in a copy of this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the copy needs none
        copy = os.fork()
    if copy:
        return os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1])
    done, real = 0, os.replace

    def replace(source: str | Path, target: str | Path) -> None:
        nonlocal done
        done += counts(str(source), str(target))
        if done == point:
            os._exit(9)
        real(source, target)

    try:
        os.replace = replace  # type: ignore[assignment]
        os._exit(main(argv))
    finally:
        os._exit(99)
