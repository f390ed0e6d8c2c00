"""The shell's front door: `deepcae COMMAND ...`."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (default: the process's own) and returns its exit code: 0 done, 1 failed run, 2 bad input."""
    from .guard import guarded

    return guarded(argv)


__all__ = ["main"]
