"""Where each field of a message stands in its text: a tree of places beside the tree of the message."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..errors import Place, Problem


@dataclass(slots=True)
class Spot:
    """A field's value: its place, and for a message the spots of its fields (a list each, singular fields too)."""

    place: Place
    fields: dict[str, list[Spot]] = field(default_factory=dict)

    def at(self, name: str, index: int = 0) -> Spot:
        """The spot of a field's value; where none is known, one of its own with the place of this message."""
        values = self.fields.get(name, ())
        return values[index] if index < len(values) else Spot(self.place)

    def values(self, name: str, count: int) -> list[Spot]:
        """The spots of a field's `count` values."""
        return [self.at(name, index) for index in range(count)]

    def find(self, path: tuple[str | int, ...]) -> Spot:
        """The spot at the end of `path`, or the nearest one on the way there that is known."""
        spot, steps = self, list(path)
        while steps:
            values = spot.fields.get(str(steps.pop(0)))
            index = steps.pop(0) if steps and isinstance(steps[0], int) else 0
            if not values or not 0 <= int(index) < len(values):
                return spot
            spot = values[int(index)]
        return spot


def position(problem: Problem) -> tuple[int, int]:
    """The key that sorts the problems of one text by their places."""
    place = problem.place or Place("")
    return place.line or 0, place.column or 0
