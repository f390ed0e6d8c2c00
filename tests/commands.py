"""Every command of the shell's front door, however deep it stands in a group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typer.main import get_command

from deepcae.cli.app import app


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """(its words, command) of every command."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(_commands(get_command(app)))
