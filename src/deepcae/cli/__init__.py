"""The shell's front door: `deepcae COMMAND ...`."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line (default: the process's own); the exit code: 0 done, 1 failed run, 2 bad input."""
    from ..searched import trust_no_working_directory

    trust_no_working_directory()
    from .exits import dispatch, guarded

    return guarded(lambda began: dispatch(argv, began))


__all__ = ["main"]
