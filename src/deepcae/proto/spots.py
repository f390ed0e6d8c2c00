"""Where each field of a message stands in its text: a tree of places beside the tree of the message."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import Place


@dataclass(slots=True)
class Spot:
    """A field's value: its place, and for a message the spots of its fields (a list each, singular fields too)."""

    place: Place
    fields: dict[str, list[Spot]] = field(default_factory=dict)

    def find(self, path: tuple[str | int, ...]) -> Spot:
        """The spot at the end of `path`, or the nearest one on the way there that is known."""
        spot, position = self, 0
        while position < len(path):
            values = spot.fields.get(str(path[position]))
            if not values:
                return spot
            index = path[position + 1] if position + 1 < len(path) else 0
            if isinstance(index, str):
                index = 0
            else:
                position += 1
            if not -len(values) <= index < len(values):
                return spot
            spot, position = values[index], position + 1
        return spot
