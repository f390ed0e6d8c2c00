"""A parsed text: its message, and where each field of the message stands in what the author wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import Place, Problem
from .spots import Spot


class Document:
    """`message` as a protobuf message, the `filename` it came from, and `notes`: what was changed on the way."""

    def __init__(self, message: Any, filename: str, spot: Spot | None = None) -> None:
        self.message = message
        self.filename = filename
        self.spot = spot or Spot(Place(filename))
        self._notes: dict[Problem, None] = {}  # in order, each once

    def note(self, message: str, place: Place | None) -> None:
        """Adds a note, once."""
        self._notes[Problem(message, place)] = None

    @property
    def notes(self) -> list[Problem]:
        return list(self._notes)

    @property
    def folder(self) -> Path:
        """The folder of the file; the working directory for a text that is in no file."""
        return Path() if self.filename.startswith(("<", "--")) else Path(self.filename).parent

    def place(self, *path: str | int) -> Place:
        """Where a field stands: `place("layer", 3, "convolution_param", "kernel_size", 0)`, `place("base_lr")`.

        Falls back to the nearest enclosing thing whose place is known.
        """
        return self.spot.find(path).place

    def part(self, name: str, index: int | None = None) -> Document:
        """A message inside this one as a document of its own: `part("net_param")`, `part("test_net_param", 1)`."""
        value = getattr(self.message, name)
        return Document(value if index is None else value[index], self.filename, self.spot.at(name, index or 0))
